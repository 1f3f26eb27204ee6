"""What every meta-architecture does with its input images."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from detectory.modeling.backbone import Backbone
from detectory.modeling.layers import fast_layout
from detectory.structures import ImageList, Instances

ModelInput = Sequence[dict[str, Any]]


class ImageNormalizer(nn.Module):
    """A model that owns a backbone and the mean and deviation of its images.

    Args:
        backbone: The backbone; its padding rules are followed.
        pixel_mean: Mean of each channel, in the units of the input (0 to 255).
        pixel_std: Deviation of each channel.
    """

    def __init__(self, backbone: Backbone, pixel_mean: Sequence[float], pixel_std: Sequence[float]) -> None:
        super().__init__()
        if len(pixel_mean) != len(pixel_std):
            raise ValueError(
                f"{type(self).__name__}: pixel_mean and pixel_std must have the same length,"
                f" got {list(pixel_mean)} and {list(pixel_std)}"
            )
        self.backbone = backbone
        self.pixel_mean: Tensor
        self.pixel_std: Tensor
        # Settings, not weights: no part of a checkpoint.
        self.register_buffer("pixel_mean", torch.tensor(pixel_mean, dtype=torch.float32).view(-1, 1, 1), False)
        self.register_buffer("pixel_std", torch.tensor(pixel_std, dtype=torch.float32).view(-1, 1, 1), False)

    @property
    def device(self) -> torch.device:
        """Where the model lives."""
        return self.pixel_mean.device

    def preprocess_image(self, batched_inputs: ModelInput) -> ImageList:
        """Bring images to the model's device, normalise, pad and batch them.

        Args:
            batched_inputs: One dictionary an image with `"image"`: `(C, H, W)` of any real type, 0 to 255.

        Returns:
            The batch, float32, padded with zeros (the mean colour) at the right and the bottom.
        """
        images = self._batch([self._normalize(item["image"]) for item in batched_inputs])
        images.tensor = fast_layout(images.tensor)
        return images

    def _normalize(self, image: Tensor) -> Tensor:
        if image.dim() != 3 or image.shape[0] != self.pixel_mean.shape[0]:
            raise ValueError(
                f"{type(self).__name__}: image must have shape ({self.pixel_mean.shape[0]}, H, W),"
                f" got {tuple(image.shape)}"
            )
        return (image.to(self.device) - self.pixel_mean) / self.pixel_std

    def _batch(self, tensors: list[Tensor], pad_value: float = 0.0) -> ImageList:
        return ImageList.from_tensors(
            tensors,
            self.backbone.size_divisibility,
            pad_value=pad_value,
            padding_constraints=self.backbone.padding_constraints,
        )

    def _ground_truth(self, batched_inputs: ModelInput) -> list[Instances] | None:
        """Return every image's `"instances"` on the model's device, `None` where the batch has none."""
        if "instances" not in batched_inputs[0]:
            return None
        return [item["instances"].to(self.device) for item in batched_inputs]


def output_size(item: dict[str, Any], image_size: tuple[int, int]) -> tuple[int, int]:
    """Return the wanted `(height, width)` of an input's result: its own wish, else the image's size."""
    return item.get("height", image_size[0]), item.get("width", image_size[1])
