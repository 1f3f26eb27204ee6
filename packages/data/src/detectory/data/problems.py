"""What is wrong with a dataset, and where."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One fault of a dataset.

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
    """A dataset has a fault; the message names file, id and field.

    Attributes:
        fault: The fault.
    """

    def __init__(self, fault: Fault | str) -> None:
        super().__init__(str(fault))
        self.fault = fault


def raise_first(faults: Iterable[Fault]) -> None:
    """Raise a `DatasetError` for the first of some faults, if there is one."""
    for fault in faults:
        raise DatasetError(fault)
