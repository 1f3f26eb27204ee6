"""Fully sharded data parallelism (FSDP2) for models with large backbones."""

import weakref
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.nn.modules.batchnorm import _BatchNorm

from detectory.core.distributed import is_distributed

_meshes: weakref.WeakSet[Any] = weakref.WeakSet()


def shard_model(
    model: nn.Module,
    *,
    units: Sequence[str] | None = None,
    param_dtype: torch.dtype | None = None,
    reshard_after_forward: bool = True,
) -> nn.Module:
    """Shard a model's parameters, gradients and optimizer state with `torch.distributed.fsdp.fully_shard`.

    The parameters of each unit are all-gathered before its forward and backward pass and freed afterwards, so a process
    holds one complete unit at a time. Parameters outside of any unit belong to the root. All processes start with the
    values of process 0.

    Args:
        model: The model on its device, before the optimizer is built. It is modified; parameter names are unchanged.
        units: Patterns of module names, such as `"backbone.net.blocks.*"`. By default, the elements of each outermost
            `ModuleList` and `Sequential` of the model's `backbone`, or of the model if it has none. The parameters of
            a unit may only be used in its `forward`.
        param_dtype: The dtype in which the units' parameters are gathered and used. Unit outputs, gradient reductions
            and batch normalisation remain float32.
        reshard_after_forward: If False, keep the gathered parameters until the backward pass: more memory, less
            communication.

    Returns:
        The same model.

    Raises:
        RuntimeError: If there is no process group; `detectory.engine.launch` and `torchrun` create one.
        ValueError: If a pattern matches no module.

    Source: Zhao et al., "PyTorch FSDP: Experiences on Scaling Fully Sharded Data Parallel", 2023.
    """
    if not is_distributed():
        raise RuntimeError("shard_model: no process group; start the processes with launch or torchrun")
    device = next(model.parameters()).device.type
    mesh = init_device_mesh(device, (dist.get_world_size(),))
    _meshes.add(mesh)
    options: dict[str, Any] = {"mesh": mesh, "reshard_after_forward": reshard_after_forward}
    # Outputs are float32: between the units, detectors compute boxes, which need that precision.
    precision = MixedPrecisionPolicy()
    if param_dtype is not None:
        precision = MixedPrecisionPolicy(param_dtype, reduce_dtype=torch.float32, output_dtype=torch.float32)
    # fully_shard takes each rank's own values, so all ranks must have equal ones first.
    for value in model.state_dict().values():
        dist.broadcast(value, src=0)
    chosen = _default_units(getattr(model, "backbone", model)) if units is None else _matching(model, units)
    for unit in chosen:
        for norm in unit.modules():
            # Running statistics are float32, so the affine parameters must be too.
            if norm is not unit and isinstance(norm, _BatchNorm) and param_dtype is not None:
                fully_shard(norm, **options)
        fully_shard(unit, mp_policy=MixedPrecisionPolicy() if isinstance(unit, _BatchNorm) else precision, **options)
    fully_shard(model, **options)
    return model


def release_meshes() -> None:
    """Release the references of device meshes to the destroyed process group.

    torch's operator caches keep a mesh alive until the process exits, and the mesh keeps the group.
    """
    for mesh in _meshes:
        getattr(mesh, "_pg_registry", {}).clear()


def gather_into(model: nn.Module, target: nn.Module) -> nn.Module:
    """Copy the complete parameters and buffers of a sharded model to `target`, in every process; return `target`."""
    target.load_state_dict(get_model_state_dict(model, options=StateDictOptions(full_state_dict=True)))
    return target


def _default_units(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the elements of the outermost module lists, if they have parameters."""
    for child in module.children():
        if isinstance(child, (nn.ModuleList, nn.Sequential)):
            yield from (block for block in child if any(True for _ in block.parameters()))
        else:
            yield from _default_units(child)


def _matching(model: nn.Module, patterns: Sequence[str]) -> list[nn.Module]:
    modules = dict(model.named_modules())
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in modules):
            raise ValueError(f"shard_model: pattern '{pattern}' in units matches no module")
    units = [module for name, module in modules.items() if any(fnmatchcase(name, pattern) for pattern in patterns)]
    # fully_shard must be applied to inner modules before outer ones.
    return units[::-1]
