"""ShardedCheckpointer: asynchronous checkpoints of FSDP models, in which each process writes its own shards."""

import logging
import os
import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystemWriter
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.tensor import DTensor

from detectory.core.checkpoint import (
    Checkpointer,
    CheckpointError,
    FoundCheckpoint,
    load_checkpoint_file,
    write_checkpoint,
)
from detectory.core.distributed import get_rank, is_main_process, synchronize
from detectory.core.storage import atomic_write
from detectory.engine.distributed.sharded_files import (
    REST,
    TAG,
    ShardReader,
    find_sharded_checkpoint,
    numbered_folders,
    one_line,
)
from detectory.engine.trainers.simple_trainer import SimpleTrainer

_logger = logging.getLogger(__name__)
_FLAT = StateDictOptions(flatten_optimizer_state_dict=True)
_FULL = StateDictOptions(full_state_dict=True, cpu_offload=True)


class ShardedCheckpointer(Checkpointer):
    """Saves and resumes a trainer with a model sharded by `shard_model`. All processes must call every method.

    A checkpoint is a folder in torch's distributed checkpoint (DCP) format with the shards of all processes, and
    `rest.pth` with the iteration, schedule, random states and data positions. `save` copies the tensors and returns;
    threads write them. The folder is renamed and `last_sharded_checkpoint` updated only after all shards are on disk,
    so that killing a process leaves the previous checkpoint valid. A different number of processes can resume it.

    At the end of the training, `model_final.pth` contains the complete model for `DetectionCheckpointer` and other
    readers of its files.

    Args:
        trainer: The trainer with its model and optimizer.
        save_dir: The checkpoint folder, on a file system that all processes share.
        max_to_keep: Number of most recent checkpoints to keep; None keeps all.
        checkpointables: Other objects to save, equal in all processes, such as the classes of the model.
    """

    def __init__(
        self,
        trainer: SimpleTrainer,
        save_dir: str | os.PathLike[str],
        *,
        max_to_keep: int | None = None,
        **checkpointables: Any,
    ) -> None:
        super().__init__(trainer.model, save_dir, save_to_disk=is_main_process(), **checkpointables)
        if max_to_keep is not None and max_to_keep < 1:
            raise ValueError(f"ShardedCheckpointer: max_to_keep must be positive or None, got {max_to_keep}")
        self.trainer = trainer
        self.max_to_keep = max_to_keep
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._saving: Future[None] | None = None
        # A separate group: the saving threads must not interleave their collectives with those of the training.
        self._group: Any = dist.new_group(backend="gloo")

    def save(self, name: str, **kwargs: Any) -> None:
        """Start writing the folder `name`. If `name` ends in `_final`, wait and also write the complete model.

        Raises:
            OSError: If the previous checkpoint could not be written. Earlier ones are unaffected.
        """
        self.wait()
        unfinished = Path(self.save_dir) / f".{name}.unfinished"
        rest = self.trainer.state_dict()
        groups = rest.pop("optimizer")["param_groups"]
        if is_main_process():
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(parents=True)
            content = {"trainer": rest, "param_groups": groups, **self._other_states(), **kwargs}
            write_checkpoint(content, unfinished / REST)
        synchronize()
        writer = FileSystemWriter(unfinished, sync_files=True)
        shards = dcp.async_save(self._tensors(), storage_writer=writer, process_group=self._group)
        self._saving = self._thread.submit(self._finish, cast("Future[Any]", shards), unfinished, name)
        if name.endswith("_final"):
            self.wait()
            self._write_full_model(name)

    def wait(self) -> None:
        """Wait until the shards of all processes are on disk.

        Raises:
            OSError: If they could not be written.
        """
        if self._saving is None:
            return
        saving, self._saving = self._saving, None
        try:
            saving.result()
        except (Exception, CheckpointException) as error:
            raise OSError(f"ShardedCheckpointer.save: cannot write a shard: {one_line(error)}") from error

    def load(self, path: str, checkpointables: list[str] | None = None, *, strict: bool = False) -> dict[str, Any]:
        """Load a checkpoint folder into the model, the optimizer and the trainer.

        Args:
            path: The folder; nothing is loaded if it is empty.
            checkpointables: `[]` loads only the model.
            strict: Has no effect: a checkpoint of another model or optimizer is always an error.

        Returns:
            The remaining content: the `kwargs` passed to `save`.

        Raises:
            CheckpointError: If the folder is corrupt, belongs to another model, or references a disallowed global.
        """
        if not path:
            return {}
        # load_checkpoint_file returns a file without a "model" key under that key.
        rest = load_checkpoint_file(Path(path) / REST)["model"]
        reader = ShardReader(path)
        known = reader.read_metadata().state_dict_metadata
        has_own = all(f"own.{name}" in known for name in self._own_values())
        tensors = self._tensors(own=has_own)
        if checkpointables is not None:
            del tensors["optimizer"]
        try:
            dcp.load(tensors, storage_reader=reader, process_group=self._group)
        except (Exception, CheckpointException) as error:
            raise CheckpointError(f"ShardedCheckpointer.load: {path}: {one_line(error)}") from error
        own = {name.partition(".")[2]: value for name, value in tensors["own"].items()}
        set_model_state_dict(self.model, tensors["model"] | own)
        trainer, groups = rest.pop("trainer"), rest.pop("param_groups")
        if checkpointables is None:
            template = get_optimizer_state_dict(self.model, self.trainer.optimizer, options=_FLAT)
            set_optimizer_state_dict(self.model, self.trainer.optimizer, template | tensors["optimizer"], options=_FLAT)
            for group, saved in zip(self.trainer.optimizer.param_groups, groups, strict=True):
                group.update({key: value for key, value in saved.items() if key != "params"})
            self.trainer.load_state_dict(trainer | {"optimizer": self.trainer.optimizer.state_dict()})
        for key, item in self.checkpointables.items() if checkpointables is None else ():
            if key in rest:
                item.load_state_dict(rest.pop(key))
        return rest

    def find_checkpoint(self) -> FoundCheckpoint:
        """Return the folder named in `last_sharded_checkpoint` if it is intact, else the newest intact one."""
        return find_sharded_checkpoint(self.save_dir)

    def _tensors(self, own: bool = True) -> dict[str, Any]:
        """Return the tensors to save or load. With `own`, each process has its own batch normalisation statistics."""
        model = get_model_state_dict(self.model)
        optimizer = get_optimizer_state_dict(self.model, self.trainer.optimizer, options=_FLAT)
        values = self._own_values() if own else {}
        for name in values:
            del model[name.partition(".")[2]]
        return {
            "model": model,
            "own": values,
            "optimizer": {name: value for name, value in optimizer.items() if isinstance(value, torch.Tensor)},
        }

    def _own_values(self) -> dict[str, torch.Tensor]:
        """Return the tensors that are not sharded, as `<rank>.<name>`. Rank 0 saves its own as part of the model."""
        if is_main_process():
            return {}
        state: dict[str, Any] = get_model_state_dict(self.model)
        return {f"{get_rank()}.{name}": value for name, value in state.items() if not isinstance(value, DTensor)}

    def _other_states(self) -> dict[str, Any]:
        return {key: item.state_dict() for key, item in self.checkpointables.items()}

    def _finish(self, shards: Future[Any], unfinished: Path, name: str) -> None:
        """Rename the folder once it is complete."""
        shards.result()
        if not is_main_process():
            return
        folder = unfinished.with_name(name)
        shutil.rmtree(folder, ignore_errors=True)
        unfinished.rename(folder)
        with atomic_write(folder.with_name(TAG), "w") as file:
            file.write(name)
        _logger.info("saved checkpoint %s", folder)
        for path in numbered_folders(folder.parent)[: -self.max_to_keep] if self.max_to_keep is not None else []:
            shutil.rmtree(path, ignore_errors=True)

    def _write_full_model(self, name: str) -> None:
        full = get_model_state_dict(self.model, options=_FULL)
        if is_main_process():
            write_checkpoint({"model": full, **self._other_states()}, Path(self.save_dir) / f"{name}.pth")
            self.tag_last_checkpoint(f"{name}.pth")
        synchronize()
