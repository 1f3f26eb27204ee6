"""Checkpointer: saves and loads a model together with other stateful objects."""

import contextlib
import logging
import os
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import IO, Any, cast

import torch
from torch import nn

from detectory.core.checkpoint.load_report import LoadReport, load_into
from detectory.core.checkpoint.name_matching import strip_wrapper_prefixes
from detectory.core.checkpoint.readers import CheckpointError, as_tensors, load_checkpoint_file
from detectory.core.checkpoint.search import TAG, FoundCheckpoint, find_checkpoint
from detectory.core.storage import atomic_write, local_path
from detectory.core.suggestions import nearest

_logger = logging.getLogger(__name__)


class Checkpointer:
    """Saves and loads a model and other objects that have a state dict.

    The entry "classes" of a loaded checkpoint, if present, becomes the attribute `trained_classes` of the model, so
    that exported files and predictions can name the classes.

    A checkpoint is written to a temporary file, flushed to disk and renamed; `last_checkpoint` is updated only
    afterwards. If the process is killed or the disk is full, all earlier checkpoints remain valid.

    Args:
        model: The model. `DistributedDataParallel` and `DataParallel` wrappers are removed.
        save_dir: The checkpoint folder.
        save_to_disk: Whether `save` writes files. Must be False in all processes but one.
        checkpointables: Other objects with `state_dict()` and `load_state_dict()`, by the key to save them under.

    Attributes:
        last_report: The matched and unmatched parameter names of the most recent load.
        resumed_from: The checkpoint that `resume_or_load` resumed from, or `""`.
        adapt: A function that changes the parameters of initial weights in place before they are loaded; called with
            the parameters and the other entries of the checkpoint. Not called if a training is resumed.
        path_manager: An object with a `get_local_path` method, such as an iopath `PathManager`, that replaces the
            built-in path resolution.

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
        self.resumed_from = ""
        self.adapt: Callable[[dict[str, torch.Tensor], dict[str, Any]], None] | None = None
        self.path_manager: Any = None

    def add_checkpointable(self, key: str, checkpointable: Any) -> None:
        """Register another object to save and load under `key`.

        Raises:
            KeyError: If the key is already in use.
            TypeError: If the object lacks `state_dict` or `load_state_dict`.
        """
        if key == "model" or key in self.checkpointables:
            raise KeyError(f"add_checkpointable: key '{key}' is already in use")
        if not (hasattr(checkpointable, "state_dict") and hasattr(checkpointable, "load_state_dict")):
            raise TypeError(
                f"add_checkpointable: '{key}' must have state_dict() and load_state_dict(), "
                f"got {type(checkpointable).__name__}"
            )
        self.checkpointables[key] = checkpointable

    def save(self, name: str, **kwargs: Any) -> None:
        """Write `<save_dir>/<name>.pth` and point `last_checkpoint` to it.

        Args:
            name: The file name without suffix.
            kwargs: Additional data to save: numbers, strings, tensors, and containers of these.

        Raises:
            OSError: If the disk is full or the folder is not writable. Earlier checkpoints are unaffected.
        """
        path = self.write(name, **kwargs)
        if path is not None:
            self.tag_last_checkpoint(path.name)

    def wait(self) -> None:
        """Block until pending writes are on disk. `save` is synchronous here, so this does nothing."""

    def write(self, name: str, **kwargs: Any) -> Path | None:
        """Write a checkpoint file without updating `last_checkpoint`.

        Returns:
            The path of the file, or None if this checkpointer does not write.
        """
        if not self.save_dir or not self.save_to_disk:
            return None
        content = {"model": self.model.state_dict()}
        content |= {key: item.state_dict() for key, item in self.checkpointables.items()}
        content |= kwargs
        path = Path(self.save_dir) / f"{name}.pth"
        write_checkpoint(content, path)
        _logger.info("saved checkpoint %s", path)
        return path

    def load(self, path: str, checkpointables: list[str] | None = None, *, strict: bool = False) -> dict[str, Any]:
        """Load a checkpoint into the model and the registered objects.

        The name prefixes added by `DistributedDataParallel` and `torch.compile` are removed.

        Args:
            path: A path or URL. Nothing is loaded if it is empty.
            checkpointables: Keys of the objects to load. By default, all registered objects that the file contains.
            strict: Raise an error if parameter names or shapes differ, or if a registered object with a method
                `state_problems(state)` returns differences. Otherwise mismatched parameters are logged.

        Returns:
            The remaining content of the file: the `kwargs` passed to `save`. Matched and unmatched names are in
            `last_report`.

        Raises:
            FileNotFoundError: If the file does not exist.
            CheckpointError: If the file is corrupt or refused, or does not fit and `strict` is set.
            KeyError: If one of `checkpointables` is not registered.
        """
        if not path:
            _logger.info("no checkpoint to load; keeping the current weights")
            return {}
        _logger.info("loading checkpoint %s", path)
        content = self._load_file(path)
        as_tensors(content["model"], f"checkpoint {path}")
        if isinstance(content["model"], MutableMapping):
            strip_wrapper_prefixes(content["model"], self.model.state_dict())
        self.last_report = self._restore_model(content, path)
        if strict:
            self._check_fit(content, path)
        self._log_report(self.last_report, path)
        if isinstance(content.get("classes"), Mapping):
            cast("Any", self.model).trained_classes = content["classes"]
        for key in list(self.checkpointables) if checkpointables is None else checkpointables:
            if key not in self.checkpointables:
                raise KeyError(f"Checkpointer.load: unknown key '{key}': {nearest(key, self.checkpointables)}")
            if key in content:
                with _naming_entry(path, key):
                    self.checkpointables[key].load_state_dict(content.pop(key))
            elif checkpointables is not None:
                _logger.warning("checkpoint %s has no entry for '%s'", path, key)
        return content

    def resume_or_load(self, path: str, *, resume: bool = True) -> dict[str, Any]:
        """Resume from the newest intact checkpoint in `save_dir`; if there is none, load only the model from `path`.

        Files that are skipped because they are damaged are logged with the reason.

        Args:
            path: The checkpoint to initialize the model from.
            resume: If False, always start from `path`.

        Returns:
            Same as `load`.

        Raises:
            CheckpointError: If `save_dir` contains checkpoints but none of them is intact, or if the checkpoint does
                not fit the model or the registered objects.
        """
        found = self._find_to_resume() if resume else FoundCheckpoint()
        if found.path is None and found.skipped:
            raise CheckpointError(
                f"resume_or_load: {self.save_dir} contains no intact checkpoint: {'; '.join(found.skipped)}"
            )
        for reason in found.skipped:
            _logger.warning("resume: %s", reason)
        self.resumed_from = "" if found.path is None else str(found.path)
        if self.resumed_from:
            return self.load(self.resumed_from, strict=True)
        return self.load(path, checkpointables=[])

    def require_loaded(self, path: str) -> None:
        """Check that the most recent load found parameters of the model, and not mostly those of other shapes.

        Args:
            path: The checkpoint, for the message.

        Raises:
            CheckpointError: If it did not; the message has names of the checkpoint and of the model.
        """
        if self.last_report is None:
            return
        sizes = {name: tensor.numel() for name, tensor in self.model.state_dict().items()}
        problem = self.last_report.nothing_loaded() or self.last_report.mostly_other_shapes(sizes)
        if problem is not None:
            raise CheckpointError(f"{path} does not fit the model: {problem}")

    def find_checkpoint(self) -> FoundCheckpoint:
        """Return the newest intact checkpoint in `save_dir` and the files that were skipped."""
        return find_checkpoint(self.save_dir) if self.save_dir else FoundCheckpoint()

    def _find_to_resume(self) -> FoundCheckpoint:
        return self.find_checkpoint()

    def has_checkpoint(self) -> bool:
        """Return whether `save_dir` contains an intact checkpoint."""
        return bool(self.get_checkpoint_file())

    def get_checkpoint_file(self) -> str:
        """Return the path of the newest intact checkpoint, or `""` if there is none."""
        path = self.find_checkpoint().path
        return "" if path is None else str(path)

    def get_all_checkpoint_files(self) -> list[str]:
        """Return the paths of all `.pth` files in `save_dir`, sorted by name."""
        return sorted(str(path) for path in Path(self.save_dir).glob("*.pth") if path.is_file())

    def tag_last_checkpoint(self, last_filename_basename: str) -> None:
        """Point `last_checkpoint` to a file in `save_dir`."""
        with atomic_write(Path(self.save_dir) / TAG, "w") as file:
            file.write(last_filename_basename)

    def _load_file(self, path: str) -> dict[str, Any]:
        return load_checkpoint_file(self._local_path(path))

    def _local_path(self, path: str) -> Any:
        return local_path(path) if self.path_manager is None else self.path_manager.get_local_path(path)

    def _restore_model(self, content: dict[str, Any], path: str) -> LoadReport:
        return self._load_model(content, path)

    def _load_model(self, content: dict[str, Any], path: str) -> LoadReport:
        state = as_tensors(content.pop("model"), f"checkpoint {path}")
        if self.adapt is not None and not self.resumed_from:
            self.adapt(state, content)
        return load_into(self.model, state)

    def _check_fit(self, content: dict[str, Any], path: str) -> None:
        problems = [] if self.last_report is None else self.last_report.differences()
        states = [key for key in self.checkpointables if key != "classes"]
        if states and not any(key in content for key in states):
            raise CheckpointError(
                f"resume: {path} contains only weights: entry '{states[0]}' is missing. "
                "Start a new run with the file as initial weights"
            )
        for key, item in self.checkpointables.items():
            if key in content and hasattr(item, "state_problems"):
                with _naming_entry(path, key):
                    problems += item.state_problems(content[key])
        if problems:
            raise CheckpointError(
                f"resume: {path} does not fit the current config: {'; '.join(problems)}. "
                "Restore the settings of the checkpoint, or start a new run with it as initial weights"
            )

    def _log_report(self, report: LoadReport, path: str) -> None:
        level = logging.INFO if report.is_complete else logging.WARNING
        _logger.log(level, "parameters of %s and of the model:\n%s", path, report.table())


@contextlib.contextmanager
def _naming_entry(path: str, key: str) -> Iterator[None]:
    """Report an entry with an unexpected structure as a `CheckpointError` that names it."""
    try:
        yield
    except (AttributeError, LookupError, TypeError) as error:
        raise CheckpointError(
            f"checkpoint {path}: entry '{key}' has an unexpected structure ({type(error).__name__}: {error})"
        ) from error


def write_checkpoint(content: dict[str, Any], path: str | os.PathLike[str]) -> None:
    """Write `content` atomically with `torch.save`: `path` has either its old content or all of the new.

    Raises:
        OSError: If the disk is full or the folder is not writable; the message names `path`.
    """
    with atomic_write(path) as file:
        watched = _WatchedFile(file)
        try:
            torch.save(content, cast("IO[bytes]", watched))
        except RuntimeError:
            # torch.save reports a failed write as an internal assertion; raise the underlying OSError instead.
            if watched.error is not None:
                raise watched.error from None
            raise


class _WatchedFile:
    """Forwards writes to a file and records the first OSError."""

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
    """Return the module inside any `DistributedDataParallel`, `DataParallel` and `torch.compile` wrappers."""
    while True:
        if isinstance(model, (nn.parallel.DistributedDataParallel, nn.DataParallel)):
            model = model.module
        elif hasattr(model, "_orig_mod"):
            model = cast("nn.Module", model._orig_mod)
        else:
            return model
