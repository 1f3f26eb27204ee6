"""What the command line says about an error, in one line, and the exit code that it leaves with."""

import click

FAILED, WRONG_USAGE, OUR_FAULT, INTERRUPTED = 1, 2, 70, 130

#: What a person's input, files or machine can cause. Anything else is a fault of this program.
_EXPLAINED = (ValueError, TypeError, LookupError, OSError, RuntimeError, ArithmeticError, ImportError, MemoryError)
_LONGEST = 600


def explain(error: Exception) -> tuple[str, int]:
    """Return the line that tells a person what went wrong, and the exit code.

    Example:
        >>> explain(FileNotFoundError("run/: no such folder"))
        ('run/: no such folder', 1)
    """
    if isinstance(error, click.UsageError):
        hint = f" ('{error.ctx.command_path} --help' shows how)" if error.ctx is not None else ""
        return _one_line(error.format_message().rstrip(".")) + hint, WRONG_USAGE
    if isinstance(error, click.ClickException):
        return _one_line(error.format_message()), error.exit_code
    if isinstance(error, _EXPLAINED):
        return _one_line(_message(error)) or type(error).__name__, FAILED
    told = f"a fault of detectory itself, please report it with the trace that --debug shows: {type(error).__name__}"
    return _one_line(f"{told}: {error}"), OUR_FAULT


def _message(error: BaseException) -> str:
    """The message of an error: a KeyError's without quotes, a loader worker's without the trace that torch puts in."""
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    if "DataLoader worker process" in text and "Traceback" in text:
        text = text.strip().splitlines()[-1].partition(": ")[2]
    return text


def _one_line(text: str) -> str:
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    joined = "".join(line + (" " if line.endswith((":", ",", ";")) else "; ") for line in lines[:-1])
    joined += "".join(lines[-1:])
    return joined if len(joined) <= _LONGEST else f"{joined[:_LONGEST].rstrip()} … (--debug shows all of it)"
