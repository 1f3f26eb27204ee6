"""Checkpointer saves a model and other objects so that nothing is lost, and loads them again."""

import logging
import os
from collections.abc import MutableMapping
from pathlib import Path
from typing import IO, Any, cast

import torch
from torch import nn

from detectory.core.checkpoint.load_report import LoadReport, load_into
from detectory.core.checkpoint.name_matching import take_off_wrappers
from detectory.core.checkpoint.readers import as_tensors, load_checkpoint_file
from detectory.core.storage import atomic_write, local_path
from detectory.core.suggestions import nearest

_logger = logging.getLogger(__name__)
_TAG = "last_checkpoint"


class Checkpointer:
    """Saves and loads a model and other objects with a state.

    A checkpoint is written to a temporary file, flushed to the disk and renamed; only then `last_checkpoint` names
    it. A killed process or a full disk leaves the checkpoints that were there.

    Args:
        model: The model; a `DistributedDataParallel` or `DataParallel` wrapper is looked through.
        save_dir: The folder of checkpoints.
        save_to_disk: Whether `save` writes anything; False in all processes but one.
        checkpointables: Other objects with `state_dict()` and `load_state_dict()`, by the name to save them under.

    Attributes:
        last_report: How the names of the file that was loaded last fitted.
        path_manager: Finds files instead of the library: an object with `get_local_path`, such as iopath's.

    Example:
        >>> import tempfile
        >>> model = nn.Linear(2, 1)
        >>> checkpointer = Checkpointer(model, tempfile.mkdtemp())
        >>> checkpointer.save("model_0000009", iteration=9)
        >>> checkpointer.resume_or_load("", resume=True)
        {'iteration': 9}
    """

    def __init__(
        self,
        model: nn.Module,
        save_dir: str | os.PathLike[str] = "",
        *,
        save_to_disk: bool = True,
        **checkpointables: Any,
    ) -> None:
        self.model = unwrap(model)
        self.save_dir = os.fspath(save_dir)
        self.save_to_disk = save_to_disk
        self.checkpointables: dict[str, Any] = {}
        for key, checkpointable in checkpointables.items():
            self.add_checkpointable(key, checkpointable)
        self.last_report: LoadReport | None = None
        self.path_manager: Any = None

    def add_checkpointable(self, key: str, checkpointable: Any) -> None:
        """Save and load one more object under `key`.

        Raises:
            KeyError: the key is taken.
            TypeError: the object lacks `state_dict` or `load_state_dict`.
        """
        if key == "model" or key in self.checkpointables:
            raise KeyError(f"add_checkpointable: the key '{key}' is taken")
        if not (hasattr(checkpointable, "state_dict") and hasattr(checkpointable, "load_state_dict")):
            raise TypeError(
                f"add_checkpointable: '{key}' needs state_dict() and load_state_dict(), "
                f"{type(checkpointable).__name__} lacks one"
            )
        self.checkpointables[key] = checkpointable

    def save(self, name: str, **kwargs: Any) -> None:
        """Write `<save_dir>/<name>.pth` and let `last_checkpoint` name it.

        Args:
            name: The file's name without suffix.
            kwargs: More data to save: numbers, strings, tensors and containers of them.

        Raises:
            OSError: the disk is full or the folder cannot be written; the older checkpoints are untouched.
        """
        path = self.write(name, **kwargs)
        if path is not None:
            self.tag_last_checkpoint(path.name)

    def wait(self) -> None:
        """Wait until what `save` began is on the disk; here it is when `save` returns."""

    def write(self, name: str, **kwargs: Any) -> Path | None:
        """Write a file as `save` does, but leave `last_checkpoint` as it is.

        Returns:
            The file, None when this checkpointer does not write.
        """
        if not self.save_dir or not self.save_to_disk:
            return None
        content = {"model": self.model.state_dict()}
        content |= {key: item.state_dict() for key, item in self.checkpointables.items()}
        content |= kwargs
        path = Path(self.save_dir) / f"{name}.pth"
        write_checkpoint(content, path)
        _logger.info("saved the checkpoint %s", path)
        return path

    def load(self, path: str, checkpointables: list[str] | None = None) -> dict[str, Any]:
        """Load a file into the model and the other objects.

        Names of a model that was saved inside `DistributedDataParallel` or `torch.compile` lose that prefix.

        Args:
            path: A path or an address; nothing is loaded when it is empty.
            checkpointables: The objects to load, all that the file holds by default.

        Returns:
            What the file holds besides: the `kwargs` of `save`. How names fitted is in `last_report`.

        Raises:
            FileNotFoundError: no such file.
            CheckpointError: the file is damaged or refused.
            KeyError: one of `checkpointables` is not among this checkpointer's objects.
        """
        if not path:
            _logger.info("no checkpoint to load: the model keeps its values")
            return {}
        _logger.info("loading the checkpoint %s", path)
        content = self._load_file(path)
        if isinstance(content.get("model"), MutableMapping):
            take_off_wrappers(content["model"], self.model.state_dict())
        self.last_report = self._load_model(content, path)
        self._tell(self.last_report, path)
        for key in list(self.checkpointables) if checkpointables is None else checkpointables:
            if key not in self.checkpointables:
                raise KeyError(f"Checkpointer.load: no object '{key}': {nearest(key, self.checkpointables)}")
            if key in content:
                self.checkpointables[key].load_state_dict(content.pop(key))
            elif checkpointables is not None:
                _logger.warning("the checkpoint %s holds nothing for '%s'", path, key)
        return content

    def resume_or_load(self, path: str, *, resume: bool = True) -> dict[str, Any]:
        """Load the last checkpoint of `save_dir` with all objects if there is one; else only the model of `path`.

        Args:
            path: The file to start from.
            resume: False always starts from `path`.

        Returns:
            As `load`.
        """
        if resume and self.has_checkpoint():
            return self.load(self.get_checkpoint_file())
        return self.load(path, checkpointables=[])

    def has_checkpoint(self) -> bool:
        """Say whether `save_dir` has a last checkpoint."""
        return bool(self.get_checkpoint_file())

    def get_checkpoint_file(self) -> str:
        """Return the path of the last checkpoint, `""` when there is none."""
        tag = Path(self.save_dir) / _TAG
        if not self.save_dir or not tag.is_file():
            return ""
        path = tag.parent / tag.read_text(encoding="utf-8").strip()
        return str(path) if path.is_file() else ""

    def get_all_checkpoint_files(self) -> list[str]:
        """Return the paths of all `.pth` files in `save_dir`, sorted by name."""
        return sorted(str(path) for path in Path(self.save_dir).glob("*.pth") if path.is_file())

    def tag_last_checkpoint(self, last_filename_basename: str) -> None:
        """Let `last_checkpoint` name a file of `save_dir`."""
        with atomic_write(Path(self.save_dir) / _TAG, "w") as file:
            file.write(last_filename_basename)

    def _load_file(self, path: str) -> dict[str, Any]:
        return load_checkpoint_file(self._local_path(path))

    def _local_path(self, path: str) -> Any:
        return local_path(path) if self.path_manager is None else self.path_manager.get_local_path(path)

    def _load_model(self, content: dict[str, Any], path: str) -> LoadReport:
        return load_into(self.model, as_tensors(content.pop("model"), f"checkpoint {path}"))

    def _tell(self, report: LoadReport, path: str) -> None:
        level = logging.INFO if report.is_complete else logging.WARNING
        _logger.log(level, "names of %s and of the model:\n%s", path, report.table())


def write_checkpoint(content: dict[str, Any], path: str | os.PathLike[str]) -> None:
    """Write `content` with `torch.save` so that `path` holds its old content or all of the new.

    Raises:
        OSError: the disk is full or the folder cannot be written; the message names `path`.
    """
    with atomic_write(path) as file:
        watched = _WatchedFile(file)
        try:
            torch.save(content, cast("IO[bytes]", watched))
        except RuntimeError:
            # torch reports a failed write as an assertion of its own; the disk's error says what is wrong.
            if watched.error is not None:
                raise watched.error from None
            raise


class _WatchedFile:
    """Passes writes on and remembers the error of the first that fails."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            self.error = self.error or error
            raise

    def flush(self) -> None:
        self._file.flush()


def unwrap(model: nn.Module) -> nn.Module:
    """Return the module inside `DistributedDataParallel`, `DataParallel` and `torch.compile` wrappers."""
    while True:
        if isinstance(model, (nn.parallel.DistributedDataParallel, nn.DataParallel)):
            model = model.module
        elif hasattr(model, "_orig_mod"):
            model = cast("nn.Module", model._orig_mod)
        else:
            return model
