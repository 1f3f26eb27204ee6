"""Conversion of checkpoints of other systems to run folders."""

import os
import pickle
import re

import numpy as np
import pytest
import torch
import torchvision

from detectory import zoo
from detectory.compat.conversion import convert_checkpoint, write_run
from detectory.compat.conversion.maskrcnn_config import apply_settings, read_config, resize_of
from detectory.compat.detectron1 import convert_weights
from detectory.compat.legacy import LegacyBox2BoxTransform
from detectory.compat.torchvision import from_torchvision
from detectory.core.checkpoint import CheckpointError
from detectory.core.config import instantiate
from detectory.engine import Predictor

IMAGE = np.random.default_rng(0).integers(0, 256, (160, 200, 3), dtype=np.uint8)


def detections(model):
    item = {"image": torch.from_numpy(IMAGE.transpose(2, 0, 1).copy()), "height": 160, "width": 200}
    with torch.no_grad():
        return model([item])[0]["instances"]


def assert_equal_detections(found, wanted):
    assert len(found) == len(wanted) > 0
    assert torch.allclose(found.pred_boxes.tensor, wanted.pred_boxes.tensor, atol=1e-3)
    assert torch.allclose(found.scores, wanted.scores, atol=1e-5)
    assert torch.equal(found.pred_classes, wanted.pred_classes)


def torchvision_model(name, frozen):
    torch.manual_seed(0)
    model = getattr(torchvision.models.detection, name)(weights=None, weights_backbone=None, num_classes=5).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d) and frozen:
            module.eps = 0.0
    if name == "retinanet_resnet50_fpn":  # with its prior of 0.01, no score would exceed the threshold
        torch.nn.init.zeros_(model.head.classification_head.cls_logits.bias)
    return model


@pytest.mark.slow
@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize(
    "name", ["fasterrcnn_resnet50_fpn", "maskrcnn_resnet50_fpn", "keypointrcnn_resnet50_fpn", "retinanet_resnet50_fpn"]
)
def test_run_folder_of_torchvisions_models_has_the_same_detections(tmp_path, name, frozen):
    model = torchvision_model(name, frozen)
    state = model.state_dict()
    if frozen:
        state = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
    torch.save(state, tmp_path / "model.pth")
    converted = convert_checkpoint(tmp_path / "model.pth")
    assert converted.system == "torchvision"
    run = write_run(converted, tmp_path / "run")
    assert_equal_detections(detections(Predictor.from_run(run).model), detections(from_torchvision(model)))


# Reverse rules from our names to those of the older systems.
BENCHMARK = [
    (r"backbone\.bottom_up\.stem\.conv1\.norm\.", "backbone.body.stem.bn1."),
    (r"backbone\.bottom_up\.stem\.", "backbone.body.stem."),
    (r"backbone\.bottom_up\.res(\d)\.(\d+)\.shortcut\.norm\.", r"backbone.body.layer\1.\2.downsample.1."),
    (r"backbone\.bottom_up\.res(\d)\.(\d+)\.shortcut\.", r"backbone.body.layer\1.\2.downsample.0."),
    (r"backbone\.bottom_up\.res(\d)\.(\d+)\.conv(\d)\.norm\.", r"backbone.body.layer\1.\2.bn\3."),
    (r"backbone\.bottom_up\.res(\d)\.(\d+)\.", r"backbone.body.layer\1.\2."),
    (r"backbone\.fpn_lateral", "backbone.fpn.fpn_inner"),
    (r"backbone\.fpn_output", "backbone.fpn.fpn_layer"),
    (r"proposal_generator\.rpn_head\.objectness_logits", "rpn.head.cls_logits"),
    (r"proposal_generator\.rpn_head\.anchor_deltas", "rpn.head.bbox_pred"),
    (r"proposal_generator\.rpn_head", "rpn.head"),
    (r"roi_heads\.box_head\.fc1", "roi_heads.box.feature_extractor.fc6"),
    (r"roi_heads\.box_head\.fc2", "roi_heads.box.feature_extractor.fc7"),
    (r"roi_heads\.box_predictor", "roi_heads.box.predictor"),
    (r"roi_heads\.mask_head\.deconv", "roi_heads.mask.predictor.conv5_mask"),
    (r"roi_heads\.mask_head\.predictor", "roi_heads.mask.predictor.mask_fcn_logits"),
    (r"roi_heads\.mask_head\.", "roi_heads.mask.feature_extractor."),
]


def mask_rcnn_state(name="COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x"):
    config = zoo.get_config(name).model
    config.roi_heads.num_classes = 4
    torch.manual_seed(0)
    state = instantiate(config).state_dict()
    return {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}


def with_background_first(state):
    """Return weights of our Mask R-CNN with the rows of the older systems."""
    state = dict(state)
    for name, tensor in state.items():
        if ".cls_score." in name:
            state[name] = torch.cat((tensor[-1:], tensor[:-1]))
        if ".bbox_pred." in name:
            state[name] = torch.cat((torch.zeros_like(tensor[:4]), tensor))
        if "mask_head.predictor" in name:
            state[name] = torch.cat((torch.zeros_like(tensor[:1]), tensor))
    return state


