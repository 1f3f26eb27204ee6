"""The device of the inputs, which subclasses may choose."""

from torch import Tensor

from detectory.compat.detectron2.layers import move_device_like

__all__ = ["InputDevice"]


class InputDevice:
    """Mixin of models that moves every image with `_move_to_current_device`."""

    pixel_mean: Tensor

    def _move_to_current_device(self, x: Tensor) -> Tensor:
        """Move a tensor to the device of the model."""
        return move_device_like(x, self.pixel_mean)

    def _normalize(self, image: Tensor) -> Tensor:
        return super()._normalize(self._move_to_current_device(image))  # type: ignore[misc]
