"""Batches of images of different sizes, padded to a common size."""

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Any

import torch
from torch.nn import functional as F
from torch.utils import _pytree as pytree

from ._annotations import Device, Rows


class ImageList:
    """B images in one tensor, padded at the right and at the bottom.

    Args:
        tensor: The padded images, shape (B, H, W) or (B, C, H, W).
        image_sizes: `(height, width)` of each image before padding. Under `torch.jit.trace` each is a tensor with two
            elements instead.
    """

    def __init__(self, tensor: torch.Tensor, image_sizes: list[tuple[int, int]]) -> None:
        self.tensor = tensor
        self.image_sizes = image_sizes

    def __len__(self) -> int:
        return len(self.image_sizes)

    def __getitem__(self, idx: int) -> torch.Tensor:
        """Return one image without padding, shape (C, H, W) or (H, W). A slice returns an `ImageList`."""
        # TorchScript skips this block and thus sees a single return type.
        if not torch.jit.is_scripting():  # noqa: SIM102
            if isinstance(idx, slice):
                return ImageList(self.tensor[idx], self.image_sizes[idx])
        height, width = self.image_sizes[idx]
        return self.tensor[idx, ..., :height, :width]

    @torch.jit.unused
    def __iter__(self) -> Rows:
        """Yield each image without padding."""
        for i in range(len(self)):
            height, width = self.image_sizes[i]
            yield self.tensor[i, ..., :height, :width]

    @torch.jit.unused
    def __repr__(self) -> str:
        return f"ImageList(tensor of shape {tuple(self.tensor.shape)}, image_sizes={self.image_sizes})"

    @torch.jit.unused
    def to(self, *args: Any, **kwargs: Any) -> "ImageList":
        """Return the images with `tensor.to(*args, **kwargs)`."""
        return ImageList(self.tensor.to(*args, **kwargs), self.image_sizes)

    @property
    def device(self) -> Device:
        """The device of the tensor."""
        return self.tensor.device

    @staticmethod
    def from_tensors(
        tensors: list[torch.Tensor],
        size_divisibility: int = 0,
        pad_value: float = 0.0,
        padding_constraints: dict[str, int] | None = None,
    ) -> "ImageList":
        """Pad images to a common size and stack them.

        Args:
            tensors: At least one image of shape (H, W) or (C, H, W); all with the same number of channels.
            size_divisibility: If above 1, the common height and width are rounded up to a multiple of this.
            pad_value: The value of the padding.
            padding_constraints: Optional keys: `square_size` above 0 pads to that height and width; `square` above 0
                pads to the longest side; `size_divisibility` overrides the argument of the same name. Not supported by
                TorchScript.

        Raises:
            ValueError: If the list is empty, the shapes do not match, or an image is larger than `square_size`.
            TypeError: If an image is not a tensor.
        """
        if torch.jit.is_scripting():
            if padding_constraints is not None:
                raise RuntimeError("ImageList.from_tensors: padding_constraints must be None under TorchScript")
            return _pad_scripted(tensors, size_divisibility, pad_value)
        return ImageList._from_tensors(tensors, size_divisibility, pad_value, padding_constraints)

    @staticmethod
    @torch.jit.unused
    def _from_tensors(
        tensors: list[torch.Tensor],
        size_divisibility: int,
        pad_value: float,
        padding_constraints: dict[str, int] | None,
    ) -> "ImageList":
        _check_images(tensors)
        constraints = dict(padding_constraints or {})
        unknown = constraints.keys() - {"square", "square_size", "size_divisibility"}
        if unknown:
            raise ValueError(
                "ImageList.from_tensors: keys of padding_constraints must be 'square', 'square_size' or "
                f"'size_divisibility', got {sorted(unknown)}"
            )
        sizes = [(image.shape[-2], image.shape[-1]) for image in tensors]
        size = _common_size(
            sizes,
            constraints.get("square_size", 0),
            constraints.get("size_divisibility", size_divisibility),
            square=constraints.get("square", 0) > 0,
        )
        padded = [
            F.pad(image, [0, size[1] - width, 0, size[0] - height], value=pad_value)
            for image, (height, width) in zip(tensors, sizes, strict=True)
        ]
        return ImageList(torch.stack(padded).contiguous(), _traceable_sizes(tensors, sizes))


