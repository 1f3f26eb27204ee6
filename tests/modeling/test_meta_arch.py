import pytest
import torch

from detectory.core.events import EventStorage
from detectory.structures import Boxes, Instances

from . import tiny_models


@pytest.fixture(params=list(tiny_models.MODELS), ids=lambda name: name.replace(" ", "-"))
def name(request):
    return request.param


def test_training_yields_finite_losses_and_gradients(name):
    model = tiny_models.MODELS[name]()
    losses = model(tiny_models.inputs(rotated=name == "rotated"))
    assert losses
    assert all(value.isfinite() and value.dim() == 0 for value in losses.values())
    sum(losses.values()).backward()
    assert [key for key, p in model.named_parameters() if p.grad is None] == []


def test_training_on_images_without_objects_is_finite(name):
    losses = tiny_models.MODELS[name]()(tiny_models.inputs(rotated=name == "rotated", objects=0))
    assert all(value.isfinite() for value in losses.values())
    sum(losses.values()).backward()


def test_inference_returns_the_requested_output_size(name):
    model = tiny_models.without_score_threshold(tiny_models.MODELS[name]())
    with torch.no_grad():
        outputs = model(tiny_models.inputs())
    for output, size in zip(outputs, ((128, 192), (96, 128)), strict=True):
        for key in ("instances", "proposals"):
            if key in output:
                assert output[key].image_size == size
                assert len(output[key]) > 0
        if "sem_seg" in output:
            assert output["sem_seg"].shape == (4, *size)
        if "instances" in output and output["instances"].has("pred_masks"):
            assert output["instances"].pred_masks.shape[1:] == size


def test_batch_equals_its_images_one_by_one(name):
    model = tiny_models.without_score_threshold(tiny_models.MODELS[name]())
    items = tiny_models.inputs(sizes=((64, 96), (64, 96)))
    with torch.no_grad():
        together, alone = model(items), [model([item])[0] for item in items]
    for a, b in zip(together, alone, strict=True):
        if "sem_seg" in a:
            assert torch.allclose(a["sem_seg"], b["sem_seg"], atol=1e-4)
        for key in {"instances", "proposals"} & set(a):
            field = "pred_boxes" if key == "instances" else "proposal_boxes"
            sides = a[key].get(field).tensor / 96, b[key].get(field).tensor / 96
            assert torch.allclose(*sides, atol=1e-4)


def test_training_statistics_are_logged_to_the_active_event_storage():
    with EventStorage(0) as storage:
        tiny_models.rcnn()(tiny_models.inputs())
    assert {"rpn/num_pos_anchors", "roi_head/num_fg_samples", "fast_rcnn/cls_accuracy", "mask_rcnn/accuracy"} <= set(
        storage.latest()
    )


def test_training_visualizer_is_called_every_period():
    model, calls = tiny_models.rcnn(vis_period=2), []
    model.training_visualizer = lambda items, proposals: calls.append((len(items), len(proposals)))
    with EventStorage(0) as storage:
        for _ in range(4):
            model(tiny_models.inputs())
            storage.step()
    assert calls == [(2, 2), (2, 2)]


def test_masks_are_predicted_for_given_boxes():
    model, items = tiny_models.rcnn().eval(), tiny_models.inputs(sizes=((64, 96),))
    boxes = Boxes(torch.tensor([[4.0, 4.0, 30.0, 30.0]]))
    known = Instances((64, 96), pred_boxes=boxes, pred_classes=torch.tensor([1]))
    with torch.no_grad():
        (found,) = model.inference(items, detected_instances=[known], do_postprocess=False)
    assert found.pred_masks.shape == (1, 1, 14, 14)
    assert torch.equal(found.pred_boxes.tensor, boxes.tensor)


def test_masks_of_predicted_classes_equal_those_of_all_classes():
    model = tiny_models.without_score_threshold(tiny_models.rcnn())
    head = model.roi_heads.mask_head
    x = torch.randn(3, 8, 7, 7)
    classes = torch.tensor([2, 0, 1])
    found = Instances((64, 96), pred_classes=classes)
    with torch.no_grad():
        head(x, [found])
        wanted = head.layers(x)[torch.arange(3), classes].sigmoid()
    assert torch.allclose(found.pred_masks[:, 0], wanted, atol=1e-6)


def test_rejects_inputs_without_proposals():
    model = tiny_models.rcnn().eval()
    model.proposal_generator = None
    with pytest.raises(ValueError, match="input 0 needs 'proposals'"):
        model(tiny_models.inputs())


def test_rejects_image_with_wrong_number_of_channels():
    with pytest.raises(ValueError, match=r"must have shape \(3, H, W\), got \(1, 8, 8\)"):
        tiny_models.rcnn().eval()([{"image": torch.zeros(1, 8, 8)}])


def test_diverged_training_is_reported():
    model = tiny_models.rcnn()
    model.proposal_generator.rpn_head.anchor_deltas.weight.data.fill_(float("nan"))
    with pytest.raises(FloatingPointError, match="diverged"):
        model(tiny_models.inputs())


@pytest.mark.slow
@pytest.mark.parametrize("part", ["backbone", "proposal_generator.rpn_head", "roi_heads.mask_head.layers"])
def test_compiles_backbone_and_heads_as_one_graph(part):
    model = tiny_models.rcnn().eval()
    function = model
    for attribute in part.split("."):
        function = getattr(function, attribute)
    x = torch.randn(1, 3, 64, 64) if part == "backbone" else torch.randn(2, 8, 16, 16)
    x = [x] if "rpn" in part else x
    with torch.no_grad():
        got = torch.compile(function, fullgraph=True, backend="aot_eager")(x)
        wanted = function(x)
    flat = torch.utils._pytree.tree_leaves
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(flat(got), flat(wanted), strict=True))


@pytest.mark.slow
def test_compiles_every_meta_architecture(name):
    model = tiny_models.without_score_threshold(tiny_models.MODELS[name]())
    items = tiny_models.inputs(sizes=((64, 96),))
    compiled = torch.compile(model, backend="aot_eager")
    with torch.no_grad():
        wanted, got = model(items), compiled(items)
    for key in {"instances", "proposals"} & set(wanted[0]):
        assert len(got[0][key]) == len(wanted[0][key])
