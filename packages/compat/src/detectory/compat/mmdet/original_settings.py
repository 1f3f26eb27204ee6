"""Application of the settings of an original config to the config of a model."""

import logging
from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, open_dict

from .python_config import OriginalSettings

_logger = logging.getLogger(__name__)

#: Test settings of dense detectors and of the DETR family, by MMDetection's names.
_DENSE = {
    "score_thr": "test_score_thresh",
    "nms_pre": "test_topk_candidates",
    "max_per_img": "max_detections_per_image",
}

#: Test settings of the box predictors of two-stage detectors.
_REGIONS = {"score_thr": "test_score_thresh", "max_per_img": "test_topk_per_image"}


def apply_settings(config: DictConfig, settings: OriginalSettings) -> None:
    """Set pixel statistics and test settings, in place.

    Args:
        config: Config of a model.
        settings: The original config.
    """
    with open_dict(config):
        config.update(settings.pixels)
        if "roi_heads" in config:
            heads = config.roi_heads
            for predictor in heads.box_predictors if "box_predictors" in heads else [heads.box_predictor]:
                _set(predictor, settings.test, _REGIONS)
            _set_proposals(config.proposal_generator, settings.proposals)
        else:
            _set(config, settings.test, _DENSE)


def _set(target: DictConfig, test: Mapping[str, Any], names: Mapping[str, str]) -> None:
    for theirs, ours in names.items():
        value = test.get(theirs)
        if value is not None and value >= 0:
            target[ours] = value
    threshold = _threshold(test)
    if threshold is not None:
        target.test_nms_thresh = threshold


def _threshold(test: Mapping[str, Any]) -> float | None:
    """Return the IoU threshold of the NMS, or `None` if the settings have none."""
    nms = test.get("nms")
    if not isinstance(nms, Mapping):
        return test.get("nms_thr")
    if nms.get("type", "nms") != "nms":
        _logger.warning("the config uses %r; the converted model uses the plain NMS", nms["type"])
    return nms.get("iou_threshold", nms.get("iou_thr"))


def _set_proposals(generator: DictConfig, proposals: Mapping[str, Any]) -> None:
    threshold = _threshold(proposals)
    if threshold is not None:
        generator.nms_thresh = threshold
    for theirs, ours in (("nms_pre", "pre_nms_topk"), ("max_per_img", "post_nms_topk")):
        value = proposals.get(theirs)
        if value is not None and ours in generator:
            generator[ours] = [generator[ours][0], value]
