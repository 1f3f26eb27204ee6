"""What is wrong with a dataset, and where."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One problem of a dataset.

    Attributes:
        file: The file that has it: an annotation file or an image.
        id: The record that has it, for example `"annotation 7"`; empty for the file as a whole.
        field: The field of the record, for example `"segmentation[0]"`; empty for the record as a whole.
        message: What was expected and what came.
    """

    file: str
    id: str
    field: str
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.file, self.id, self.field, self.message) if part)


class DatasetError(ValueError):
    """A dataset has a problem; the message names file, id and field.

    Attributes:
        problem: The problem.
    """

    def __init__(self, problem: Problem | str) -> None:
        super().__init__(str(problem))
        self.problem = problem


def raise_first(problems: Iterable[Problem]) -> None:
    """Raise a `DatasetError` for the first of some problems, if there is one."""
    for problem in problems:
        raise DatasetError(problem)
