"""A small detector of two classes with random weights, as files that Detectron2's clients load."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch


class Detector(NamedTuple):
    """A detector on disk.

    Attributes:
        config: Path of the YAML config.
        weights: Path of the checkpoint.
        cfg: The config.
    """

    config: str
    weights: str
    cfg: object


@pytest.fixture(scope="session")
def detector(tmp_path_factory) -> Detector:
    from detectory.compat.detectron2 import install

    install()
    from detectron2 import model_zoo
    from detectron2.checkpoint import DetectionCheckpointer
    from detectron2.modeling import build_model

    folder: Path = tmp_path_factory.mktemp("detector")
    cfg = model_zoo.get_config("COCO-Detection/faster_rcnn_R_50_FPN_1x.yaml")
    cfg.merge_from_list(
        [
            *("MODEL.DEVICE", "cpu", "MODEL.RESNETS.DEPTH", 18, "MODEL.RESNETS.RES2_OUT_CHANNELS", 64),
            *("MODEL.RESNETS.NORM", "BN", "MODEL.BACKBONE.FREEZE_AT", 0, "MODEL.ROI_HEADS.NUM_CLASSES", 2),
            *("MODEL.ROI_HEADS.SCORE_THRESH_TEST", 0.0, "MODEL.RPN.POST_NMS_TOPK_TEST", 50, "INPUT.MIN_SIZE_TEST", 128),
            *("INPUT.MAX_SIZE_TEST", 128),
            *("MODEL.WEIGHTS", str(folder / "model.pth")),
        ]
    )
    torch.manual_seed(0)
    DetectionCheckpointer(build_model(cfg), str(folder)).save("model")
    (folder / "config.yaml").write_text(cfg.dump())
    return Detector(str(folder / "config.yaml"), str(folder / "model.pth"), cfg)


@pytest.fixture(scope="session")
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (160, 200, 3), dtype=np.uint8)


@pytest.fixture(scope="session")
def detections(detector, image):
    """The detections of `DefaultPredictor`."""
    from detectron2.engine import DefaultPredictor

    return DefaultPredictor(detector.cfg)(image)["instances"]
