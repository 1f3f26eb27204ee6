"""Detectory models for MMDetection's weights."""

import re
from collections.abc import Mapping
from difflib import SequenceMatcher

from torch import Tensor, nn

from detectory.compat.legacy import set_legacy_rules
from detectory.core.config import instantiate

from . import ssd, two_stage
from .deformable_detr import DEFORMABLE_DETR_FAMILY
from .dense import ATSS_FAMILY, FCOS_FAMILY, GFL_FAMILY
from .detr import DETR_FAMILY
from .families import BuildOptions, DescribedModel, Family
from .original_settings import apply_settings
from .python_config import OriginalSettings
from .retinanet import RETINANET
from .rtmdet import RTMDET_FAMILY, RTMDET_INS_FAMILY
from .ssd import SSD_VGG
from .two_stage import TWO_STAGE
from .yolov3 import YOLOV3_FAMILY
from .yolox import YOLOX_FAMILY

FAMILIES = (
    TWO_STAGE,
    RETINANET,
    SSD_VGG,
    FCOS_FAMILY,
    ATSS_FAMILY,
    GFL_FAMILY,
    YOLOX_FAMILY,
    YOLOV3_FAMILY,
    RTMDET_INS_FAMILY,
    RTMDET_FAMILY,
    DETR_FAMILY,
    DEFORMABLE_DETR_FAMILY,
)

#: Names of the detectors in MMDetection's configs, by architecture.
DETECTORS = {
    TWO_STAGE.name: ("FasterRCNN", "MaskRCNN", "CascadeRCNN"),
    RETINANET.name: ("RetinaNet",),
    SSD_VGG.name: ("SingleStageDetector",),
    FCOS_FAMILY.name: ("FCOS",),
    ATSS_FAMILY.name: ("ATSS",),
    GFL_FAMILY.name: ("GFL",),
    YOLOX_FAMILY.name: ("YOLOX",),
    YOLOV3_FAMILY.name: ("YOLOV3",),
    RTMDET_INS_FAMILY.name: ("RTMDet",),
    RTMDET_FAMILY.name: ("RTMDet",),
    DETR_FAMILY.name: ("DETR",),
    DEFORMABLE_DETR_FAMILY.name: ("DeformableDETR",),
}

#: Shorter side of the images of most architectures, and maximum of the longer side.
DEFAULT_EDGES = (800, 1333)

#: Pixel conventions for models of MMDetection 1.x.
VERSION_1_RULES = ("mmdet-legacy", "mmdet-1.0")


def find_family(state: Mapping[str, Tensor]) -> Family:
    """Return the architecture of a state dict.

    Raises:
        ValueError: If no architecture matches.
    """
    for family in FAMILIES:
        if family.marker in state:
            return family
    heads = sorted({".".join(name.split(".")[:2]) for name in state if "head" in name.split(".")[0]})
    raise ValueError(
        f"the state dict belongs to none of {', '.join(family.name for family in FAMILIES)}; its heads are {heads[:8]}."
        f" The nearest architectures are {', '.join(_nearest_families(state))}"
    )


def _nearest_families(state: Mapping[str, Tensor], count: int = 3) -> list[str]:
    """Return the names of the architectures with the most similar entries of their heads."""
    modules = {re.sub(r"\.\d+\b", "", name).rpartition(".")[0] for name in state if "head" in name}
    similarity = {
        family.name: max((SequenceMatcher(None, family.marker, name).ratio() for name in modules), default=0.0)
        for family in FAMILIES
    }
    return sorted(similarity, key=lambda name: -similarity[name])[:count]


def _check_detector(family: Family, settings: OriginalSettings) -> None:
    """Raise an error if a config and a state dict belong to different architectures."""
    detector = str(settings.model.get("type", "")).split(".")[-1]
    if detector and detector not in DETECTORS[family.name]:
        raise ValueError(
            f"{settings.path}: the config describes a {detector}, but the checkpoint belongs to the architecture"
            f" {family.name}"
        )


