import pytest
import torch
from torch import nn

from detectory.engine.optimizers import clip_gradients, get_default_optimizer_params


@pytest.fixture
def model():
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.Linear(2, 2), nn.GroupNorm(1, 2))
    model[2].weight.requires_grad_(False)
    return model


def settings(model, groups):
    """Return the settings of each parameter by name."""
    names = {parameter: name for name, parameter in model.named_parameters()}
    return {
        names[parameter]: {key: value for key, value in group.items() if key != "params"}
        for group in groups
        for parameter in group["params"]
    }


def test_groups_all_trainable_parameters_by_default(model):
    (group,) = get_default_optimizer_params(model)
    assert len(group["params"]) == 7
    assert set(group) == {"params"}


def test_sets_the_decay_of_normalisation_layers(model):
    found = settings(model, get_default_optimizer_params(model, weight_decay=0.1, weight_decay_norm=0.0))
    assert {name for name, value in found.items() if value["weight_decay"] == 0} == {
        "1.weight",
        "1.bias",
        "3.weight",
        "3.bias",
    }


def test_sets_the_learning_rate_and_decay_of_biases(model):
    found = settings(model, get_default_optimizer_params(model, base_lr=1.0, bias_lr_factor=2.0, weight_decay_bias=0.0))
    assert found["0.bias"] == {"lr": 2.0, "weight_decay": 0.0}
    assert found["0.weight"] == {"lr": 1.0}


def test_the_learning_rate_can_depend_on_the_name(model):
    groups = get_default_optimizer_params(model, base_lr=1.0, lr_factor_func=lambda name: 0.5 ** int(name[0]))
    found = settings(model, groups)
    assert (found["0.weight"]["lr"], found["3.bias"]["lr"]) == (1.0, 0.125)


def test_overrides_take_precedence(model):
    overrides = {"bias": {"lr": 5.0}}
    found = settings(
        model, get_default_optimizer_params(model, base_lr=1.0, weight_decay_norm=0.0, overrides=overrides)
    )
    assert found["1.bias"] == {"lr": 5.0, "weight_decay": 0.0}
    assert overrides == {"bias": {"lr": 5.0}}


def test_a_shared_parameter_is_optimised_once():
    model = nn.ModuleList([nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)])
    model[1].weight = model[0].weight
    assert [len(group["params"]) for group in get_default_optimizer_params(model)] == [1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bias_lr_factor": 2.0}, "bias_lr_factor requires base_lr"),
        ({"lr_factor_func": len}, "lr_factor_func requires base_lr"),
        ({"weight_decay_bias": 0.0, "overrides": {"bias": {}}}, "both set 'bias'"),
    ],
)
def test_rejects_conflicting_settings(model, arguments, message):
    with pytest.raises(ValueError, match=message):
        get_default_optimizer_params(model, **arguments)


@pytest.mark.parametrize(
    ("clip_type", "expected"),
    [
        ("value", [[1.0, 1.0], [1.0, 0.0]]),
        ("norm", [[0.6, 0.8], [1.0, 0.0]]),
        ("full_model", [[3 / 13, 4 / 13], [12 / 13, 0.0]]),
    ],
)
def test_gradients_are_clipped_before_the_step(clip_type, expected):
    parameters = [nn.Parameter(torch.zeros(2)) for _ in range(2)]
    optimizer = clip_gradients(torch.optim.SGD(parameters, lr=1.0), clip_type, 1.0)
    parameters[0].grad, parameters[1].grad = torch.tensor([3.0, 4.0]), torch.tensor([12.0, 0.0])
    optimizer.step()
    assert torch.allclose(-torch.stack(parameters), torch.tensor(expected), atol=1e-5)


@pytest.mark.parametrize(("clip_type", "value"), [("global", 1.0), ("norm", 0.0)])
def test_rejects_invalid_clipping(clip_type, value):
    with pytest.raises(ValueError, match="clip_gradients: clip_"):
        clip_gradients(torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0), clip_type, value)
