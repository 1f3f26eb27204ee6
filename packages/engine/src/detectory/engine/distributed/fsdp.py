"""FSDP2: parameters, gradients and the optimizer's state divided among processes, for backbones that are large."""

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
    """Divide a model among all processes with `torch.distributed.fsdp.fully_shard`.

    Each unit's parameters are gathered before its forward and backward pass and dropped behind it, so that a process
    holds one unit whole at a time. What is in no unit is gathered with the model. All processes start from the values
    of process 0.

    Args:
        model: The model on its device, before an optimizer is built; it is changed. Names of parameters stay.
        units: Patterns of names of modules, e.g. `"backbone.net.blocks.*"`; by default the elements of each
            `ModuleList` and `Sequential` of the model's `backbone` (of the model when it has none), outermost. A
            unit's parameters may be used in its `forward` only.
        param_dtype: The type in which the units' parameters are gathered and used; what comes out of a unit, and sums
            of gradients, are float32. Batch normalisation stays float32.
        reshard_after_forward: False keeps gathered parameters until the backward pass: more memory, less exchange.

    Returns:
        The same model.

    Raises:
        RuntimeError: there is no process group; `detectory.engine.launch` or `torchrun` make one.
        ValueError: a pattern matches no module.

    Source: Zhao et al., "PyTorch FSDP: Experiences on Scaling Fully Sharded Data Parallel", 2023.
    """
    if not is_distributed():
        raise RuntimeError("shard_model: there is no process group; start with launch or torchrun")
    device = next(model.parameters()).device.type
    mesh = init_device_mesh(device, (dist.get_world_size(),))
    _meshes.add(mesh)
    options: dict[str, Any] = {"mesh": mesh, "reshard_after_forward": reshard_after_forward}
    # Between the units detectors compute boxes, which need float32.
    precision = MixedPrecisionPolicy()
    if param_dtype is not None:
        precision = MixedPrecisionPolicy(param_dtype, reduce_dtype=torch.float32, output_dtype=torch.float32)
    for value in model.state_dict().values():
        dist.broadcast(value, src=0)
    chosen = _blocks(getattr(model, "backbone", model)) if units is None else _named(model, units)
    for unit in chosen:
        for norm in unit.modules():
            # Running statistics are float32, and so must be what scales by them.
            if norm is not unit and isinstance(norm, _BatchNorm) and param_dtype is not None:
                fully_shard(norm, **options)
        fully_shard(unit, mp_policy=MixedPrecisionPolicy() if isinstance(unit, _BatchNorm) else precision, **options)
    fully_shard(model, **options)
    return model


def release_meshes() -> None:
    """Let the meshes of divided models go of the process group, which was destroyed.

    torch's caches of what it knows of operators hold a mesh, and with it the group, to the end of the process.
    """
    for mesh in _meshes:
        getattr(mesh, "_pg_registry", {}).clear()


def copy_whole(model: nn.Module, target: nn.Module) -> nn.Module:
    """Copy all values of a divided model into one that is whole, in every process, and return the latter."""
    target.load_state_dict(get_model_state_dict(model, options=StateDictOptions(full_state_dict=True)))
    return target


def _blocks(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the outermost elements of lists of modules that have parameters."""
    for child in module.children():
        if isinstance(child, (nn.ModuleList, nn.Sequential)):
            yield from (block for block in child if any(True for _ in block.parameters()))
        else:
            yield from _blocks(child)


def _named(model: nn.Module, patterns: Sequence[str]) -> list[nn.Module]:
    modules = dict(model.named_modules())
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in modules):
            raise ValueError(f"shard_model: no module has a name like '{pattern}'")
    found = [module for name, module in modules.items() if any(fnmatchcase(name, pattern) for pattern in patterns)]
    # An inner unit must be divided before the one around it.
    return found[::-1]
