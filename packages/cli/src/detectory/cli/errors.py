"""One-line error messages and exit codes."""

import os

import click

FAILED, USAGE_ERROR, INTERNAL_ERROR, INTERRUPTED = 1, 2, 70, 130

#: Errors that can be caused by arguments, files or the machine. Any other exception is a bug in Detectory.
_EXPECTED = (ValueError, TypeError, LookupError, OSError, RuntimeError, ArithmeticError, ImportError, MemoryError)
_MAX_LENGTH = 600


def describe_error(error: Exception) -> tuple[str, int]:
    """Return a one-line message and the exit code of an exception.

    Example:
        >>> describe_error(FileNotFoundError("run/: no such folder"))
        ('run/: no such folder', 1)
    """
    if isinstance(error, click.UsageError):
        hint = f" (see '{error.ctx.command_path} --help')" if error.ctx is not None else ""
        return _one_line(error.format_message().rstrip(".")) + hint, USAGE_ERROR
    if isinstance(error, click.ClickException):
        return _one_line(error.format_message()), error.exit_code
    if isinstance(error, _EXPECTED):
        return _one_line(_message(error)) or type(error).__name__, FAILED
    prefix = "internal error, please report it with the traceback that --debug prints"
    return _one_line(f"{prefix}: {type(error).__name__}: {error}"), INTERNAL_ERROR


def _message(error: BaseException) -> str:
    """Return the message of an error for a user.

    Removes the quotes of a KeyError, the number of an OSError and the worker traceback that torch's DataLoader embeds.
    """
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    if isinstance(error, OSError) and error.filename and error.strerror:
        names = [os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, (str, bytes))]
        text = f"{' -> '.join(names)}: {error.strerror}" if names else text
    if "DataLoader worker process" in text and "Traceback" in text:
        text = text.strip().splitlines()[-1].partition(": ")[2]
    return text


def _one_line(text: str) -> str:
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    joined = "".join(line + (" " if line.endswith((":", ",", ";")) else "; ") for line in lines[:-1])
    joined += "".join(lines[-1:])
    if len(joined) <= _MAX_LENGTH:
        return joined
    return f"{joined[:_MAX_LENGTH].rstrip()} … (--debug prints the full message)"
