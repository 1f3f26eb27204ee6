"""The error of unreadable images."""


class ImageReadError(ValueError):
    """A file exists but is not a readable image."""
