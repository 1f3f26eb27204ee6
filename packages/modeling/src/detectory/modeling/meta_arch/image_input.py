"""Preparation of input images, common to all meta-architectures."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from detectory.modeling.backbone import Backbone
from detectory.modeling.layers import fast_layout
from detectory.structures import ImageList, Instances, ModelInput


class ImageNormalizer(nn.Module):
    """Base class of models with a backbone: normalization, padding and batching of the input images.

    Args:
        backbone: The backbone, which defines the padding.
        pixel_mean: Mean of each channel, in the range of the input images (0 to 255).
        pixel_std: Standard deviation of each channel, in the same range.

    Raises:
        ValueError: If `pixel_mean` and `pixel_std` differ in length.
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
        # Not persistent: mean and standard deviation are settings, and not part of Detectron2's checkpoints.
        self.register_buffer("pixel_mean", torch.tensor(pixel_mean, dtype=torch.float32).view(-1, 1, 1), False)
        self.register_buffer("pixel_std", torch.tensor(pixel_std, dtype=torch.float32).view(-1, 1, 1), False)

    @property
    def device(self) -> torch.device:
        """The device of the model."""
        return self.pixel_mean.device

    def preprocess_image(self, batched_inputs: Sequence[ModelInput]) -> ImageList:
        """Move images to the device, normalize and pad them; return the batch.

        Args:
            batched_inputs: One dictionary per image with `"image"`, `(C, H, W)` of any real dtype, in the range 0 to
                255.

        Returns:
            The batch, float32, padded at the right and the bottom with zeros, which is the mean color.

        Raises:
            ValueError: If an image has a wrong shape.
        """
        images = self._batch([self._normalize(item["image"]) for item in batched_inputs])
        images.tensor = fast_layout(images.tensor)
        return images

    def _normalize(self, image: Tensor) -> Tensor:
        """Return the normalized image, float32 `(C, H, W)`, on the device of the model."""
        return (self._pixels(image) - self.pixel_mean) / self.pixel_std

    def _pixels(self, image: Tensor) -> Tensor:
        """Return the image `(C, H, W)` on the device of the model, after a check of its shape."""
        if image.dim() != 3 or image.shape[0] != self.pixel_mean.shape[0]:
            raise ValueError(
                f"{type(self).__name__}: image must have shape ({self.pixel_mean.shape[0]}, H, W),"
                f" got {tuple(image.shape)}"
            )
        return image.to(self.device)

    def _batch(self, tensors: list[Tensor], pad_value: float = 0.0) -> ImageList:
        """Pad tensors to a common size that suits the backbone."""
        return ImageList.from_tensors(
            tensors,
            self.backbone.size_divisibility,
            pad_value=pad_value,
            padding_constraints=self.backbone.padding_constraints,
        )

    def _ground_truth(self, batched_inputs: Sequence[ModelInput]) -> list[Instances] | None:
        """Return the `"instances"` of each image on the device of the model, or `None` if the batch has none."""
        if "instances" not in batched_inputs[0]:
            return None
        return [item["instances"].to(self.device) for item in batched_inputs]

    def _training_targets(self, batched_inputs: Sequence[ModelInput]) -> list[Instances]:
        """Return the `"instances"` of each image on the device of the model.

        Raises:
            ValueError: If the batch has none.
        """
        targets = self._ground_truth(batched_inputs)
        if targets is None:
            raise ValueError(f"{type(self).__name__}: inputs must have 'instances' in training")
        return targets


def output_size(item: ModelInput, image_size: tuple[int, int]) -> tuple[int, int]:
    """Return the requested `(height, width)` of the output, by default the size of the image."""
    return item.get("height", image_size[0]), item.get("width", image_size[1])
