"""All detectors of torchvision: recognition, equal outputs and the way back."""

import numpy as np
import pytest
import torch
import torchvision
from torch import nn
from torchvision.models import detection

from detectory.compat.conversion import convert_checkpoint, export_run, write_run
from detectory.compat.torchvision import (
    TorchvisionResize,
    convert_state_dict,
    from_torchvision,
    model_of_state_dict,
    resize_config,
    revert_state_dict,
    to_torchvision,
    torchvision_config,
)
from detectory.compat.torchvision.recognition import _use_full_tail
from detectory.core.config import instantiate
from detectory.engine import Predictor

BUILDERS = torchvision.models.list_models(detection)
FIRST_CLASS = {"retinanet_resnet50_fpn": 0, "retinanet_resnet50_fpn_v2": 0, "fcos_resnet50_fpn": 0}
IMAGE = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 150, 210), dtype=np.uint8))


def build(name, **settings):
    return getattr(detection, name)(weights=None, weights_backbone=None, num_classes=5, **settings)


@torch.no_grad()
def calibrated(name):
    """Return a model with statistics of a random image in its norms and outputs of moderate size."""
    torch.manual_seed(0)
    model = build(name, **({} if name.startswith("ssd") else {"min_size": 128, "max_size": 200}))
    # The last levels of SSD have one cell, which has no variance: their norms keep the identity.
    norms = [module for module in model.backbone.modules() if isinstance(module, nn.BatchNorm2d)]
    if hasattr(model.backbone, "extra"):
        norms = [module for module in model.backbone.features.modules() if isinstance(module, nn.BatchNorm2d)]
    elif hasattr(model, "roi_heads"):
        norms += [module for module in model.roi_heads.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum, norm.training = None, True
    images, _ = model.eval().transform([IMAGE / 255])
    for norm in norms:
        norm.train()
    features = model.backbone(images.tensors)
    if hasattr(model, "head"):
        model.head(list(features.values()))
        outputs = [m for m in model.head.modules() if isinstance(m, nn.Conv2d)]
        outputs = [m for m in outputs if m.groups == 1 and m.out_channels < 128]
    else:
        for head, side in ((model.roi_heads.box_head, 7), (getattr(model.roi_heads, "mask_head", None), 14)):
            if isinstance(head, nn.Sequential):
                head(torch.randn(16, 256, side, side))
        predictor = model.roi_heads.box_predictor
        outputs = [model.rpn.head.cls_logits, predictor.cls_score]
        predictor.bbox_pred.weight *= 3
    for norm in norms:
        norm.momentum = 0.1
    if name == "ssd300_vgg16":
        for head in (model.head.classification_head, model.head.regression_head):
            for layer, x in zip(head.module_list, features.values(), strict=True):
                layer.weight *= 1.5 / layer(x).std()
        return model.eval()
    for layer in outputs:
        layer.weight *= 20 if name.startswith("ssd") else 8
        nn.init.zeros_(layer.bias)
    return model.eval()


def resized(model):
    """Return the input of our model for `IMAGE`, with torchvision's resizing."""
    array = IMAGE.permute(1, 2, 0).numpy()
    image = instantiate(resize_config(model)).get_transform(array).apply_image(array)
    return {"image": torch.from_numpy(image).permute(2, 0, 1), "height": IMAGE.shape[1], "width": IMAGE.shape[2]}


def matched(theirs, ours, first_class):
    """Return the fraction of our detections with a counterpart within 0.1 pixels and 0.001 in the score."""
    far = (ours.pred_boxes.tensor[:, None] - theirs["boxes"]).abs().amax(dim=-1)
    same = (far < 0.1) & ((ours.scores[:, None] - theirs["scores"]).abs() < 1e-3)
    same &= ours.pred_classes[:, None] + first_class == theirs["labels"]
    assert len(ours) > 10
    return same.any(dim=1).float().mean()


def check_equal(model, twin, name):
    with torch.no_grad():
        theirs, ours = model([IMAGE / 255])[0], twin([resized(model)])[0]["instances"]
    # The criterion of docs/tasks/convert.md: candidates with almost equal scores may change places in the NMS.
    assert matched(theirs, ours, FIRST_CLASS.get(name, 1)) >= 0.97


@pytest.mark.parametrize("name", BUILDERS)
def test_state_dicts_are_recognised_and_fit_the_model(name):
    with torch.device("meta"):
        state = build(name).state_dict()
        model = model_of_state_dict(state, name if "320_fpn" in name else None)
        own = instantiate(torchvision_config(model)).state_dict()
    converted = convert_state_dict(state)
    counters = {key for key in converted if key.endswith("num_batches_tracked")}
    assert set(converted) - counters == {key for key in own if not key.endswith("num_batches_tracked")}
    assert all(own[key].shape == converted[key].shape for key in set(converted) - counters)


def test_ssdlite_outputs_are_equal_and_return_to_torchvision():
    name = "ssdlite320_mobilenet_v3_large"
    model = calibrated(name)
    twin = from_torchvision(model)
    check_equal(model, twin, name)
    checkpoint = to_torchvision(twin, instantiate(resize_config(model)))
    assert (checkpoint.builder, checkpoint.differences) == (name, [])
    again = build(name)
    again.load_state_dict(checkpoint.state)
    assert all(torch.equal(tensor, model.state_dict()[key]) for key, tensor in again.state_dict().items())


def test_ssdlite_with_the_backbone_of_imagenet_is_recognised():
    torch.manual_seed(0)
    model = build("ssdlite320_mobilenet_v3_large")
    _use_full_tail(model, num_classes=5)
    state = model.state_dict()
    twin = instantiate(torchvision_config(model_of_state_dict(state))).eval()
    twin.load_state_dict(convert_state_dict(state))
    checkpoint = to_torchvision(twin)
    assert checkpoint.backbone == "mobilenet_v3_large"
    assert all(torch.equal(checkpoint.state[key], tensor) for key, tensor in state.items())
    with torch.no_grad():
        theirs = model.eval().backbone(IMAGE[None] / 255)
        ours = twin.backbone(IMAGE[None] / 255)
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(theirs.values(), ours.values(), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("name", BUILDERS)
def test_outputs_are_equal_in_both_directions(name):
    model = calibrated(name)
    twin = from_torchvision(model)
    check_equal(model, twin, name)
    checkpoint = to_torchvision(twin, instantiate(resize_config(model)))
    assert (checkpoint.builder, checkpoint.backbone, checkpoint.differences) == (name, None, [])
    again = getattr(detection, name)(weights=None, weights_backbone=None, **checkpoint.arguments).eval()
    again.load_state_dict(checkpoint.state)
    check_equal(again, twin, name)


def test_epsilon_of_frozen_norms_moves_to_the_variances():
    model = build("fasterrcnn_mobilenet_v3_large_fpn").eval()
    state = {key: value for key, value in model.state_dict().items() if not key.endswith("num_batches_tracked")}
    source = model_of_state_dict(state, frozen_eps=0.0)
    twin = instantiate(torchvision_config(source)).eval()
    twin.load_state_dict(convert_state_dict(state))
    checkpoint = to_torchvision(twin)
    key = "backbone.body.0.1.running_var"
    assert torch.allclose(checkpoint.state[key], state[key] - 1e-5, atol=1e-8)


def test_sizes_are_rounded_down_like_torchs_interpolate():
    array = IMAGE.permute(1, 2, 0).numpy()
    resize = TorchvisionResize(min_size=100, max_size=133)
    scale = min(100 / 150, 133 / 210)
    expected = nn.functional.interpolate(
        IMAGE[None].float(), scale_factor=scale, mode="bilinear", recompute_scale_factor=True, align_corners=False
    )[0]
    result = torch.from_numpy(resize.get_transform(array).apply_image(array)).permute(2, 0, 1)
    assert result.shape == expected.shape
    assert torch.allclose(result, expected, atol=1e-3)


def test_run_folder_returns_to_torchvision(tmp_path):
    torch.manual_seed(0)
    state = build("ssdlite320_mobilenet_v3_large").state_dict()
    torch.save(state, tmp_path / "model.pth")
    converted = convert_checkpoint(tmp_path / "model.pth")
    assert (converted.system, converted.architecture) == ("torchvision", "ssdlite320_mobilenet_v3_large")
    run = write_run(converted, tmp_path / "run")
    assert Predictor.from_run(run).resize.fixed_size == [320, 320]
    exported = export_run(run, "torchvision", tmp_path / "back.pth")
    assert "ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=5" in exported.instructions
    back = torch.load(tmp_path / "back.pth")
    assert all(torch.equal(back[key], tensor) for key, tensor in state.items())
    with pytest.raises(ValueError, match=r"unknown system 'torchvison'; did you mean 'torchvision'\?"):
        export_run(run, "torchvison", tmp_path / "other.pth")


def test_other_architectures_are_refused_by_their_first_difference():
    with torch.device("meta"):
        state = build("fasterrcnn_resnet50_fpn").state_dict()
    del state["roi_heads.box_head.fc7.bias"]
    with pytest.raises(ValueError, match=r"not a fasterrcnn_resnet50_fpn of torchvision: 'roi_heads.box_head.fc2"):
        model_of_state_dict(state)
    with pytest.raises(ValueError, match=r"unknown model 'fastrcnn_resnet50_fpn'; did you mean"):
        model_of_state_dict(state, "fastrcnn_resnet50_fpn")
    with pytest.raises(ValueError, match=r"'head.extra' does not exist in the model of torchvision"):
        revert_state_dict({"head.extra": torch.zeros(1)}, state | {"roi_heads.box_head.fc7.bias": torch.zeros(1024)})
