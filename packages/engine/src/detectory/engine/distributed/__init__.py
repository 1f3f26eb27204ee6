"""Process launch, DDP, FSDP, sharded checkpoints and synchronised batch normalisation."""

from detectory.engine.distributed.ddp import create_ddp_model
from detectory.engine.distributed.fsdp import shard_model
from detectory.engine.distributed.launcher import DEFAULT_TIMEOUT, launch
from detectory.engine.distributed.sharded_checkpointer import ShardedCheckpointer
from detectory.engine.distributed.sync_batch_norm import synchronize_batch_norm

__all__ = [
    "DEFAULT_TIMEOUT",
    "ShardedCheckpointer",
    "create_ddp_model",
    "launch",
    "shard_model",
    "synchronize_batch_norm",
]
