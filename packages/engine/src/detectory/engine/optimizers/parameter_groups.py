"""Parameter groups of an optimizer: which learning rate and weight decay each parameter gets."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

_NORMALISATIONS = (
    nn.modules.batchnorm._NormBase,  # batch and instance normalisation, also synchronised
    nn.GroupNorm,
    nn.LayerNorm,
    nn.LocalResponseNorm,
)


def get_default_optimizer_params(
    model: nn.Module,
    base_lr: float | None = None,
    weight_decay: float | None = None,
    weight_decay_norm: float | None = None,
    bias_lr_factor: float | None = 1.0,
    weight_decay_bias: float | None = None,
    lr_factor_func: Callable[[str], float] | None = None,
    overrides: Mapping[str, Mapping[str, float]] | None = None,
) -> list[dict[str, Any]]:
    """Return the parameters that require gradients, in groups of equal settings.

    Args:
        model: The model.
        base_lr: The learning rate of every group, the optimizer's by default.
        weight_decay: The weight decay of every group, the optimizer's by default.
        weight_decay_norm: The weight decay of normalisation layers.
        bias_lr_factor: The factor of the learning rate of biases; other than 1 it needs `base_lr`.
        weight_decay_bias: The weight decay of biases.
        lr_factor_func: Maps a parameter's full name to a factor of its learning rate, e.g. one that decays with the
            depth of the layer; it needs `base_lr`.
        overrides: Settings by the last part of parameters' names, stronger than all others:
            `{"pos_embed": {"weight_decay": 0.0}}`.

    Returns:
        Groups for a torch optimizer. A parameter that several modules share stands in one group only.

    Raises:
        ValueError: a factor without `base_lr`, or two settings for biases.

    Example:
        >>> import torch
        >>> model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
        >>> groups = get_default_optimizer_params(model, weight_decay_norm=0.0)
        >>> optimizer = torch.optim.SGD(groups, lr=0.02, weight_decay=1e-4)
        >>> [(len(group["params"]), group["weight_decay"]) for group in optimizer.param_groups]
        [(2, 0.0001), (2, 0.0)]
    """
    if lr_factor_func is not None and base_lr is None:
        raise ValueError("get_default_optimizer_params: lr_factor_func needs base_lr")
    shared = {"lr": base_lr, "weight_decay": weight_decay}
    by_name = {name: dict(settings) for name, settings in (overrides or {}).items()}
    _add_bias_settings(by_name, base_lr, bias_lr_factor, weight_decay_bias)
    groups: dict[tuple[tuple[str, float], ...], dict[str, Any]] = {}
    seen: set[nn.Parameter] = set()
    for module_name, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            if not parameter.requires_grad or parameter in seen:
                continue
            seen.add(parameter)
            settings = {key: value for key, value in shared.items() if value is not None}
            if isinstance(module, _NORMALISATIONS) and weight_decay_norm is not None:
                settings["weight_decay"] = weight_decay_norm
            if lr_factor_func is not None:
                settings["lr"] *= lr_factor_func(f"{module_name}.{name}" if module_name else name)
            settings |= by_name.get(name, {})
            group = groups.setdefault(tuple(sorted(settings.items())), {"params": [], **settings})
            group["params"].append(parameter)
    return list(groups.values())


def _add_bias_settings(
    by_name: dict[str, dict[str, float]], base_lr: float | None, factor: float | None, weight_decay: float | None
) -> None:
    settings = {}
    if factor is not None and factor != 1.0:
        if base_lr is None:
            raise ValueError("get_default_optimizer_params: bias_lr_factor needs base_lr")
        settings["lr"] = base_lr * factor
    if weight_decay is not None:
        settings["weight_decay"] = weight_decay
    if settings and "bias" in by_name:
        raise ValueError("get_default_optimizer_params: overrides and the settings for biases both set 'bias'")
    if settings:
        by_name["bias"] = settings
