"""Predictor: inference on images, files and video frames, one by one or in batches."""

import itertools
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from detectory.core.config import locate
from detectory.data.classes import ClassList
from detectory.data.transforms import Augmentation, ResizeShortestEdge
from detectory.engine.inference.image_input import ImageSource, image_pixels
from detectory.engine.inference.run_folder import load_run
from detectory.modeling.fast_inference import optimize_for_inference
from detectory.structures import Instances, ModelInput, ModelOutput

_logger = logging.getLogger(__name__)
_BACKENDS = ("eager", "optimized", "compile", "auto")
# In a package that this one does not depend on.
_BEST_BACKEND = "detectory.export.best_backend.load_best"


class Predictor:
    """Resizes images, runs a model on them and returns its outputs at the original image size.

    Args:
        model: A meta-architecture. It is set to evaluation mode and moved to `device`.
        resize: How to resize images; by default the shorter side to 800 pixels and the longer side to at most 1333.
        device: The device of the model; unchanged by default.
        channels_last: Use the channels-last memory layout, which is faster for convolutions on CPUs and recent GPUs.
            The outputs are equal up to rounding.
        mix_sizes: Whether images of different sizes can share a batch, which improves GPU utilisation. Smaller images
            are padded to the largest, which may slightly change detections near their borders. Otherwise, only images
            with the same padded size are batched, and the outputs equal those of single images.
        classes: Class names and category ids of the model. The detections then also have the field
            `pred_class_names`, a list of names.

    Attributes:
        classes: The class names and category ids, or None if unknown.

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
        classes: ClassList | None = None,
    ) -> None:
        self.model = model.eval()
        if device is not None:
            self.model.to(device)
        if channels_last:
            self.model.to(memory_format=torch.channels_last)
        self.mix_sizes = mix_sizes
        self.classes = classes
        self.resize = resize or ResizeShortestEdge(800, 1333)
        self.input_format: str = getattr(model, "input_format", None) or "BGR"

    @classmethod
    def from_run(
        cls,
        run: str | os.PathLike[str],
        *,
        weights: str | None = None,
        device: str | None = None,
        backend: str = "eager",
        **options: Any,
    ) -> "Predictor":
        """Return the predictor of a run folder, with its weights, resizing, class names and device.

        Args:
            run: A run folder of `train`, of `detectory train` or of Detectron2's `DefaultTrainer`.
            weights: A checkpoint; by default the run's best one.
            device: By default the device of the training, or the CPU if CUDA is unavailable.
            backend: `"eager"` runs the model unchanged. `"optimized"` applies `optimize_for_inference`. `"auto"` uses
                the backend that `detectory benchmark RUN --formats best` found to be the fastest on this machine, or
                `"optimized"` without a measurement; it needs detectory-export, the best checkpoint and the CPU.
            options: Further arguments of `Predictor`.

        Raises:
            FileNotFoundError: If the folder has no config or no checkpoint.
            ValueError: If the backend is unknown.

        Example:
            >>> predictor = Predictor.from_run("run")  # doctest: +SKIP
            >>> predictor.predict("photo.jpg", threshold=0.5).pred_class_names  # doctest: +SKIP
            ['mug', 'pen']
        """
        if backend not in _BACKENDS:
            raise ValueError(f"Predictor.from_run: backend must be one of {', '.join(_BACKENDS)}, got {backend!r}")
        if backend == "auto":
            backend = "optimized"
            if weights is None and (device == "cpu" or (device is None and not torch.cuda.is_available())):
                load_best: Any = locate(_BEST_BACKEND)
                backend, predictor = load_best(run)
                _logger.info("%s: backend %s", run, backend)
                if predictor is not None:
                    return predictor
        trained = load_run(Path(run), weights=weights, device=device)
        name, _, dtype = backend.partition(":")
        if name != "eager":
            optimize_for_inference(trained.model, getattr(torch, dtype or "float32"), compile=name == "compile")
        return cls(trained.model, trained.resize, device=trained.device, classes=trained.classes, **options)

    def __call__(self, image: ImageSource) -> ModelOutput:
        """Return the model's outputs for one image: `instances`, `sem_seg`, `panoptic_seg`, depending on the model.

        Raises:
            FileNotFoundError: If the file does not exist.
            TypeError: If the type of the image is not supported.
            ValueError: If the file is not a readable image, or shape, dtype or values are not supported.
        """
        return self.predict_batch([image])[0]

    def predict(self, image: ImageSource, threshold: float = 0.0) -> Instances:
        """Return the detections of one image with scores of at least `threshold`, on the CPU.

        Raises:
            TypeError: If the model does not return instances.
        """
        return instances_of(self(image), threshold)

    def predict_batch(self, images: Sequence[ImageSource]) -> list[ModelOutput]:
        """Return the model's outputs for several images. Images of the same padded size are batched."""
        return self._run([self.prepare(image) for image in images])

    @torch.inference_mode()
    def _run(self, inputs: list[ModelInput]) -> list[ModelOutput]:
        """Run the model on prepared inputs, grouped by padded size."""
        groups: dict[tuple[int, ...], list[int]] = {}
        for i, item in enumerate(inputs):
            groups.setdefault(() if self.mix_sizes else self._padded_size(item["image"]), []).append(i)
        outputs: dict[int, ModelOutput] = {}
        for members in groups.values():
            outputs |= zip(members, self.model([inputs[i] for i in members]), strict=True)
        return [self._with_class_names(outputs[i]) for i in range(len(inputs))]

    def _with_class_names(self, output: ModelOutput) -> ModelOutput:
        instances = output.get("instances")
        if self.classes is not None and instances is not None and instances.has("pred_classes"):
            names = self.classes.names
            instances.pred_class_names = [
                names[label] if label < len(names) else f"class {label}" for label in instances.pred_classes.tolist()
            ]
        return output

    def _padded_size(self, image: torch.Tensor) -> tuple[int, ...]:
        """Return the padded size, in units of the model's size divisibility."""
        step = max(getattr(getattr(self.model, "backbone", None), "size_divisibility", 1), 1)
        return tuple(-(-side // step) for side in image.shape[-2:])

    def predict_files(
        self, files: Iterable[str | os.PathLike[str]], batch_size: int = 1
    ) -> Iterator[tuple[Path, ModelOutput | Exception]]:
        """Yield each file with the model's outputs, or with the error raised while reading it.

        Args:
            files: Paths of images. The order is preserved.
            batch_size: Number of files to read together; they share batches as described for `mix_sizes`.
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
    ) -> Iterator[tuple[np.ndarray, ModelOutput]]:
        """Yield each frame of a video, (H, W, 3) uint8 RGB, with the model's outputs. One batch is held at a time."""
        remaining = iter(frames)
        while batch := list(itertools.islice(remaining, batch_size)):
            yield from zip(batch, self.predict_batch(batch), strict=True)

    def prepare(self, image: ImageSource) -> ModelInput:
        """Return the model's input: the resized `image` (C, h, w) float32, and the original `height` and `width`."""
        pixels = image_pixels(image, self.input_format)
        height, width = pixels.shape[:2]
        resized = self.resize.get_transform(pixels).apply_image(pixels)
        tensor = torch.as_tensor(np.ascontiguousarray(resized.transpose(2, 0, 1)))
        return {"image": tensor.float(), "height": height, "width": width}

    def _try_prepare(self, path: Path) -> ModelInput | Exception:
        try:
            return self.prepare(path)
        except (OSError, ValueError) as error:
            return error


def instances_of(outputs: ModelOutput, threshold: float = 0.0) -> Instances:
    """Return the detections among a model's outputs with scores of at least `threshold`, on the CPU.

    Raises:
        TypeError: If the outputs contain no instances.
    """
    if "instances" not in outputs:
        raise TypeError(f"instances_of: outputs must contain 'instances', got {', '.join(outputs)}")
    instances = outputs["instances"].to("cpu")
    return instances[instances.scores >= threshold] if threshold > 0 else instances
