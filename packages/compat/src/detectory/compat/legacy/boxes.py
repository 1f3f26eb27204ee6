"""Boxes with corners that are indices of the first and the last pixel inside the box."""

from torch import Tensor

from detectory.ops import batched_nms
from detectory.structures import Boxes


class PixelBoxes(Boxes):
    """Boxes that end at the last pixel of the image, `(width - 1, height - 1)`.

    Takes the arguments of `Boxes`.
    """

    def __init__(self, tensor: Tensor) -> None:
        super().__init__(tensor)
        self._pixel_size = (1.0, 1.0)

    @classmethod
    def cat(cls, boxes_list: list[Boxes]) -> "PixelBoxes":
        """Concatenate boxes; ground-truth boxes, which training adds to the proposals, may be plain `Boxes`."""
        return cls(Boxes.cat(boxes_list).tensor)

    def scale(self, scale_x: float, scale_y: float) -> None:
        """Multiply x by `scale_x` and y by `scale_y`, in place; the next `clip` refers to a resized image."""
        super().scale(scale_x, scale_y)
        self._pixel_size = (self._pixel_size[0] * scale_x, self._pixel_size[1] * scale_y)

    def clip(self, box_size: tuple[int, int]) -> None:
        """Clamp x to [0, width - p] and y to [0, height - p], in place, with the size `p` of a pixel."""
        pixel_width, pixel_height = self._pixel_size
        super().clip((box_size[0] - pixel_height, box_size[1] - pixel_width))  # type: ignore[arg-type]


class InclusiveBoxes(PixelBoxes):
    """`PixelBoxes` with areas and sides that include the last pixel, so that a single pixel has an area of 1.

    The area determines the pyramid level of a region.
    """

    def area(self) -> Tensor:
        """Return the areas in square pixels, the last row and column included, shape (N,)."""
        x1, y1, x2, y2 = self.tensor.unbind(dim=1)
        return (x2 - x1 + 1) * (y2 - y1 + 1)

    def nonempty(self, threshold: float = 0.0) -> Tensor:
        """Return whether both sides of each box, with the last pixel, are longer than `threshold` pixels."""
        x1, y1, x2, y2 = self.tensor.unbind(dim=1)
        return (x2 - x1 + 1 > threshold) & (y2 - y1 + 1 > threshold)


def inclusive_nms(boxes: Tensor, scores: Tensor, groups: Tensor, iou_threshold: float) -> Tensor:
    """Return the result of `batched_nms` with intersections and areas that include the last pixel."""
    return batched_nms(boxes + boxes.new_tensor([0, 0, 1, 1]), scores, groups, iou_threshold)
