"""The error of the reader of configs."""


class ConfigReadError(ValueError):
    """A config that cannot be read as data; the message names the file and the line."""
