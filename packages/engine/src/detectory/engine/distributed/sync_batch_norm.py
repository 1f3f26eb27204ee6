"""Batch normalisation over all processes instead of each one's own images."""

import torch
from torch import nn

from detectory.modeling.layers import NaiveSyncBatchNorm


def synchronize_batch_norm(model: nn.Module) -> nn.Module:
    """Replace each batch normalisation of a model by one whose statistics are those of all processes.

    Frozen ones stay. On GPUs the new ones are torch's `SyncBatchNorm`; on the CPU, which that does not serve,
    `NaiveSyncBatchNorm`. Parameters and statistics are kept, so are the names of the state dict.

    Args:
        model: The model, on its device and before `DistributedDataParallel`.

    Returns:
        The same model; a new module when the model itself is a batch normalisation.
    """
    if any(parameter.device.type == "cuda" for parameter in model.parameters()):
        return nn.SyncBatchNorm.convert_sync_batchnorm(model)
    if type(model) is nn.BatchNorm2d:
        return _replacement(model)
    for name, child in model.named_children():
        if (new := synchronize_batch_norm(child)) is not child:
            setattr(model, name, new)
    return model


def _replacement(norm: nn.BatchNorm2d) -> NaiveSyncBatchNorm:
    new = NaiveSyncBatchNorm(
        norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats, stats_mode="N"
    )
    new.load_state_dict(norm.state_dict())
    # The parameters themselves, so that an optimizer that was built before keeps them.
    new.weight, new.bias = norm.weight, norm.bias
    new.to(torch.device("cpu") if norm.weight is None else norm.weight.device)
    return new.train(norm.training)