def benchmark_name(name):
    for pattern, replacement in BENCHMARK:
        if re.match(pattern, name):
            name = re.sub(pattern, replacement, name)
            break
    # Stages and levels of the pyramid are numbered from 1.
    numbered = r"(\.layer|fpn_inner|fpn_layer)([2-5])"
    return "module." + re.sub(numbered, lambda match: f"{match[1]}{int(match[2]) - 1}", name)


def test_maskrcnn_benchmark_is_recognised_and_keeps_its_pixel_conventions(tmp_path):
    state = mask_rcnn_state()
    theirs = {benchmark_name(name): tensor for name, tensor in with_background_first(state).items()}
    torch.save({"model": theirs}, tmp_path / "model.pth")
    converted = convert_checkpoint(tmp_path / "model.pth")
    assert (converted.system, converted.architecture) == ("maskrcnn-benchmark", "Mask R-CNN (FPN)")
    assert set(converted.state) == set(state)
    epsilons = {name: 1e-5 * name.endswith("running_var") for name in state}  # the original norms have none
    assert all(torch.equal(converted.state[name], tensor - epsilons[name]) for name, tensor in state.items())
    write_run(converted, tmp_path / "run")
    with pytest.raises(FileExistsError, match="exists; choose another --output"):
        write_run(converted, tmp_path / "run")
    model = instantiate(converted.config)
    assert model.roi_heads.num_classes == 4
    assert isinstance(model.roi_heads.box_predictor.box2box_transform, LegacyBox2BoxTransform)
    assert model.pixel_mean.flatten().tolist() == pytest.approx([102.9801, 115.9465, 122.7717])


def test_unknown_checkpoints_are_refused_with_their_first_names(tmp_path):
    torch.save({"encoder.layer.weight": torch.zeros(1)}, tmp_path / "model.pth")
    with pytest.raises(ValueError, match=r"written by none of .*; its first entries are \['encoder.layer.weight'\]"):
        convert_checkpoint(tmp_path / "model.pth")
    with pytest.raises(ValueError, match=r"unknown system 'mmdett'; did you mean 'mmdet' or 'mmdet-1.x'\?"):
        convert_checkpoint(tmp_path / "model.pth", "mmdett")


class Attack:
    """An object that runs a command when it is unpickled."""

    def __reduce__(self):
        return os.system, ("true",)


def test_code_in_a_checkpoint_is_refused_by_name(tmp_path):
    torch.save({"state_dict": {}, "meta": Attack()}, tmp_path / "model.pth")
    with pytest.raises(CheckpointError, match=r"posix\.system|system"):
        convert_checkpoint(tmp_path / "model.pth")


def test_detectron_blobs_become_a_model(tmp_path):
    blobs = detectron_blobs(mask_rcnn_state())
    converted_names = set(convert_weights(blobs))
    assert "mask_head.predictor.weight" in converted_names
    np_blobs = {name: tensor.numpy() for name, tensor in blobs.items()}
    (tmp_path / "model_final.pkl").write_bytes(pickle.dumps({"blobs": np_blobs}))
    converted = convert_checkpoint(tmp_path / "model_final.pkl")
    assert (converted.system, converted.architecture) == ("Detectron", "Mask R-CNN (FPN)")
    wanted = mask_rcnn_state()
    assert all(torch.equal(converted.state[name], wanted[name]) for name in converted.state)
    unmatched = {name for name in wanted if name not in converted.state}
    assert all(name.endswith(("running_mean", "running_var")) for name in unmatched)


@pytest.mark.slow
def test_group_norms_of_both_systems_are_recognised(tmp_path):
    state = mask_rcnn_state("Misc/mask_rcnn_R_50_FPN_3x_gn")
    theirs = {group_norm_name(name): tensor for name, tensor in with_background_first(state).items()}
    torch.save({"model": theirs}, tmp_path / "model.pth")
    blobs = {name: tensor.numpy() for name, tensor in detectron_blobs(state, norm="_gn").items()}
    (tmp_path / "model.pkl").write_bytes(pickle.dumps({"blobs": blobs}))
    for file, system in (("model.pth", "maskrcnn-benchmark"), ("model.pkl", "Detectron")):
        converted = convert_checkpoint(tmp_path / file)
        assert (converted.system, converted.architecture) == (system, "Mask R-CNN (FPN)")
        assert set(converted.state) == set(state)
        assert all(torch.equal(converted.state[name], tensor) for name, tensor in state.items())
        assert converted.config.backbone.norm == converted.config.roi_heads.mask_head.conv_norm == "GN"


def group_norm_name(name):
    """Return the name in maskrcnn-benchmark, where convolutions with a group norm are sequences."""
    match = re.fullmatch(r"(backbone\.fpn_\w+\d|roi_heads\.\w+_head\.(?:conv|mask_fcn)\d)(\.norm)?\.(\w+)", name)
    if match is None:
        return benchmark_name(name)
    layer, norm, kind = match.groups()
    if layer.startswith("roi_heads.box_head.conv"):
        return f"module.roi_heads.box.feature_extractor.xconvs.{3 * int(layer[-1]) - 3 + (norm is not None)}.{kind}"
    return f"{benchmark_name(layer + '.weight').removesuffix('.weight')}.{int(norm is not None)}.{kind}"


