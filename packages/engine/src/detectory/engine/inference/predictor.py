"""Predictor runs a model on pictures as they come: files, folders' files, arrays; one by one or in batches."""

import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from detectory.data.images import read_image
from detectory.data.transforms import Augmentation, ResizeShortestEdge
from detectory.structures import Instances

#: A path, or an RGB array (H, W, 3) uint8.
Picture = str | os.PathLike[str] | np.ndarray


class Predictor:
    """Resizes pictures, runs a model on them and gives its outputs in the pixels of the original picture.

    Args:
        model: A meta-architecture; it is set to evaluation and moved to `device`.
        resize: How a picture is resized first; by default its shorter side to 800 pixels, the longer to at most 1333.
        device: Where the model runs; by default where it is.
        channels_last: Keep weights and activations in channels-last memory, which convolutions on CPUs and recent
            GPUs prefer; the outputs are the same up to rounding.
        mix_sizes: Let pictures of different size share a batch, which keeps a GPU busy. The smaller ones are padded to
            the largest, and what a model finds near their rims may change a little. Without it only pictures that
            the model pads to the same size go through it together, and a batch gives what its pictures give alone.

    Example:
        >>> import numpy as np
        >>> from detectory import zoo
        >>> model = zoo.get("COCO-Detection/retinanet_R_50_FPN_1x.py")  # with random weights
        >>> predictor = Predictor(model, ResizeShortestEdge(96, 128))
        >>> instances = predictor.predict(np.zeros((60, 80, 3), np.uint8))
        >>> instances.image_size
        (60, 80)
    """

    def __init__(
        self,
        model: nn.Module,
        resize: Augmentation | None = None,
        *,
        device: str | torch.device | None = None,
        channels_last: bool = True,
        mix_sizes: bool = False,
    ) -> None:
        self.model = model.eval()
        if device is not None:
            self.model.to(device)
        if channels_last:
            self.model.to(memory_format=torch.channels_last)
        self.mix_sizes = mix_sizes
        self.resize = resize or ResizeShortestEdge(800, 1333)
        self.input_format: str = getattr(model, "input_format", None) or "BGR"

    def __call__(self, picture: Picture) -> dict[str, Any]:
        """Return the model's outputs for one picture: `instances`, `sem_seg`, `panoptic_seg` as it has them.

        Raises:
            FileNotFoundError: no such file.
            ValueError: the file is no picture that can be read, or the array is not (H, W, 3) uint8.
        """
        return self.predict_batch([picture])[0]

    def predict(self, picture: Picture, threshold: float = 0.0) -> Instances:
        """Return one picture's detections on the CPU, those with a score of at least `threshold`.

        Raises:
            TypeError: the model detects no instances.
        """
        return instances_of(self(picture), threshold)

    def predict_batch(self, pictures: Sequence[Picture]) -> list[dict[str, Any]]:
        """Return the model's outputs for several pictures; those of one size go through it together."""
        return self._run([self.prepare(picture) for picture in pictures])

    @torch.inference_mode()
    def _run(self, inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the model's outputs for prepared inputs, those of one padded size at a time."""
        groups: dict[tuple[int, ...], list[int]] = {}
        for i, item in enumerate(inputs):
            groups.setdefault(() if self.mix_sizes else self._padded_size(item["image"]), []).append(i)
        outputs: dict[int, dict[str, Any]] = {}
        for members in groups.values():
            outputs |= zip(members, self.model([inputs[i] for i in members]), strict=True)
        return [outputs[i] for i in range(len(inputs))]

    def _padded_size(self, image: torch.Tensor) -> tuple[int, ...]:
        """Return the size in steps of the model's padding."""
        step = max(getattr(getattr(self.model, "backbone", None), "size_divisibility", 1), 1)
        return tuple(-(-side // step) for side in image.shape[-2:])

    def predict_files(
        self, files: Iterable[str | os.PathLike[str]], batch_size: int = 1
    ) -> Iterator[tuple[Path, dict[str, Any] | Exception]]:
        """Yield each file with the model's outputs, or with the error that reading it raised.

        Args:
            files: Paths of pictures, in the order in which they come out.
            batch_size: How many are read together, and go through the model together where `mix_sizes` lets them.
        """
        remaining = iter(files)
        while batch := [Path(file) for file in itertools.islice(remaining, batch_size)]:
            read = [self._try_prepare(path) for path in batch]
            inputs = [item for item in read if isinstance(item, dict)]
            outputs = iter(self._run(inputs))
            for path, item in zip(batch, read, strict=True):
                yield path, item if isinstance(item, Exception) else next(outputs)

    def predict_frames(
        self, frames: Iterable[np.ndarray], batch_size: int = 1
    ) -> Iterator[tuple[np.ndarray, dict[str, Any]]]:
        """Yield each frame of a video, (H, W, 3) uint8 RGB, with the model's outputs; one batch is held at a time."""
        remaining = iter(frames)
        while batch := list(itertools.islice(remaining, batch_size)):
            yield from zip(batch, self.predict_batch(batch), strict=True)

    def prepare(self, picture: Picture) -> dict[str, Any]:
        """Return the model's input: `image` (C, h, w) float32 after resizing, `height`, `width` before it."""
        if isinstance(picture, np.ndarray):
            if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
                raise ValueError(
                    f"Predictor: an array must be RGB (H, W, 3) uint8, got {picture.shape} {picture.dtype}"
                )
            image = picture[:, :, ::-1] if self.input_format == "BGR" else picture
        else:
            image = read_image(os.fspath(picture), format=self.input_format)
        height, width = image.shape[:2]
        resized = self.resize.get_transform(image).apply_image(image)
        tensor = torch.as_tensor(np.ascontiguousarray(resized.transpose(2, 0, 1)))
        return {"image": tensor.float(), "height": height, "width": width}

    def _try_prepare(self, path: Path) -> dict[str, Any] | Exception:
        try:
            return self.prepare(path)
        except (OSError, ValueError) as error:
            return error


def instances_of(outputs: dict[str, Any], threshold: float = 0.0) -> Instances:
    """Return the detections among a model's outputs on the CPU, those with a score of at least `threshold`.

    Raises:
        TypeError: the outputs hold no instances.
    """
    if "instances" not in outputs:
        raise TypeError(f"instances_of: the model gives {', '.join(outputs)}, no instances")
    instances = outputs["instances"].to("cpu")
    return instances[instances.scores >= threshold] if threshold > 0 else instances
