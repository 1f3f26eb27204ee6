"""`export_model`: the work of `detectory export`."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from detectory.cli.lookup.models import LoadedModel, load_model
from detectory.data import DatasetCatalog, DatasetMapper, build_detection_test_loader
from detectory.data.classes import align_classes
from detectory.data.dataset_folder import DatasetFolder
from detectory.engine import Predictor
from detectory.evaluation import COCOEvaluator, inference_on_dataset
from detectory.export import export, load
from detectory.export.description import Description
from detectory.modeling.meta_arch import SemanticSegmentor

MAX_VERIFICATION_IMAGES = 2
MAX_CALIBRATION_IMAGES = 100


def export_model(
    name: str,
    path: Path,
    format_name: str,
    *,
    size: tuple[int, int] = (0, 0),
    batch: int = 1,
    dtype: str = "float32",
    calibration: str | None = None,
    max_ap_drop: float | None = None,
    weights: str | None = None,
    images: Sequence[str] = (),
) -> dict[str, Any]:
    """Export a model, verify the file and return a summary.

    Args:
        name: A run folder, a zoo name, or a recipe or Detectron2 YAML file.
        path: The file to write.
        format_name: A key of `detectory.export.FORMATS`.
        size: Fixed height and width of the input, pixels; zeros for any size.
        batch: Number of images per call; 0 for any number.
        dtype: Type of the weights and features.
        calibration: A dataset folder or a registered dataset, for int8. The AP is measured on it.
        max_ap_drop: Allowed drop of the AP in int8.
        weights: A checkpoint; by default the run's best one or the published weights.
        images: Images to verify the file with; by default images of the run's dataset, or one of Matplotlib.
    """
    start = time.perf_counter()
    loaded = load_model(name, weights=weights, device="cpu")
    predictor = Predictor(loaded.model, loaded.resize, device="cpu", classes=loaded.classes)
    files = list(images) or _verification_images(loaded)
    inputs = [{**predictor.prepare(file), "file_name": file} for file in files]
    dataset = None if calibration is None else _registered(calibration)
    is_semantic = isinstance(loaded.model, SemanticSegmentor)
    agreement = export(
        predictor,
        path,
        inputs,
        format=format_name,
        height=size[0],
        width=size[1],
        batch=batch,
        dtype=dtype,
        calibration=[] if dataset is None else _calibration_images(dataset),
        accuracy=None if dataset is None or is_semantic else partial(_average_precision, predictor, dataset),
        max_ap_drop=max_ap_drop,
    )
    written = [path, path.with_suffix(".bin")] if path.suffix == ".xml" else [path]
    return {
        "file": str(path),
        "format": format_name,
        "dtype": dtype,
        "images": files,
        **{key: value for key, value in asdict(agreement).items() if key != "images"},
        "agreement": str(agreement),
        "quantization": _description(path).quantization if dtype == "int8" else {},
        "semantic": hasattr(loaded.model, "sem_seg_head"),
        "mebibytes": sum(file.stat().st_size for file in written) / 2**20,
        "seconds": time.perf_counter() - start,
    }


def _description(path: Path) -> Description:
    model: Any = load(path).model
    return model.description


def _verification_images(loaded: LoadedModel) -> list[str]:
    """Return images of the model's dataset if it is available, or else an image that Matplotlib contains."""
    for name in loaded.datasets:
        if name not in DatasetCatalog:
            continue
        try:
            records = DatasetCatalog.get(name)
        except (OSError, ValueError):
            continue  # the dataset of the run was moved, or is not installed
        files = [record["file_name"] for record in records if Path(record["file_name"]).is_file()]
        if files:
            return files[:MAX_VERIFICATION_IMAGES]
    return [sample_image()]


def sample_image() -> str:
    """Return the path of an image that Matplotlib contains."""
    from matplotlib.cbook import get_sample_data

    return str(get_sample_data("grace_hopper.jpg", asfileobj=False))


def _registered(dataset: str) -> str:
    """Return the name of a registered dataset, or of the validation images of a dataset folder after registering it."""
    if not Path(dataset).is_dir():
        return dataset
    folder = DatasetFolder.find(dataset, "val", needs_train=False)
    return folder.register(f"{Path(dataset).resolve().name}_for_int8")[1]


def _calibration_images(dataset: str) -> list[str]:
    """Return up to `MAX_CALIBRATION_IMAGES` images, evenly spread over the dataset."""
    records = DatasetCatalog.get(dataset)
    step = max(len(records) // MAX_CALIBRATION_IMAGES, 1)
    return [record["file_name"] for record in records[::step][:MAX_CALIBRATION_IMAGES]]


def _average_precision(predictor: Predictor, dataset: str, model: nn.Module) -> float:
    """Return the box AP of a model on a dataset, in percent."""
    if predictor.classes is not None:
        align_classes(predictor.classes.names, [dataset])
    mapper = DatasetMapper(is_train=False, augmentations=[predictor.resize], image_format=predictor.input_format)
    loader = build_detection_test_loader(DatasetCatalog.get(dataset), mapper=mapper)
    results = inference_on_dataset(model, loader, COCOEvaluator(dataset, tasks=("bbox",)))
    return float((results or {})["bbox"]["AP"])
