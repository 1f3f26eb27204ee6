import copy

import pytest
import torch

from detectory.core.events import EventStorage
from detectory.modeling.analysis import FlopCountAnalysis
from detectory.modeling.fast_inference import fold_batch_norms, optimize_for_inference
from detectory.modeling.layers import Conv2d
from detectory.modeling.layers.winograd import WinogradConv2d, use_winograd
from detectory.structures import Boxes, Instances

from . import tiny_models


@pytest.fixture(params=list(tiny_models.MODELS), ids=lambda name: name.replace(" ", "-"))
def name(request):
    return request.param


def loose(model):
    """Set all score thresholds to 0, so that an untrained model has detections."""
    heads = getattr(model, "roi_heads", None)
    predictors = getattr(heads, "box_predictor", [])
    for predictor in predictors if isinstance(predictors, torch.nn.ModuleList) else [predictors]:
        if predictor != []:
            predictor.test_score_thresh = 0.0
    if hasattr(model, "head"):
        model.test_score_thresh = 0.0
    return model.eval()


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
    model = loose(tiny_models.MODELS[name]())
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
    model, items = loose(tiny_models.MODELS[name]()), tiny_models.inputs(sizes=((64, 96), (64, 96)))
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
    model = loose(tiny_models.rcnn())
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


def randomize_norms(model):
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d) and module.affine:
            module.running_mean.normal_(std=0.1), module.running_var.uniform_(0.5, 1.5)
            module.weight.data.uniform_(0.5, 1.5), module.bias.data.normal_(std=0.1)
    return model


def test_folding_norms_does_not_change_features():
    backbone = randomize_norms(tiny_models.backbone()).eval()
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        wanted, got = backbone(x), fold_batch_norms(backbone)(x)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in backbone.modules())
    assert all(torch.allclose(got[key], wanted[key], atol=1e-5) for key in wanted)


@pytest.fixture
def winograd_everywhere(monkeypatch):
    """Replace convolutions with few channels too, as tiny models have."""
    monkeypatch.setattr(WinogradConv2d, "LEAST_CHANNELS", 1)


@pytest.mark.usefixtures("winograd_everywhere")
def test_optimized_models_return_the_same_results(name):
    model, items = loose(randomize_norms(tiny_models.MODELS[name]())), tiny_models.inputs()
    with torch.no_grad():
        wanted, found = model(items), optimize_for_inference(copy.deepcopy(model))(items)
    for a, b in zip(wanted, found, strict=True):
        if "sem_seg" in a:
            assert torch.allclose(a["sem_seg"], b["sem_seg"], atol=1e-4)
        for key in {"instances", "proposals"} & set(a):
            field = "scores" if key == "instances" else "objectness_logits"
            assert len(a[key]) == len(b[key])
            assert torch.allclose(a[key].get(field), b[key].get(field), atol=1e-4)


def wide_convolution(**kwargs):
    return Conv2d(32, 40, 3, padding=1, activation=torch.nn.ReLU(), **kwargs).eval()


def test_winograd_convolution_keeps_names_outputs_and_the_scripted_layer():
    layers, x = torch.nn.Sequential(wide_convolution()), torch.randn(1, 32, 9, 10)
    names, scripted = list(layers.state_dict()), torch.jit.script(layers)
    with torch.no_grad():
        wanted = layers(x)
        assert isinstance(use_winograd(layers)[0], WinogradConv2d)
        assert torch.allclose(layers(x), wanted, atol=1e-4)
        assert torch.jit.script(layers).code == scripted.code
    assert list(layers.state_dict()) == names


def test_gradients_use_the_regular_convolution():
    layers, x = torch.nn.Sequential(wide_convolution()), torch.randn(1, 32, 9, 10, requires_grad=True)
    wanted = torch.autograd.grad(layers(x).sum(), x)[0]
    assert torch.allclose(torch.autograd.grad(use_winograd(layers)(x).sum(), x)[0], wanted)


def test_exported_graph_contains_the_regular_convolution():
    layers = use_winograd(torch.nn.Sequential(wide_convolution()))
    program = torch.export.export(layers, (torch.randn(1, 32, 9, 10),))
    assert "conv2d" in str(program.graph)
    assert "winograd" not in str(program.graph)


@pytest.mark.parametrize(
    "kwargs", [{"stride": 2}, {"dilation": 2}, {"groups": 2}, {"padding_mode": "reflect"}], ids=str
)
def test_unsupported_convolutions_are_not_replaced(kwargs):
    layer = Conv2d(32, 40, 3, **{"padding": 1, **kwargs})
    assert use_winograd(torch.nn.Sequential(layer))[0] is layer


def test_layers_with_hooks_or_few_channels_are_not_replaced():
    hooked, narrow = wide_convolution(), Conv2d(8, 40, 3, padding=1)
    hooked.register_forward_hook(lambda *_: None)
    assert list(use_winograd(torch.nn.Sequential(hooked, narrow))) == [hooked, narrow]


@pytest.mark.usefixtures("winograd_everywhere")
@pytest.mark.parametrize(("dtype", "replaced"), [(torch.float32, True), (torch.bfloat16, False)], ids=str)
def test_bfloat16_convolutions_are_not_replaced_on_amx_processors(monkeypatch, dtype, replaced):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    model = optimize_for_inference(tiny_models.rcnn(), dtype)
    assert any(isinstance(module, WinogradConv2d) for module in model.modules()) == replaced


def test_shared_layers_remain_shared():
    layer = wide_convolution()
    model = use_winograd(torch.nn.ModuleList([torch.nn.Sequential(layer), torch.nn.Sequential(layer)]))
    assert model[0][0] is model[1][0]


def test_winograd_convolutions_have_the_flops_of_regular_ones():
    layers, x = torch.nn.Sequential(wide_convolution()), torch.randn(1, 32, 9, 10)
    with torch.no_grad():
        assert FlopCountAnalysis(use_winograd(layers), x).total() == 32 * 40 * 9 * 90


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_optimized_model_returns_the_same_scores(dtype):
    model, items = loose(randomize_norms(tiny_models.rcnn())), tiny_models.inputs()
    with torch.no_grad():
        wanted = [o["instances"].scores for o in model(items)]
        found = [o["instances"] for o in optimize_for_inference(model, dtype)(items)]
    tolerance = 1e-4 if dtype == torch.float32 else 2e-2
    for a, b in zip(wanted, found, strict=True):
        count = min(len(a), len(b))
        assert torch.allclose(a[:count], b.scores[:count], atol=tolerance)
        assert b.pred_boxes.tensor.dtype == torch.float32


def test_optimize_for_inference_rejects_integer_dtypes():
    with pytest.raises(ValueError, match="must be floating"):
        optimize_for_inference(tiny_models.rcnn(), torch.int8)


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
    model, items = loose(tiny_models.MODELS[name]()), tiny_models.inputs(sizes=((64, 96),))
    compiled = torch.compile(model, backend="aot_eager")
    with torch.no_grad():
        wanted, got = model(items), compiled(items)
    for key in {"instances", "proposals"} & set(wanted[0]):
        assert len(got[0][key]) == len(wanted[0][key])
