"""Type aliases that the type checker and TorchScript resolve differently.

TorchScript resolves the annotations of every method of a scripted class, even of those marked `torch.jit.unused`. It
supports neither unions of this size nor dotted names such as `torch.device` there, so at run time the aliases are types
that it knows.
"""

from typing import TYPE_CHECKING

import torch

Device = torch.device
"""`torch.device` as a name without a dot."""

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np

    Index = int | slice | Sequence[int] | torch.Tensor | np.ndarray
    """An index into a collection of boxes, masks or keypoints."""
    Rows = Iterator[torch.Tensor]
    """The iterator over such a collection."""
else:
    Index = torch.Tensor
    Rows = torch.Tensor
