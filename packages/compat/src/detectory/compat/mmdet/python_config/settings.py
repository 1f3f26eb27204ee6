"""The settings of a config that a checkpoint does not contain."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from detectory.core.suggestions import nearest

from .config_file import read_config
from .errors import ConfigReadError

#: Names of the parts that can be converted.
KNOWN_PARTS = {
    "detector": (
        "ATSS",
        "CascadeRCNN",
        "DETR",
        "DeformableDETR",
        "FCOS",
        "FasterRCNN",
        "GFL",
        "MaskRCNN",
        "RTMDet",
        "RetinaNet",
        "SingleStageDetector",
        "YOLOV3",
        "YOLOX",
    ),
    "backbone": ("CSPDarknet", "CSPNeXt", "Darknet", "MobileNetV2", "ResNeXt", "ResNet", "SSDVGG"),
    "neck": ("CSPNeXtPAFPN", "ChannelMapper", "FPN", "SSDNeck", "YOLOV3Neck", "YOLOXPAFPN"),
    "bbox_head": (
        "ATSSHead",
        "DETRHead",
        "DeformableDETRHead",
        "FCOSHead",
        "GFLHead",
        "RTMDetInsSepBNHead",
        "RTMDetSepBNHead",
        "RetinaHead",
        "SSDHead",
        "Shared2FCBBoxHead",
        "Shared4Conv1FCBBoxHead",
        "SharedFCBBoxHead",
        "YOLOV3Head",
        "YOLOXHead",
    ),
}


@dataclass(frozen=True)
class OriginalSettings:
    """What a config of MMDetection says about a model.

    Args:
        path: The config.
        model: The value `model`.
        test: Test settings: of the second stage if there are two, otherwise of the detector.
        proposals: Test settings of the first of two stages.
        pixels: `pixel_mean`, `pixel_std` and `input_format`; empty if the config does not normalize.
        classes: The class names, or `None`.
        image_size: `(height, width)` that images are resized to, or `None` if the aspect ratio is kept.
        edges: Shorter side of the resized images, and maximum of the longer side, or `None`.
    """

    path: str
    model: Mapping[str, Any]
    test: Mapping[str, Any]
    proposals: Mapping[str, Any]
    pixels: Mapping[str, Any] = field(default_factory=dict)
    classes: tuple[str, ...] | None = None
    image_size: tuple[int, int] | None = None
    edges: tuple[int, int] | None = None

    @property
    def style(self) -> str | None:
        """The ResNet variant, `"pytorch"` or `"caffe"`, or `None` if the config does not state it."""
        backbone = self.model.get("backbone")
        return backbone.get("style") if isinstance(backbone, Mapping) else None

    @property
    def is_legacy(self) -> bool:
        """Whether the config is one for checkpoints of MMDetection 1.x, with legacy anchors."""
        generator = self.head().get("anchor_generator") or (self.model.get("rpn_head") or {}).get("anchor_generator")
        return isinstance(generator, Mapping) and generator.get("type") in (
            "LegacyAnchorGenerator",
            "LegacySSDAnchorGenerator",
        )

    def head(self) -> Mapping[str, Any]:
        """Return the settings of the dense head, empty for two-stage detectors."""
        head = self.model.get("bbox_head")
        return head if isinstance(head, Mapping) else {}


def read_settings(path: str | Path) -> OriginalSettings:
    """Read a config of MMDetection 1, 2 or 3 as data.

    Raises:
        FileNotFoundError: If a file does not exist.
        ConfigReadError: If a file contains something that is not data, or a part of the model cannot be converted.
    """
    config = read_config(path)
    model = config.get("model")
    if not isinstance(model, dict):
        raise ConfigReadError(f"{path}: 'model' is missing")
    _check_parts(model, path)
    test = model.get("test_cfg") or config.get("test_cfg") or {}
    test = test if isinstance(test, dict) else {}
    pipeline = list(_test_pipeline(config))
    resize = _resize(pipeline)
    return OriginalSettings(
        path=str(path),
        model=model,
        test=test.get("rcnn") or test,
        proposals=test.get("rpn") or {},
        pixels=_pixels(config, model, pipeline),
        classes=_classes(config),
        **resize,
    )


def _check_parts(model: Mapping[str, Any], path: str | Path) -> None:
    heads = model.get("roi_head") or {}
    box_heads = heads.get("bbox_head") or model.get("bbox_head") or {}
    for part, value in (
        ("detector", model),
        ("backbone", model.get("backbone")),
        ("neck", model.get("neck")),
        *[("bbox_head", one) for one in (box_heads if isinstance(box_heads, list) else [box_heads])],
    ):
        for one in value if isinstance(value, list) else [value]:
            name = one.get("type") if isinstance(one, Mapping) else None
            known = KNOWN_PARTS[part]
            if name is not None and str(name).split(".")[-1] not in known:
                raise ConfigReadError(f"{path}: {part} {str(name)!r} cannot be converted; {nearest(str(name), known)}")


def _test_pipeline(config: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the transforms of the test images, also nested ones."""
    for part in ("test_dataloader", "val_dataloader"):
        dataset = (config.get(part) or {}).get("dataset") or {}
        if "pipeline" in dataset:
            yield from _flat(dataset["pipeline"])
            return
    data = (config.get("data") or {}).get("test") or {}
    yield from _flat(data.get("pipeline") or config.get("test_pipeline") or [])


