"""Comparison of every architecture with measurements of Detectron2 for the same weights and images."""

import copy

import numpy as np
import pytest
import torch

from detectory.modeling.fast_inference import optimize_for_inference

from .detectron2_models import MODELS
from .measurements import batch, counterparts, golden, prepare, relative, training_losses

QUICK = ("COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.py",)
SLOW = [
    pytest.param(name, id=name.split("/", 1)[-1], marks=() if name in QUICK else pytest.mark.slow) for name in MODELS
]


@pytest.fixture(scope="module")
def measured(request):
    """The outputs and measurements of one model, shared by the tests of this file."""
    name = request.param
    info, want = golden(name)
    model = prepare(MODELS[name]())
    items = batch("fast_rcnn" in name)
    with torch.no_grad():
        images = model.preprocess_image(items)
        features = model.backbone(images.tensor)
        generator = getattr(model, "proposal_generator", None)
        proposals = generator(images, features, None)[0] if generator is not None else None
        outputs = model(items)
    return {"name": name, "info": info, "want": want, "model": model, "features": features} | {
        "proposals": proposals,
        "outputs": outputs,
    }


@pytest.mark.parametrize("name", list(MODELS), ids=lambda name: name.split("/", 1)[-1])
def test_has_the_state_dict_and_trainable_parameters_of_detectron2(name):
    with torch.device("meta"):
        model = MODELS[name]()
    info, _ = golden(name)
    assert {key: list(value.shape) for key, value in model.state_dict().items()} == info["state"]
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == info["trainable"]


@pytest.mark.parametrize("measured", SLOW, indirect=True)
def test_features_match_the_measurements(measured):
    for level, value in measured["features"].items():
        assert relative(value.mean((2, 3)).numpy(), measured["want"][f"feat.{level}.mean"]) < 1e-4
        assert relative(value[:, :8, :2, :2].numpy(), measured["want"][f"feat.{level}.corner"]) < 1e-4


@pytest.mark.parametrize("measured", SLOW, indirect=True)
def test_optimized_model_matches_the_measurements(measured):
    want = measured["want"]
    model, items = optimize_for_inference(copy.deepcopy(measured["model"])), batch("fast_rcnn" in measured["name"])
    with torch.no_grad():
        features, outputs = model.backbone(model.preprocess_image(items).tensor), model(items)
    for level, value in features.items():
        assert relative(value.mean((2, 3)).numpy(), want[f"feat.{level}.mean"]) < 1e-4
        assert relative(value.numpy(), measured["features"][level].numpy()) < 1e-4
    for i, output in enumerate(outputs if "0.boxes" in want else ()):
        assert (matched(output, want, i)[1] >= 0).mean() >= 0.97


@pytest.mark.parametrize("measured", SLOW, indirect=True)
def test_proposals_match_the_measurements(measured):
    want = measured["want"]
    for i, found in enumerate(measured["proposals"] if "0.proposals" in want else ()):
        got = {"boxes": found.proposal_boxes.tensor.numpy(), "scores": found.objectness_logits.numpy()}
        match = counterparts(got, {"boxes": want[f"{i}.proposals"], "scores": want[f"{i}.objectness"]})
        assert (match >= 0).mean() >= 0.97


@pytest.mark.parametrize("measured", SLOW, indirect=True)
def test_detections_match_the_measurements(measured):
    want = measured["want"]
    for i, output in enumerate(measured["outputs"] if "0.boxes" in want else ()):
        found, match = matched(output, want, i)
        assert (match >= 0).mean() >= 0.97
        kept = match >= 0
        if f"{i}.mask_rows" in want:
            rows = found.pred_masks.numpy().sum(2)[:, ::16][match[kept]]
            assert (np.abs(rows - want[f"{i}.mask_rows"][kept]) <= 1).mean() >= 0.99
        if f"{i}.keypoints" in want:
            points = found.pred_keypoints.numpy()[match[:30][kept[:30]]]
            assert (np.abs(points - want[f"{i}.keypoints"][kept[:30]])[..., :2] < 0.5).mean() >= 0.95


def matched(output, want, i):
    """Return the detections or proposals of image `i`, and the index of the match of every measured one."""
    found = output.get("instances", output.get("proposals"))
    wanted = {"boxes": want[f"{i}.boxes"], "scores": want[f"{i}.scores"]}
    if found.has("proposal_boxes"):
        got = {"boxes": found.proposal_boxes.tensor.numpy(), "scores": found.objectness_logits.numpy()}
        return found, counterparts(got, wanted)
    got = {"boxes": found.pred_boxes.tensor.numpy(), "scores": found.scores.numpy()}
    assert len(found) == len(wanted["boxes"])
    classes = {"classes": found.pred_classes.numpy()}, {"classes": want[f"{i}.classes"]}
    return found, counterparts(got | classes[0], wanted | classes[1])


@pytest.mark.parametrize("measured", SLOW, indirect=True)
def test_semantic_and_panoptic_outputs_match_the_measurements(measured):
    want, info = measured["want"], measured["info"]
    for i, output in enumerate(measured["outputs"]):
        if f"{i}.sem_argmax" in want:
            assert (output["sem_seg"].argmax(0).numpy()[::4, ::4] == want[f"{i}.sem_argmax"]).mean() >= 0.995
        if f"{i}.panoptic" in want:
            canvas, segments = output["panoptic_seg"]
            assert (canvas.numpy()[::4, ::4] == want[f"{i}.panoptic"]).mean() >= 0.98
            keys = ("id", "isthing", "category_id")
            assert [[int(s[k]) for k in keys] for s in segments] == [
                [int(s[k]) for k in keys] for s in info[f"{i}.segments"]
            ]


@pytest.mark.parametrize("measured", SLOW, indirect=True)
def test_losses_and_gradients_match_the_measurements(measured):
    info, model = measured["info"], measured["model"]
    losses = training_losses(model, measured["name"])
    if "losses" in info:
        assert {key: pytest.approx(value, rel=2e-3) for key, value in info["losses"].items()} == {
            key: value.item() for key, value in losses.items()
        }
        sum(losses.values()).backward()
        norms = {key: float(p.grad.norm()) for key, p in model.named_parameters() if key in info["grad_norm"]}
        assert norms == {key: pytest.approx(value, rel=2e-2, abs=1e-6) for key, value in info["grad_norm"].items()}
