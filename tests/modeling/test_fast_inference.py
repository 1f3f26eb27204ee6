import copy

import pytest
import torch

from detectory.modeling.analysis import FlopCountAnalysis
from detectory.modeling.fast_inference import fold_batch_norms, optimize_for_inference
from detectory.modeling.layers import Conv2d
from detectory.modeling.layers.winograd import WinogradConv2d, use_winograd

from . import tiny_models


@pytest.fixture(params=list(tiny_models.MODELS), ids=lambda name: name.replace(" ", "-"))
def name(request):
    return request.param


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
    monkeypatch.setattr(WinogradConv2d, "MIN_CHANNELS", 1)


@pytest.mark.usefixtures("winograd_everywhere")
def test_optimized_models_return_the_same_results(name):
    model = tiny_models.without_score_threshold(randomize_norms(tiny_models.MODELS[name]()))
    items = tiny_models.inputs()
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
    model = tiny_models.without_score_threshold(randomize_norms(tiny_models.rcnn()))
    items = tiny_models.inputs()
    with torch.no_grad():
        wanted = [o["instances"].scores for o in model(items)]
        found = [o["instances"] for o in optimize_for_inference(model, dtype)(items)]
    tolerance = 1e-4 if dtype == torch.float32 else 2e-2
    for a, b in zip(wanted, found, strict=True):
        count = min(len(a), len(b))
        assert torch.allclose(a[:count], b.scores[:count], atol=tolerance)
        assert b.pred_boxes.tensor.dtype == torch.float32


def test_optimize_for_inference_rejects_integer_dtypes():
    with pytest.raises(ValueError, match="dtype must be one of"):
        optimize_for_inference(tiny_models.rcnn(), torch.int8)
