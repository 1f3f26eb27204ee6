"""Box deltas relative to sizes that include the last pixel."""

from collections.abc import Sequence

from torch import Tensor

from detectory.modeling.box_regression import SCALE_CLAMP, Box2BoxTransform


class LegacyBox2BoxTransform(Box2BoxTransform):
    """R-CNN's box transform for corners that are pixels inside the box, so that a width is `x2 - x1 + 1`.

    Args:
        weights: As for `Box2BoxTransform`.
        scale_clamp: As for `Box2BoxTransform`.
        exact_corners: Whether decoded corners are the first and the last pixel, which makes decoding the inverse of
            encoding. If False, a decoded box is one pixel wider and higher around the same center, as in the legacy
            coder of MMDetection 2 and 3.
    """

    def __init__(self, weights: Sequence[float], scale_clamp: float = SCALE_CLAMP, exact_corners: bool = True) -> None:
        super().__init__(weights, scale_clamp)
        self.exact_corners = exact_corners

    def get_deltas(self, src_boxes: Tensor, target_boxes: Tensor) -> Tensor:
        """See `Box2BoxTransform.get_deltas`."""
        return super().get_deltas(_with_last_pixel(src_boxes), _with_last_pixel(target_boxes))

    def apply_deltas(self, deltas: Tensor, boxes: Tensor) -> Tensor:
        """See `Box2BoxTransform.apply_deltas`."""
        decoded = super().apply_deltas(deltas, _with_last_pixel(boxes))
        first, last = (0.0, -1.0) if self.exact_corners else (-0.5, -0.5)
        return decoded + decoded.new_tensor([first, first, last, last]).repeat(decoded.shape[-1] // 4)


def _with_last_pixel(boxes: Tensor) -> Tensor:
    """Move the lower right corners of boxes `(N, 4)` to the end of their pixel."""
    return boxes + boxes.new_tensor([0, 0, 1, 1])
