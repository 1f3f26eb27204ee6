"""Annotations that the type checker and TorchScript read differently.

TorchScript knows annotations by their value and one type at a time, also those of methods that it leaves out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np

    Index = int | slice | Sequence[int] | torch.Tensor | np.ndarray
    """What may stand in the brackets of a list of boxes, masks or keypoints."""
    Rows = Iterator[torch.Tensor]
    """What iterating over such a list gives."""
else:
    Index = torch.Tensor
    Rows = torch.Tensor
