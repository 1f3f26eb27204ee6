"""Exported files as models for `detectory predict` and `detectory eval`."""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from detectory.data import DatasetCatalog, DatasetMapper, build_detection_test_loader
from detectory.data.classes import ClassList, align_classes
from detectory.data.dataset_folder import DatasetFolder
from detectory.engine import Predictor
from detectory.evaluation import COCOEvaluator, inference_on_dataset
from detectory.export import FORMATS, load

_CONFIG_SUFFIXES = {".py", ".yaml", ".yml"}


@dataclass(frozen=True)
class LoadedFile:
    """An exported file, ready for prediction.

    Attributes:
        predictor: The predictor of the file.
        classes: Class names and category ids, or None if unknown.
        metadata: Class names for drawing.
    """

    predictor: Predictor
    classes: ClassList | None
    metadata: Any


def is_exported_file(name: str) -> bool:
    """Whether a model name is a file that is not a config, or has the suffix of an export format."""
    path = Path(name)
    if path.suffix in {entry.suffix for entry in FORMATS.values()}:
        return True
    return path.is_file() and path.suffix not in _CONFIG_SUFFIXES


def load_file(path: str | Path, device: str | None = None) -> LoadedFile:
    """Load an exported file of any format.

    Args:
        path: The file.
        device: The device, by default the CPU.
    """
    predictor = load(path, device or "cpu")
    classes = predictor.classes
    metadata = SimpleNamespace(thing_classes=list(classes.names)) if classes else SimpleNamespace()
    return LoadedFile(predictor, classes, metadata)


def evaluate_file(
    path: str, data: Path, split: str = "val", *, device: str | None = None, output: Path | None = None
) -> tuple[dict[str, dict[str, float]], str]:
    """Run an exported file over a dataset, and return the metrics and the name of the registered dataset.

    Args:
        path: The file.
        data: The dataset. Its classes are matched by name to those of the file.
        split: The split to evaluate on.
        device: The device, by default the CPU.
        output: Folder for the detections.

    Raises:
        ValueError: If the model does not detect objects.
    """
    predictor = load(path, device or "cpu")
    model: Any = predictor.model
    names = model.description.output_names
    if "pred_boxes" not in names and "proposal_boxes" not in names:
        raise ValueError(f"{path}: the model does not detect objects, but returns {', '.join(names)}")
    _, name = DatasetFolder.find(data, split, needs_train=False).register(data.resolve().name)
    if predictor.classes is not None:
        align_classes(predictor.classes.names, [name])
    mapper = DatasetMapper(is_train=False, augmentations=[predictor.resize], image_format=predictor.input_format)
    loader = build_detection_test_loader(DatasetCatalog.get(name), mapper=mapper)
    evaluator = COCOEvaluator(name, output_dir=None if output is None else str(output))
    return dict(inference_on_dataset(predictor.model, loader, evaluator) or {}), name
