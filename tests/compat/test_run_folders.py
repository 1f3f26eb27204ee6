"""Run folders as Detectron2 writes them: config.yaml, model_final.pth and last_checkpoint."""

import numpy as np
import pytest
import torch

from detectory.compat.detectron2 import model_zoo
from detectory.compat.detectron2.engine import DefaultPredictor
from detectory.compat.detectron2.modeling import build_model
from detectory.engine import Predictor, trained_classes

PIXELS = np.random.default_rng(0).integers(0, 256, (48, 72, 3), dtype=np.uint8)
CONFIGS = [
    "COCO-Detection/faster_rcnn_R_50_C4_1x.yaml",
    "COCO-Detection/retinanet_R_50_FPN_1x.yaml",
    "COCO-Detection/rpn_R_50_FPN_1x.yaml",
    "COCO-Keypoints/keypoint_rcnn_R_50_FPN_1x.yaml",
    "COCO-PanopticSegmentation/panoptic_fpn_R_50_1x.yaml",
    "Misc/cascade_mask_rcnn_R_50_FPN_1x.yaml",
    "Misc/mask_rcnn_R_50_FPN_1x_cls_agnostic.yaml",
    "Misc/semantic_R_50_FPN_1x.yaml",
]


def small_config(name):
    cfg = model_zoo.get_config(name)
    cfg.MODEL.DEVICE = "cpu"
    cfg.MODEL.RESNETS.STEM_OUT_CHANNELS = cfg.MODEL.RESNETS.RES2_OUT_CHANNELS = 16
    cfg.MODEL.RESNETS.WIDTH_PER_GROUP = 16
    cfg.MODEL.FPN.OUT_CHANNELS = cfg.MODEL.ROI_BOX_HEAD.FC_DIM = 16
    cfg.MODEL.ROI_MASK_HEAD.CONV_DIM = 16
    cfg.MODEL.ROI_KEYPOINT_HEAD.CONV_DIMS = (16,)
    cfg.MODEL.SEM_SEG_HEAD.CONVS_DIM = 32
    cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST = cfg.MODEL.RETINANET.SCORE_THRESH_TEST = 0.0
    cfg.TEST.DETECTIONS_PER_IMAGE = 10
    cfg.INPUT.MIN_SIZE_TEST = 64
    return cfg


def write_run(cfg, folder, tagged=True):
    """Write the folder, with the entries of Detectron2's checkpoints."""
    folder.mkdir()
    torch.manual_seed(0)
    content = {"model": build_model(cfg).state_dict(), "optimizer": {}, "scheduler": {}, "iteration": 9}
    torch.save(content, folder / "model_final.pth")
    if tagged:
        (folder / "last_checkpoint").write_text("model_final.pth")
    (folder / "config.yaml").write_text(cfg.dump())
    return folder


@pytest.mark.parametrize("name", CONFIGS)
def test_a_run_has_the_outputs_of_the_default_predictor(tmp_path, name):
    cfg = small_config(name)
    folder = write_run(cfg, tmp_path / "run")
    outputs = Predictor.from_run(folder)(PIXELS)
    cfg.MODEL.WEIGHTS = str(folder / "model_final.pth")
    expected = DefaultPredictor(cfg)(PIXELS[:, :, ::-1])
    assert outputs.keys() == expected.keys()
    if "instances" in outputs:
        torch.testing.assert_close(outputs["instances"].scores, expected["instances"].scores)
    if "sem_seg" in outputs:
        torch.testing.assert_close(outputs["sem_seg"], expected["sem_seg"])


def test_classes_are_those_of_the_registered_dataset(tmp_path):
    folder = write_run(small_config("COCO-Detection/retinanet_R_50_FPN_1x.yaml"), tmp_path / "run", tagged=False)
    predictor = Predictor.from_run(folder)
    assert predictor.classes == trained_classes(folder)
    assert (predictor.classes.names[0], predictor.classes.ids[-1]) == ("person", 90)
    assert set(predictor.predict(PIXELS).pred_class_names) <= set(predictor.classes.names)


def test_a_dataset_with_another_number_of_classes_does_not_name_them(tmp_path):
    cfg = small_config("COCO-Detection/retinanet_R_50_FPN_1x.yaml")
    cfg.MODEL.RETINANET.NUM_CLASSES, cfg.DATASETS.TRAIN = 3, ("my_own_train",)
    folder = write_run(cfg, tmp_path / "run")
    assert Predictor.from_run(folder).classes is None
    assert trained_classes(folder) is None


def test_settings_of_point_rend_are_known(tmp_path):
    pytest.importorskip("detectory.projects.point_rend", reason="needs detectory-point-rend")
    from detectory.compat.detectron2.projects.point_rend import add_pointrend_config

    cfg = small_config("COCO-Detection/retinanet_R_50_FPN_1x.yaml")
    add_pointrend_config(cfg)
    assert Predictor.from_run(write_run(cfg, tmp_path / "run")).predict(PIXELS).image_size == PIXELS.shape[:2]


def test_an_unknown_setting_is_named_with_its_file(tmp_path):
    folder = write_run(small_config("COCO-Detection/retinanet_R_50_FPN_1x.yaml"), tmp_path / "run")
    (folder / "config.yaml").write_text("MODEL:\n  MY_HEAD:\n    SIZE: 3\n")
    with pytest.raises(KeyError, match=r"config\.yaml.*MODEL\.MY_HEAD"):
        Predictor.from_run(folder)
