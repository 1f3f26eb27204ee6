"""Problems in datasets: `Problem` describes one, `DatasetError` reports it as an exception."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Problem:
    """A problem in a dataset.

    Attributes:
        file: The file with the problem: an annotation file or an image.
        id: The record with the problem, for example `"annotation 7"`; empty if the whole file is affected.
        field: The field of the record, for example `"segmentation[0]"`; empty if the whole record is affected.
        message: The expected and the actual value.
        rule: The name of the violated rule, a key of `detectory.data.validation.RULES`.
        value: The value of the field, if known. Problems are compared without it.
    """

    file: str
    id: str
    field: str
    message: str
    rule: str = "invalid-value"
    value: Any = dataclasses.field(default=None, compare=False)

    def __str__(self) -> str:
        return ": ".join(part for part in (self.file, self.id, self.field, self.message) if part)


class DatasetError(ValueError):
    """An error for an invalid dataset. The message contains file, record and field.

    Attributes:
        problem: The problem.
    """

    def __init__(self, problem: Problem | str) -> None:
        super().__init__(str(problem))
        self.problem = problem


def raise_first(problems: Iterable[Problem]) -> None:
    """Raise a `DatasetError` for the first problem; do nothing without problems."""
    for problem in problems:
        raise DatasetError(problem)
