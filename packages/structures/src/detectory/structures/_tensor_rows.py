"""Base class of the collections that keep one row of a tensor per object."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from ._annotations import Index

if TYPE_CHECKING:
    from typing_extensions import Self


class TensorRows:
    """N objects as the rows of a tensor. A subclass is constructed from the tensor alone.

    `Boxes` implements the same methods itself because TorchScript does not support inheritance.

    Args:
        tensor: Shape (N, …).
    """

    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = tensor

    @property
    def device(self) -> torch.device:
        """The device of the tensor."""
        return self.tensor.device

    def to(self, *args: Any, **kwargs: Any) -> "Self":
        """Return the objects with `tensor.to(*args, **kwargs)`, in the dtype of the class."""
        return type(self)(self.tensor.to(*args, **kwargs))

    def __len__(self) -> int:
        return self.tensor.shape[0]

    def __getitem__(self, item: Index) -> "Self":
        """Select objects. An int selects one object; a slice shares storage with the original.

        Args:
            item: An int, a slice, a tensor of indices, or a bool tensor of length N.

        Raises:
            IndexError: If the index is out of range or reaches into the rows.
        """
        if isinstance(item, int):
            return type(self)(self.tensor[item].unsqueeze(0))
        rows = self.tensor[item]
        if rows.dim() != self.tensor.dim():
            name = type(self).__name__
            raise IndexError(f"{name}: index must select whole objects, got a result of shape {tuple(rows.shape)}")
        return type(self)(rows)

    @classmethod
    def _concatenate(cls, collections: Sequence["Self"]) -> "Self":
        if len(collections) == 0:
            raise ValueError(f"{cls.__name__}.cat: list must not be empty")
        for position, entry in enumerate(collections):
            if not isinstance(entry, cls):
                raise TypeError(
                    f"{cls.__name__}.cat: entry {position} must be {cls.__name__}, got {type(entry).__name__}"
                )
        return cls(torch.cat([entry.tensor for entry in collections], dim=0))
