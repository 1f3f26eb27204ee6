"""Conversion of batch normalisation to statistics over all processes."""

import torch
from torch import nn

from detectory.modeling.layers import NaiveSyncBatchNorm


def synchronize_batch_norm(model: nn.Module) -> nn.Module:
    """Replace the batch normalisation layers of a model by layers that compute statistics over all processes.

    Frozen layers are kept. GPU models use torch's `SyncBatchNorm`; CPU models, which it does not support, use
    `NaiveSyncBatchNorm`. Parameters, statistics and state dict names are preserved.

    Args:
        model: The model, on its device and before it is wrapped in `DistributedDataParallel`.

    Returns:
        The same model, or a new module if the model itself is a batch normalisation layer.
    """
    if any(parameter.device.type == "cuda" for parameter in model.parameters()):
        return nn.SyncBatchNorm.convert_sync_batchnorm(model)
    if isinstance(model, nn.BatchNorm2d) and not isinstance(model, NaiveSyncBatchNorm):
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
    # Share the parameters instead of copying them, so that an existing optimizer still updates them.
    new.weight, new.bias = norm.weight, norm.bias
    new.to(torch.device("cpu") if norm.weight is None else norm.weight.device)
    return new.train(norm.training)
