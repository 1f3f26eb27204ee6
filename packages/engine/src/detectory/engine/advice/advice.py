"""Advice: a property of a dataset that a recipe does not fit, with the settings that change the recipe."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

_MAX_NAMES = 5


@dataclass(frozen=True)
class Advice:
    """A property of a dataset that a recipe does not fit.

    Attributes:
        topic: Identifier, such as `"small boxes"`.
        message: What was counted, in one sentence with its numbers.
        remedy: What to do.
        settings: `KEY=VALUE` overrides of the recipe; with them, this advice does not appear. Empty if only the data
            can be changed.
    """

    topic: str
    message: str
    remedy: str
    settings: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the advice as text: message, remedy and settings."""
        text = f"{self.message}. {self.remedy}"
        return "\n  ".join([f"{text}:", *self.settings]) if self.settings else f"{text}."


def format_advice(advice: Iterable[Advice]) -> str:
    """Return pieces of advice as a list in text form."""
    return "\n".join(f"- {piece}".replace("\n", "\n  ") for piece in advice)


def override(key: str, value: Any) -> str:
    """Return a `KEY=VALUE` override; lists have no spaces, so that a shell does not split them."""
    return f"{key}={_text(value)}"


def listed(names: Sequence[str]) -> str:
    """Return up to five names, and the number of the others."""
    shown = ", ".join(names[:_MAX_NAMES])
    return f"{shown} and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else shown


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun, such as `"1 box"` or `"3 boxes"`."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def part_of(count: int, total: int, plural: str) -> str:
    """Return a count with its fraction, such as `"12 of 80 boxes (15%)"`."""
    return f"{count:,} of {total:,} {plural} ({count / max(total, 1):.0%})"


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(_text(item) for item in value) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)
