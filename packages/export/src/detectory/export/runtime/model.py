"""`Model`: an exported file with its pre- and post-processing."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from detectory.export.description import Description
from detectory.export.runtime.boxes import clip, is_nonempty, scale
from detectory.export.runtime.graphs import RunArrays, open_graph
from detectory.export.runtime.images import ImageSource, fitted_size, model_input, padded, resized_size, rgb_image
from detectory.export.runtime.keypoints import heatmaps_to_keypoints
from detectory.export.runtime.masks import encode_window, paste_mask
from detectory.export.runtime.panoptic import combine
from detectory.export.runtime.prediction import Prediction
from detectory.export.runtime.resampling import resize_bilinear


class Model:
    """A graph with the pre- and post-processing of its description.

    Args:
        run_graph: Maps the graph's input arrays to its output arrays.
        description: Metadata of the exported file.
    """

    def __init__(self, run_graph: RunArrays, description: Description) -> None:
        self.run_graph = run_graph
        self.description = description

    def predict(self, image: ImageSource, threshold: float = 0.0) -> Prediction:
        """Return the predictions for one image.

        Args:
            image: See `ImageSource`; arrays are RGB.
            threshold: Minimum score of a detection.

        Raises:
            FileNotFoundError: If the file does not exist.
            TypeError: If the type of the image is not supported.
            ValueError: If the image is not readable, its resized sides are too short for the graph, or the model needs
                proposals.
        """
        settings = self.description
        rgb = rgb_image(image)
        if settings.height:
            size = fitted_size(rgb.height, rgb.width, settings.height, settings.width)
        else:
            size = resized_size(rgb.height, rgb.width, settings.shortest_side, settings.longest_side)
        if not settings.height and min(size) < settings.smallest_side:
            raise ValueError(
                f"predict: the resized image must have sides of at least {settings.smallest_side} pixels, "
                f"got {size[0]}x{size[1]}"
            )
        if len(settings.input_names) > 1:
            raise ValueError(f"predict: {settings.architecture} needs proposals, which this runtime does not compute")
        pixels = model_input(rgb, size, settings.input_format)
        if settings.height:
            pixels = padded(pixels, settings.height, settings.width, settings.pixel_mean)
        raw = self._run(pixels)
        return self._finish(raw, size, (rgb.height, rgb.width), threshold)

    def _run(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        """Return the raw outputs for one image by name; graphs for a batch receive copies of the image."""
        batch = self.description.batch
        if batch != 1:
            pixels = np.repeat(pixels[None], max(batch, 1), axis=0)
        raw = dict(zip(self.description.output_names, self.run_graph([pixels]), strict=True))
        if batch == 1:
            return raw
        index = raw.pop("image_index", None)
        return {name: value[0] if name == "sem_seg" else value[index == 0] for name, value in raw.items()}

    def _finish(
        self, raw: dict[str, np.ndarray], size: tuple[int, int], output_size: tuple[int, int], threshold: float
    ) -> Prediction:
        """Convert raw outputs at the model's resolution to predictions at the resolution of the image."""
        result = Prediction(*output_size)
        if "sem_seg" in raw:
            logits = raw["sem_seg"][:, : size[0], : size[1]].astype(np.float32)
            result.sem_seg = resize_bilinear(logits, *output_size).argmax(axis=0)
        if "pred_boxes" in raw or "proposal_boxes" in raw:
            windows = self._detections(raw, size, result, threshold)
            if self.description.panoptic and result.sem_seg is not None:
                parts = windows, result.scores, result.classes, result.sem_seg
                result.panoptic, result.segments = combine(*parts, self.description.panoptic)
        return result

    def _detections(
        self, raw: Mapping[str, np.ndarray], size: tuple[int, int], result: Prediction, threshold: float
    ) -> list[tuple[np.ndarray, int, int]]:
        """Set the fields of all detections, and return the pasted masks."""
        raw_boxes = raw["pred_boxes" if "pred_boxes" in raw else "proposal_boxes"].astype(np.float32)
        raw_scores = raw["scores" if "scores" in raw else "objectness_logits"].astype(np.float32)
        height, width = result.height, result.width
        factors = width / size[1], height / size[0]
        boxes = clip(scale(raw_boxes, *factors), height, width)
        kept = np.flatnonzero(is_nonempty(boxes) & (raw_scores >= threshold if threshold > 0 else True))
        result.boxes, result.scores = boxes[kept], raw_scores[kept]
        classes = raw.get("pred_classes")
        result.classes = np.zeros(len(kept), np.int64) if classes is None else classes[kept]
        if classes is not None:
            self._name(result)
        if "pred_keypoint_heatmaps" in raw:
            keypoints = heatmaps_to_keypoints(raw["pred_keypoint_heatmaps"][kept], raw_boxes[kept])
            result.keypoints = keypoints * np.array([*factors, 1], np.float32)
        if "pred_masks" not in raw:
            return []
        masks = zip(raw["pred_masks"][kept, 0], result.boxes, strict=True)
        windows = [paste_mask(mask, box, height, width) for mask, box in masks]
        result.masks = [encode_window(*window, height, width) for window in windows]
        return windows

    def _name(self, result: Prediction) -> None:
        names: list[Any] = self.description.classes.get("names") or []
        ids: list[Any] = self.description.classes.get("ids") or []
        labels = result.classes.tolist()
        if names:
            result.class_names = [names[label] if label < len(names) else f"class {label}" for label in labels]
        if len(ids) > max(labels, default=-1):
            result.category_ids = [ids[label] for label in labels]


def load(path: str | os.PathLike[str], threads: int | None = None) -> Model:
    """Load an exported file.

    Args:
        path: A `.onnx` file, the `.xml` file of an OpenVINO model, or a `.tflite` file, written by `detectory.export`.
        threads: Number of threads; by default all cores.

    Raises:
        FileNotFoundError: If the file does not exist.
        ModuleNotFoundError: If the runtime of the format is not installed.
        ValueError: If the file is damaged, its format is not supported, or it was not written by `detectory.export`.
    """
    return Model(*open_graph(path, threads))
