"""Differences between two configs."""

import math
from dataclasses import dataclass
from typing import Any

from detectory.cli.configs.config import Config, flatten

_MISSING = object()


@dataclass(frozen=True)
class Difference:
    """A leaf that differs between two configs.

    Attributes:
        key: Dotted path of the leaf.
        before: Value in the first config; None if missing.
        after: Value in the second config; None if missing.
        text: One line for each config that has the leaf, with the prefix - or +.
    """

    key: str
    before: Any
    after: Any
    text: str

    def __str__(self) -> str:
        return self.text


def find_differences(a: Config, b: Config) -> list[Difference]:
    """Return the leaves that differ, in the order of the configs; a recipe is compared with the other as a recipe."""
    if a.is_recipe != b.is_recipe:
        a, b = a.as_recipe(), b.as_recipe()
    before, after = flatten(a.with_defaults()), flatten(b.with_defaults())
    resolved_before, resolved_after = flatten(a.with_defaults(resolve=True)), flatten(b.with_defaults(resolve=True))
    differences = []
    for key in dict.fromkeys([*before, *after]):
        old, new = before.get(key, _MISSING), after.get(key, _MISSING)
        # An interpolation differs only if its value differs, and that difference is reported at the referenced leaf.
        is_same_resolved = _is_equal(resolved_before.get(key, _MISSING), resolved_after.get(key, _MISSING))
        if is_same_resolved or _is_equal(old, new):
            continue
        sides = (("-", old), ("+", new))
        lines = [f"{sign} {key}: {value!r}" for sign, value in sides if value is not _MISSING]
        values = [None if value is _MISSING else value for _, value in sides]
        differences.append(Difference(key, values[0], values[1], "\n".join(lines)))
    return differences


def _is_equal(one: Any, other: Any) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_is_equal, one, other))
    if isinstance(one, float) and isinstance(other, (int, float)):
        return math.isclose(one, other, rel_tol=1e-9)
    return bool(one == other)