def is_version_1(state: Mapping[str, Tensor]) -> bool:
    """Return whether a state dict was saved by MMDetection 1.x, in which class 0 is the background.

    A RetinaNet has no background class, and its state dicts are equal in all versions: the result is False.
    """
    return two_stage.is_version_1(state) or ssd.is_version_1(state)


def convert_state_dict(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the state dict of a supported architecture.

    Args:
        state: State dict of any MMDetection version; 1.x is detected from its names.

    Returns:
        Tensors by the parameter names of the equivalent Detectory model. The background of 1.x, class 0, becomes the
            last class of the scores and is removed from box deltas and masks.

    Raises:
        ValueError: If the architecture is not supported, or an entry does not belong to it.
    """
    return find_family(state).convert(state)


def build_model(
    state: Mapping[str, Tensor], style: str = "pytorch", version_1: bool | None = None, rules: str = "mmdet-legacy"
) -> nn.Module:
    """Build the detector that matches an MMDetection state dict, and load its weights.

    Args:
        state: State dict of a supported architecture.
        style: ResNet variant: `"pytorch"` has strides in 3×3 convolutions and RGB input, `"caffe"` has strides in 1×1
            convolutions and BGR input.
        version_1: Whether the model was trained with MMDetection 1.x, which used Detectron's anchors and boxes. By
            default detected from the parameter names; a RetinaNet is assumed to be newer.
        rules: Pixel conventions for a model of MMDetection 1.x: `"mmdet-legacy"`, those of the configs `legacy_1.x` of
            MMDetection 2 and 3, or `"mmdet-1.0"`, those of MMDetection 1.x itself.

    Returns:
        The model in evaluation mode.

    Raises:
        ValueError: If an argument is unknown, or the state dict belongs to another architecture.
    """
    described = describe_model(state, style, version_1, rules)
    model = instantiate(described.config)
    missing, unexpected = model.load_state_dict(described.state, strict=False)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing or unexpected:
        raise ValueError(f"build_model: state dict does not match: missing {missing[:3]}, unexpected {unexpected[:3]}")
    return model.eval()


def describe_model(
    state: Mapping[str, Tensor],
    style: str = "pytorch",
    version_1: bool | None = None,
    rules: str = "mmdet-legacy",
    settings: OriginalSettings | None = None,
) -> DescribedModel:
    """Return the config and the weights of the model that `build_model` builds.

    Args:
        state: As for `build_model`.
        style: As for `build_model`.
        version_1: As for `build_model`.
        rules: As for `build_model`.
        settings: The original config, which has precedence over the defaults and over `style`.

    Raises:
        ValueError: If an argument is unknown, or the state dict belongs to another architecture.
    """
    if style not in ("pytorch", "caffe"):
        raise ValueError(f"build_model: style must be 'pytorch' or 'caffe', got {style!r}")
    if rules not in VERSION_1_RULES:
        raise ValueError(f"build_model: rules must be one of {', '.join(map(repr, VERSION_1_RULES))}, got {rules!r}")
    family = find_family(state)
    if version_1 is None and settings is not None and settings.is_legacy:
        version_1 = True
    legacy = is_version_1(state) if version_1 is None else version_1
    if settings is not None:
        _check_detector(family, settings)
    converted = family.convert(state)
    if settings is not None and settings.style is not None:
        style = settings.style
    config = family.config(converted, BuildOptions(style, legacy, settings))
    if settings is not None:
        apply_settings(config, settings)
    if legacy:
        set_legacy_rules(config, rules)
    size = None if family.image_size is None else family.image_size(config)
    edges = DEFAULT_EDGES if family.edges is None else family.edges(config)
    if settings is not None:
        size = None if settings.edges is not None else settings.image_size or size
        edges = settings.edges or edges
    return DescribedModel(family.name, legacy, config, converted, size, edges, family.optimizer, family.learning_rate)
