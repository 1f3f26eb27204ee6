"""Configs of both kinds, recipes and Detectron2's YAML, as the commands `config show` and `config diff` need them."""

import inspect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from detectory.cli.lookup import detectron2_configs, recipes
from detectory.core.config import LazyConfig, dotted_path, locate
from detectory.core.config.lazy_call import as_node
from detectory.core.suggestions import nearest

_ABSENT = object()


@dataclass
class Config:
    """A config of either kind.

    Attributes:
        name: What a person called it.
        content: A `DictConfig` of a recipe, or a `CfgNode`.
    """

    name: str
    content: Any

    @classmethod
    def load(cls, name: str, overrides: Sequence[str] = ()) -> "Config":
        """Load a zoo's name, a file, or the folder of a run, and apply `KEY=VALUE` arguments.

        Raises:
            KeyError, FileNotFoundError: there is none of this name.
        """
        if detectron2_configs.is_detectron2_config(name):
            return cls(name, detectron2_configs.load(name, overrides, keep_device=True))
        content = recipes.load_run(Path(name)) if Path(name).is_dir() else recipes.load_recipe(name)
        recipes.apply_overrides(content, overrides)
        return cls(name, content)

    @property
    def is_recipe(self) -> bool:
        """Whether this is a recipe, and not a `CfgNode`."""
        return isinstance(self.content, DictConfig)

    def as_recipe(self) -> "Config":
        """Return the recipe that a YAML config converts to; a recipe is returned as it is."""
        if self.is_recipe:
            return self
        from detectory.cli.configs.conversion import recipe_config

        return Config(self.name, recipe_config(self.content))

    def part(self, key: str | None = None) -> Any:
        """Return the value under a dotted key, or everything, as dictionaries, lists and plain values.

        Raises:
            KeyError: there is no such key; the message lists the nearest.
        """
        return self._descend(self._plain(), key)

    def complete(self, resolve: bool = False) -> Any:
        """Return everything as plain values, with the defaults of arguments that are left out.

        Args:
            resolve: Put the value that an interpolation refers to in its place.
        """
        if not self.is_recipe:
            return self._plain()
        content = OmegaConf.to_container(self.content, resolve=resolve)
        return _with_defaults(LazyConfig.to_plain(DictConfig(content, flags={"allow_objects": True})))

    def yaml(self, key: str | None = None) -> str:
        """Return a part as YAML."""
        found = self.part(key)
        if not isinstance(found, (dict, list)):
            return f"{found}\n"
        return yaml.safe_dump(found, allow_unicode=True, width=110, sort_keys=False)

    def python(self, key: str | None = None) -> str:
        """Return a part as Python assignments."""
        if not self.is_recipe:
            return "".join(f"cfg.{path} = {value!r}\n" for path, value in flat(self.part(key), key or "").items())
        self.part(key)
        chosen = OmegaConf.select(self.content, key) if key else self.content
        prefix = f"cfg.{key}" if key else "cfg."
        return LazyConfig.to_py(chosen, prefix=prefix)

    def _plain(self) -> Any:
        if self.is_recipe:
            return LazyConfig.to_plain(self.content)
        return yaml.safe_load(self.content.dump())

    def _descend(self, value: Any, key: str | None) -> Any:
        for position, name in enumerate(parts := key.split(".") if key else []):
            if isinstance(value, list) and name.isdecimal() and int(name) < len(value):
                value = value[int(name)]
            elif isinstance(value, dict) and name in value:
                value = value[name]
            else:
                known = value if isinstance(value, dict) else []
                above = ".".join(parts[:position]) or "the config"
                raise KeyError(f"{self.name}: no '{name}' in {above}: {nearest(name, known)}")
        return value


@dataclass(frozen=True)
class Change:
    """A leaf that differs; a side that lacks it holds None, and is not `shown`."""

    key: str
    before: Any
    after: Any
    shown: str

    def __str__(self) -> str:
        return self.shown


def differences(a: Config, b: Config) -> list[Change]:
    """Return the leaves in which two configs differ, in the order in which they stand in them."""
    if a.is_recipe != b.is_recipe:
        a, b = a.as_recipe(), b.as_recipe()
    before, after = flat(a.complete()), flat(b.complete())
    resolved_before, resolved_after = flat(a.complete(resolve=True)), flat(b.complete(resolve=True))
    found = []
    for key in dict.fromkeys([*before, *after]):
        old, new = before.get(key, _ABSENT), after.get(key, _ABSENT)
        # A leaf that refers to another one differs only where the other one does, which is told there.
        same = _is_same(resolved_before.get(key, _ABSENT), resolved_after.get(key, _ABSENT))
        if not same and not _is_same(old, new):
            lines = [f"{sign} {key}: {side!r}" for sign, side in (("-", old), ("+", new)) if side is not _ABSENT]
            sides = [None if side is _ABSENT else side for side in (old, new)]
            found.append(Change(key, sides[0], sides[1], "\n".join(lines)))
    return found


def _is_same(one: Any, other: Any) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_is_same, one, other))
    if isinstance(one, float) and isinstance(other, (int, float)):
        return math.isclose(one, other, rel_tol=1e-9)
    return bool(one == other)


def _with_defaults(value: Any) -> Any:
    """Add to every call the arguments that it leaves out, and name its target by the path where it is defined."""
    if isinstance(value, list):
        return [_with_defaults(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {key: _with_defaults(item) for key, item in value.items()}
    try:
        target = locate(found["_target_"])
        parameters = inspect.signature(target).parameters.values()
    except (KeyError, ImportError, TypeError, ValueError, AttributeError):
        return found  # no call, not installed, a target that is a node, or built in
    found["_target_"] = dotted_path(target)
    given = {item.name: item.default for item in parameters if item.default is not inspect.Parameter.empty}
    defaults = LazyConfig.to_plain(DictConfig(as_node(given), flags={"allow_objects": True}))
    return defaults | found


def flat(value: Any, path: str = "") -> dict[str, Any]:
    """Return the leaves of nested dictionaries by their dotted paths; lists of plain values are leaves."""
    if isinstance(value, dict) and value:
        items: Any = value.items()
    elif isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value):
        items = enumerate(value)
    else:
        return {path: value}
    found: dict[str, Any] = {}
    for key, item in items:
        found |= flat(item, f"{path}.{key}" if path else str(key))
    return found
