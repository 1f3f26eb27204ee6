"""Parameter groups with individual learning rates and weight decays."""

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
    """Return the parameters that require gradients, grouped by equal settings.

    Args:
        model: The model.
        base_lr: Learning rate of all groups; by default the optimizer's.
        weight_decay: Weight decay of all groups; by default the optimizer's.
        weight_decay_norm: Weight decay of normalisation layers.
        bias_lr_factor: Learning rate factor of biases. Values other than 1 require `base_lr`.
        weight_decay_bias: Weight decay of biases.
        lr_factor_func: Maps the full name of a parameter to a learning rate factor, for example one that decays with
            the depth of the layer. Requires `base_lr`.
        overrides: Settings by the last component of the parameter name, with the highest priority:
            `{"pos_embed": {"weight_decay": 0.0}}`.

    Returns:
        Groups for a torch optimizer. A shared parameter is in one group only.

    Raises:
        ValueError: If a factor is given without `base_lr`, or biases have conflicting settings.

    Example:
        >>> import torch
        >>> model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
        >>> groups = get_default_optimizer_params(model, weight_decay_norm=0.0)
        >>> optimizer = torch.optim.SGD(groups, lr=0.02, weight_decay=1e-4)
        >>> [(len(group["params"]), group["weight_decay"]) for group in optimizer.param_groups]
        [(2, 0.0001), (2, 0.0)]
    """
    if lr_factor_func is not None and base_lr is None:
        raise ValueError("get_default_optimizer_params: lr_factor_func requires base_lr")
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
            raise ValueError("get_default_optimizer_params: bias_lr_factor requires base_lr")
        settings["lr"] = base_lr * factor
    if weight_decay is not None:
        settings["weight_decay"] = weight_decay
    if settings and "bias" in by_name:
        raise ValueError("get_default_optimizer_params: overrides and the bias arguments both set 'bias'")
    if settings:
        by_name["bias"] = settings