def _pad_scripted(tensors: list[torch.Tensor], divisibility: int, pad_value: float) -> ImageList:
    """Do the work of `ImageList.from_tensors` in the Python subset of TorchScript."""
    height, width = 0, 0
    sizes: list[tuple[int, int]] = []
    for image in tensors:
        sizes.append((image.shape[-2], image.shape[-1]))
        height, width = max(height, image.shape[-2]), max(width, image.shape[-1])
    if divisibility > 1:
        height = (height + divisibility - 1) // divisibility * divisibility
        width = (width + divisibility - 1) // divisibility * divisibility
    padded: list[torch.Tensor] = []
    for image in tensors:
        margin = [0, width - image.shape[-1], 0, height - image.shape[-2]]
        padded.append(F.pad(image, margin, value=pad_value))
    return ImageList(torch.stack(padded), sizes)


def _check_images(tensors: Sequence[torch.Tensor]) -> None:
    if len(tensors) == 0:
        raise ValueError("ImageList.from_tensors: tensors must contain at least one image, got none")
    for i, image in enumerate(tensors):
        if not isinstance(image, torch.Tensor):
            raise TypeError(f"ImageList.from_tensors: image {i} must be a tensor, got {type(image).__name__}")
        if image.dim() < 2 or image.shape[:-2] != tensors[0].shape[:-2]:
            raise ValueError(
                f"ImageList.from_tensors: images must be (..., H, W) and differ in H and W only, "
                f"got {tuple(tensors[0].shape)} in image 0 and {tuple(image.shape)} in image {i}"
            )


def _common_size(
    sizes: list[tuple[Any, Any]], square_size: int, divisibility: int, square: bool = False
) -> tuple[Any, Any]:
    """Return the padded (height, width): ints, symbolic ints under export and compile, tensors under tracing."""
    height: Any
    width: Any
    if torch.jit.is_tracing():
        height, width = torch.stack([torch.stack(size) for size in sizes]).amax(dim=0).unbind()
    else:
        height, width = (reduce(lambda a, b: torch.sym_max(a, b), sides) for sides in zip(*sizes, strict=True))
    if square:
        height = width = torch.maximum(height, width) if torch.jit.is_tracing() else torch.sym_max(height, width)
    if square_size > 0:
        if height > square_size or width > square_size:
            raise ValueError(
                f"ImageList.from_tensors: images must fit into square_size={square_size}, got {height}x{width}"
            )
        height = width = square_size
    if divisibility > 1:
        height = (height + divisibility - 1) // divisibility * divisibility
        width = (width + divisibility - 1) // divisibility * divisibility
    return height, width


def _traceable_sizes(tensors: Sequence[torch.Tensor], sizes: list[tuple[Any, Any]]) -> list[Any]:
    if not torch.jit.is_tracing():
        return sizes
    # Tensors stay part of the traced graph, which recomputes them for each input; ints would become constants.
    return [torch.stack(size).to(image.device) for image, size in zip(tensors, sizes, strict=True)]


def _unflatten(children: Iterable[Any], context: Any) -> ImageList:
    (tensor,) = children
    return ImageList(tensor, list(context))


pytree.register_pytree_node(
    ImageList,
    lambda images: ([images.tensor], tuple(images.image_sizes)),
    _unflatten,
    serialized_type_name="detectory.structures.ImageList",
    to_dumpable_context=lambda context: [list(size) for size in context],
    from_dumpable_context=lambda dumped: tuple(tuple(size) for size in dumped),
    flatten_with_keys_fn=lambda images: (
        [(pytree.GetAttrKey("tensor"), images.tensor)],
        tuple(images.image_sizes),
    ),
)
