"""Run folders as checkpoints and configs of Detectron2."""

import pytest
import torch

from detectory import zoo
from detectory.compat.conversion import ConvertedModel, export_run, write_run
from detectory.compat.detectron2.checkpoint import DetectionCheckpointer
from detectory.compat.detectron2.config import get_cfg
from detectory.compat.detectron2.modeling import build_model
from detectory.core.config import instantiate

MODELS = [
    "COCO-Detection/faster_rcnn_R_101_FPN_3x",
    "COCO-Detection/faster_rcnn_R_50_DC5_1x",
    "COCO-Detection/retinanet_R_50_FPN_1x",
    "COCO-Detection/rpn_R_50_FPN_1x",
    "COCO-InstanceSegmentation/mask_rcnn_R_50_C4_1x",
    "COCO-InstanceSegmentation/mask_rcnn_X_101_32x8d_FPN_3x",
    "COCO-Keypoints/keypoint_rcnn_R_50_FPN_1x",
    "Misc/cascade_mask_rcnn_R_50_FPN_1x",
    "Misc/mask_rcnn_R_50_FPN_3x_gn",
]


def exported(tmp_path, name, classes=None):
    config = zoo.get_config(name).model
    if classes is not None:
        config.roi_heads.num_classes = classes
    torch.manual_seed(0)
    state = instantiate(config).eval().state_dict()
    run = write_run(ConvertedModel("test", name, config, state), tmp_path / "run")
    return state, export_run(run, "detectron2", tmp_path / "model.pth")


def loaded(tmp_path):
    """Return the model that a user of Detectron2 builds and loads."""
    cfg = get_cfg()
    cfg.merge_from_file(str(tmp_path / "model.yaml"))
    cfg.MODEL.DEVICE = "cpu"
    model = build_model(cfg).eval()
    incompatible = DetectionCheckpointer(model).load(cfg.MODEL.WEIGHTS)
    return model, incompatible


def test_checkpoint_and_config_build_the_same_model(tmp_path):
    state, result = exported(tmp_path, "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x", classes=4)
    assert result.differences == []
    content = torch.load(tmp_path / "model.pth")
    assert (content["__author__"], content["matching_heuristics"]) == ("Detectory", False)
    model, _ = loaded(tmp_path)
    assert model.roi_heads.num_classes == 4
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_architectures_of_the_zoo_keep_their_weights_and_settings(tmp_path, name):
    state, result = exported(tmp_path, name)
    assert result.differences == []
    model, _ = loaded(tmp_path)
    own = model.state_dict()
    assert set(own) == set(state)
    assert all(torch.equal(tensor, state[key]) for key, tensor in own.items())