def _flat(pipeline: Any) -> Iterator[Mapping[str, Any]]:
    for transform in pipeline if isinstance(pipeline, (list, tuple)) else []:
        if isinstance(transform, Mapping):
            # MultiScaleFlipAug of version 2 has the size of the images, and the transforms.
            scale = transform.get("img_scale")
            for inner in _flat(transform.get("transforms")):
                is_resize = inner.get("type") == "Resize"
                yield {"img_scale": scale, **inner} if is_resize and scale is not None else inner
            yield transform


def _resize(pipeline: list[Mapping[str, Any]]) -> dict[str, Any]:
    for transform in pipeline:
        scale = transform.get("scale", transform.get("img_scale"))
        if transform.get("type") == "Resize" and isinstance(scale, (list, tuple)) and len(scale) == 2:
            first, second = int(scale[0]), int(scale[1])
            if transform.get("keep_ratio"):
                return {"edges": (min(first, second), max(first, second))}
            return {"image_size": (second, first)}  # MMDetection writes the width first
    return {}


def _pixels(
    config: Mapping[str, Any], model: Mapping[str, Any], pipeline: list[Mapping[str, Any]]
) -> Mapping[str, Any]:
    preprocessor = model.get("data_preprocessor") or config.get("data_preprocessor") or {}
    normalize = next((one for one in pipeline if one.get("type") == "Normalize"), {})
    source, key = (preprocessor, "bgr_to_rgb") if "mean" in preprocessor else (normalize, "to_rgb")
    if source.get("mean") is None or source.get("std") is None:
        return {}
    return {
        "pixel_mean": [float(x) for x in source["mean"]],
        "pixel_std": [float(x) for x in source["std"]],
        "input_format": "RGB" if source.get(key) else "BGR",
    }


def _classes(config: Mapping[str, Any]) -> tuple[str, ...] | None:
    datasets = [(config.get(part) or {}).get("dataset") for part in ("test_dataloader", "val_dataloader")]
    datasets.append((config.get("data") or {}).get("test"))
    for dataset in (one for one in datasets if isinstance(one, Mapping)):
        names = (dataset.get("metainfo") or {}).get("classes") or dataset.get("classes")
        if isinstance(names, (list, tuple)):
            return tuple(str(name) for name in names)
    names = (config.get("metainfo") or {}).get("classes") or config.get("classes")
    return tuple(str(name) for name in names) if isinstance(names, (list, tuple)) else None
