"""YAML configs of maskrcnn-benchmark."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf, open_dict

from detectory.compat.transformers import DETRResize
from detectory.core.config import LazyCall

_RPN, _HEADS, _RETINANET = "MODEL.RPN", "MODEL.ROI_HEADS", "MODEL.RETINANET"

#: Keys with the same meaning in both configs, for two-stage models and RPNs.
_TWO_STAGE = {
    f"{_RPN}.NMS_THRESH": "proposal_generator.nms_thresh",
    f"{_RPN}.FPN_POST_NMS_TOP_N_TEST": "proposal_generator.post_nms_topk.1",
    f"{_RPN}.PRE_NMS_TOP_N_TEST": "proposal_generator.pre_nms_topk.1",
    f"{_RPN}.ASPECT_RATIOS": "proposal_generator.anchor_generator.aspect_ratios",
    f"{_HEADS}.SCORE_THRESH": "roi_heads.box_predictor.test_score_thresh",
    f"{_HEADS}.NMS": "roi_heads.box_predictor.test_nms_thresh",
    f"{_HEADS}.DETECTIONS_PER_IMG": "roi_heads.box_predictor.test_topk_per_image",
    f"{_HEADS}.BBOX_REG_WEIGHTS": "roi_heads.box_predictor.box2box_transform.weights",
    "MODEL.ROI_BOX_HEAD.POOLER_SAMPLING_RATIO": "roi_heads.box_pooler.sampling_ratio",
    "MODEL.ROI_MASK_HEAD.POOLER_SAMPLING_RATIO": "roi_heads.mask_pooler.sampling_ratio",
    "MODEL.ROI_KEYPOINT_HEAD.POOLER_SAMPLING_RATIO": "roi_heads.keypoint_pooler.sampling_ratio",
}

#: The same for RetinaNet.
_ONE_STAGE = {
    f"{_RETINANET}.INFERENCE_TH": "test_score_thresh",
    f"{_RETINANET}.NMS_TH": "test_nms_thresh",
    f"{_RETINANET}.PRE_NMS_TOP_N": "test_topk_candidates",
    "TEST.DETECTIONS_PER_IMG": "max_detections_per_image",
}

_BOTH = {"INPUT.PIXEL_MEAN": "pixel_mean", "INPUT.PIXEL_STD": "pixel_std"}

#: Default IoU threshold of the NMS of a RetinaNet.
_RETINANET_NMS = 0.4


def read_config(path: str | Path) -> dict[str, Any]:
    """Return the settings of a YAML config.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If the file is not a config of maskrcnn-benchmark.
    """
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"convert: {path}: no such config")
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"convert: {path} is not valid YAML: {error}") from error
    if not isinstance(content, dict) or not isinstance(content.get("MODEL"), dict):
        raise ValueError(f"convert: {path} is not a config of maskrcnn-benchmark: 'MODEL' is missing")
    return content


def apply_settings(config: DictConfig, settings: Mapping[str, Any]) -> None:
    """Set the test settings of a model.

    Args:
        config: Config of the model; modified in place.
        settings: The settings of a YAML config; empty for the defaults of maskrcnn-benchmark.
    """
    is_dense = "proposal_generator" not in config
    with open_dict(config):
        if is_dense:
            config.test_nms_thresh = _RETINANET_NMS
        for key, path in ((_ONE_STAGE if is_dense else _TWO_STAGE) | _BOTH).items():
            value = _lookup(settings, key)
            if value is not None and _exists(config, path):
                _set(config, path, _plain(value))
        _set_anchor_sizes(config, settings)
        stride_in_1x1 = _lookup(settings, "MODEL.RESNETS.STRIDE_IN_1X1")
        if stride_in_1x1 is not None:
            bottom_up = config.backbone.get("bottom_up", config.backbone)
            for stage in bottom_up.stages:
                stage.stride_in_1x1 = bool(stride_in_1x1)
        if _lookup(settings, "INPUT.TO_BGR255") is False:
            config.input_format = "RGB"


def resize_of(settings: Mapping[str, Any]) -> DictConfig:
    """Return the config of the augmentation that resizes images as maskrcnn-benchmark does."""
    shorter, longest = (_lookup(settings, f"INPUT.{name}_SIZE_TEST") for name in ("MIN", "MAX"))
    return LazyCall(DETRResize)(shortest_edge=shorter or 800, longest_edge=longest or 1333, round_first=True)


def _set_anchor_sizes(config: DictConfig, settings: Mapping[str, Any]) -> None:
    """Set the sizes of the anchors of an RPN: one per level on a pyramid, all on the only level otherwise."""
    sizes = _lookup(settings, f"{_RPN}.ANCHOR_SIZES")
    if sizes is None or "proposal_generator" not in config:
        return
    values = [float(size) for size in _plain(sizes)]
    generator = config.proposal_generator.anchor_generator
    generator.sizes = [[size] for size in values] if len(generator.strides) > 1 else [values]


def _lookup(settings: Mapping[str, Any], key: str) -> Any:
    value: Any = settings
    for part in key.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def _plain(value: Any) -> Any:
    """Return a value of a config; yacs writes tuples as strings, such as `"(0.5, 1.0)"`."""
    if isinstance(value, str) and value.startswith("("):
        return [float(number) for number in value.strip("() ,").split(",")]
    return list(value) if isinstance(value, (list, tuple)) else value


def _exists(config: DictConfig, path: str) -> bool:
    """Return whether the section of a dotted path exists."""
    section: Any = config
    for part in path.split(".")[:-1]:
        if part not in section:
            return False
        section = section[part]
    return True


def _set(config: DictConfig, path: str, value: Any) -> None:
    """Set the value of a dotted path; a last part that is a number is an index of a list."""
    *sections, last = path.split(".")
    target: Any = OmegaConf.select(config, ".".join(sections)) if sections else config
    target[int(last) if last.isdigit() else last] = value
