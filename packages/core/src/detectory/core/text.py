"""Shortening of values for error messages."""


def short_repr(value: object, limit: int = 80) -> str:
    """Return `repr(value)`, truncated to `limit` characters.

    Example:
        >>> short_repr("a" * 9, limit=6)
        "'aaaaa…"
    """
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]}…"
