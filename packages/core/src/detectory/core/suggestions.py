"""Nearest known names, so that an error about an unknown name says what was probably meant."""

import difflib
from collections.abc import Iterable

_SHOWN = 12


def nearest_names(name: str, known: Iterable[str], limit: int = 3) -> list[str]:
    """Return up to `limit` of the `known` names that look most like `name`, best first.

    Upper and lower case count as equal. The list is empty when nothing is close.
    """
    by_lower: dict[str, str] = {}
    for candidate in known:
        by_lower.setdefault(str(candidate).lower(), str(candidate))
    close = difflib.get_close_matches(str(name).lower(), list(by_lower), n=limit, cutoff=0.6)
    return [by_lower[match] for match in close]


def nearest(name: str, known: Iterable[str], limit: int = 3) -> str:
    """Say which of the `known` names was probably meant by `name`, as the end of an error message.

    Returns:
        `"did you mean 'a' or 'b'?"`; when nothing is close `"known: a, b, …"` (at most 12, sorted), and
        `"none is known"` when `known` is empty.

    Example:
        >>> nearest("RestNet", ["ResNet", "FPN"])
        "did you mean 'ResNet'?"
        >>> nearest("x", ["FPN", "ResNet"])
        'known: FPN, ResNet'
    """
    names = sorted({str(candidate) for candidate in known})
    if not names:
        return "none is known"
    close = nearest_names(name, names, limit)
    if close:
        return f"did you mean {' or '.join(repr(match) for match in close)}?"
    rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"known: {', '.join(names[:_SHOWN])}{rest}"
