"""Suggestions of similar names for error messages about unknown names."""

import difflib
from collections.abc import Iterable

_MAX_LISTED = 12


def nearest_names(name: str, known: Iterable[str], limit: int = 3) -> list[str]:
    """Return up to `limit` of the `known` names that are most similar to `name`, best first.

    The comparison ignores case. The list is empty if no name is similar.
    """
    by_lower: dict[str, str] = {}
    for candidate in known:
        by_lower.setdefault(str(candidate).lower(), str(candidate))
    close = difflib.get_close_matches(str(name).lower(), list(by_lower), n=limit, cutoff=0.6)
    return [by_lower[match] for match in close]


def nearest(name: str, known: Iterable[str], limit: int = 3) -> str:
    """Return a suggestion for the unknown `name`, to end an error message with.

    Returns:
        `"did you mean 'a' or 'b'?"`, or `"known: a, b, …"` (sorted, at most 12) if no name is similar, or
        `"none is known"` if `known` is empty.

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
    rest = f" and {len(names) - _MAX_LISTED} more" if len(names) > _MAX_LISTED else ""
    return f"known: {', '.join(names[:_MAX_LISTED])}{rest}"