def test_test_settings_of_maskrcnn_benchmark_are_read_from_its_config(tmp_path):
    (tmp_path / "config.yaml").write_text(
        """
MODEL:
  RPN: {ANCHOR_SIZES: [16, 32, 64, 128, 256], FPN_POST_NMS_TOP_N_TEST: 500, ASPECT_RATIOS: "(0.5, 1.0)"}
  ROI_HEADS: {SCORE_THRESH: 0.01, NMS: 0.6, BBOX_REG_WEIGHTS: "(1., 1., 1., 1.)"}
  ROI_BOX_HEAD: {POOLER_SAMPLING_RATIO: 0}
  RESNETS: {STRIDE_IN_1X1: false}
INPUT: {MIN_SIZE_TEST: 600, MAX_SIZE_TEST: 1000, PIXEL_STD: [57.375, 57.12, 58.395]}
"""
    )
    config = zoo.get_config("COCO-Detection/faster_rcnn_X_101_32x8d_FPN_3x").model
    settings = read_config(tmp_path / "config.yaml")
    apply_settings(config, settings)
    proposals, heads = config.proposal_generator, config.roi_heads
    assert proposals.anchor_generator.sizes == [[16.0], [32.0], [64.0], [128.0], [256.0]]
    assert (proposals.anchor_generator.aspect_ratios, proposals.post_nms_topk[1]) == ([0.5, 1.0], 500)
    assert (heads.box_predictor.test_score_thresh, heads.box_predictor.test_nms_thresh) == (0.01, 0.6)
    assert heads.box_predictor.box2box_transform.weights == [1.0, 1.0, 1.0, 1.0]
    assert (heads.box_pooler.sampling_ratio, config.pixel_std) == (0, [57.375, 57.12, 58.395])
    assert not config.backbone.bottom_up.stages[0].stride_in_1x1
    assert (resize_of(settings).shortest_edge, resize_of(settings).longest_edge) == (600, 1000)
    (tmp_path / "other.yaml").write_text("a: 1")
    with pytest.raises(ValueError, match=r"other.yaml is not a config of maskrcnn-benchmark: 'MODEL' is missing"):
        read_config(tmp_path / "other.yaml")


def test_retinanet_of_maskrcnn_benchmark_has_its_own_nms_threshold():
    config = zoo.get_config("COCO-Detection/retinanet_R_50_FPN_1x").model
    apply_settings(config, {})
    assert config.test_nms_thresh == 0.4


def detectron_blobs(state, norm="_bn"):
    """Return weights of our Mask R-CNN by Detectron's names; its batch norms have no statistics."""
    last_block = {2: 2, 3: 3, 4: 5, 5: 2}
    branches = {"shortcut": "branch1", "conv1": "branch2a", "conv2": "branch2b", "conv3": "branch2c"}
    blobs = {}
    for name, tensor in with_background_first(state).items():
        if name.endswith(("running_mean", "running_var")):
            continue
        stem, _, kind = name.rpartition(".")
        ending = {"weight": "_w", "bias": "_b"}[kind]
        if stem.endswith(".norm"):
            stem, ending = stem.removesuffix(".norm"), {"weight": f"{norm}_s", "bias": f"{norm}_b"}[kind]
        stem = stem.removeprefix("backbone.").removeprefix("roi_heads.").removeprefix("bottom_up.")
        if stem == "stem.conv1":
            blob = "res_conv1" if "_bn" in ending else "conv1"
        elif match := re.fullmatch(r"res(\d)\.(\d+)\.(\w+)", stem):
            blob = f"res{match[1]}_{match[2]}_{branches[match[3]]}"
        elif match := re.fullmatch(r"fpn_(lateral|output)(\d)", stem):
            level = int(match[2])
            base = f"res{level}_{last_block[level]}_sum"
            lateral = "" if level == 5 else "_lateral"
            blob = f"fpn_inner_{base}{lateral}" if match[1] == "lateral" else f"fpn_{base}"
        else:
            blob = {
                "proposal_generator.rpn_head.conv": "conv_rpn_fpn2",
                "proposal_generator.rpn_head.objectness_logits": "rpn_cls_logits_fpn2",
                "proposal_generator.rpn_head.anchor_deltas": "rpn_bbox_pred_fpn2",
                "box_head.fc1": "fc6",
                "box_head.fc2": "fc7",
                "box_predictor.cls_score": "cls_score",
                "box_predictor.bbox_pred": "bbox_pred",
                "mask_head.deconv": "conv5_mask",
                "mask_head.predictor": "mask_fcn_logits",
            }.get(stem) or stem.replace("mask_head.mask_fcn", "_[mask]_fcn").replace("box_head.conv", "head_conv")
        blobs[blob + ending] = tensor
    return blobs
