"""Run folders: locked while a training writes into them, and never reused by accident."""

import contextlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from omegaconf import DictConfig

from detectory.core.config import LazyConfig
from detectory.core.distributed import all_gather, get_world_size, is_main_process, synchronize
from detectory.core.storage import FolderLock

#: Name of the config file in a run folder.
CONFIG_FILE = "config.yaml"
#: Name of the checkpoint with the best value of `train.best_metric`.
BEST_CHECKPOINT = "model_best.pth"

_RECORDS = (CONFIG_FILE, "metrics.json", "last_checkpoint", "last_sharded_checkpoint")
_CHECKPOINT = re.compile(r".+_(\d{7,}|final|best)(\.pth)?")
#: Folders in a run folder with the detections of the last and of the best evaluation.
LAST_DETECTIONS, BEST_DETECTIONS = "inference", "inference_best"
_DETECTIONS = (LAST_DETECTIONS, BEST_DETECTIONS)
_SHOWN = 3


@contextlib.contextmanager
def claim_run_folder(folder: str | Path, *, resume: bool = False, overwrite: bool = False) -> Iterator[None]:
    """Create a run folder and lock it while the context is open. All processes of a training must call this.

    A folder with an earlier run can only be claimed with `resume` or `overwrite`. The files of the earlier run remain
    until `start_run`. Claims of the same process can be nested; only the outermost one checks the folder.

    Args:
        folder: The run folder.
        resume: Whether an earlier run in the folder will be continued.
        overwrite: Whether an earlier run in the folder will be replaced.

    Raises:
        ValueError: If both `resume` and `overwrite` are set.
        FileExistsError: If the folder contains a run and neither `resume` nor `overwrite` is set.
        FolderInUseError: If another process writes into the folder; the message names it.
        OSError: If the folder cannot be created.
    """
    if resume and overwrite:
        raise ValueError("train: --resume and --overwrite exclude each other")
    problem: Exception | None = None
    with contextlib.ExitStack() as stack:
        if is_main_process():
            try:
                _claim(Path(folder), stack, may_exist=resume or overwrite)
            except (OSError, RuntimeError) as error:
                problem = error
        if get_world_size() > 1:
            problem = all_gather(problem)[0]
        if problem is not None:
            raise problem
        yield


def start_run(config: DictConfig, *, overwrite: bool = False) -> None:
    """Save the config in the run folder and, with `overwrite`, delete the checkpoints and detections of an earlier run.

    To be called directly before the first iteration, when all checks have passed.

    Raises:
        ValueError: If `overwrite` would delete the initial weights.
    """
    folder = Path(config.train.output_dir)
    if is_main_process():
        if overwrite:
            remove_run(folder, keep=str(config.train.init_checkpoint))
        LazyConfig.save(config, str(folder / CONFIG_FILE))
    synchronize()


def remove_run(folder: Path, keep: str = "") -> None:
    """Delete the checkpoints and detections of a run; other files of the run are replaced when they are written again.

    Args:
        folder: The run folder.
        keep: The initial weights of the next training, which must not be among the checkpoints.

    Raises:
        ValueError: If `keep` is one of the checkpoints.
    """
    files = _checkpoints(folder)
    if keep and Path(keep).resolve() in [path.resolve() for path in files]:
        raise ValueError(
            f"train: --overwrite would delete the initial weights {keep}. Choose another --output, or copy the file"
        )
    detections = [path for name in _DETECTIONS for path in (folder / name).glob("*_results.json")]
    for path in [folder / name for name in _RECORDS if name.startswith("last_")] + files + detections:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _claim(folder: Path, stack: contextlib.ExitStack, may_exist: bool) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise type(error)(f"train: cannot create train.output_dir={folder}: {error.strerror}") from error
    lock = FolderLock(folder)
    is_nested = lock.is_held
    stack.enter_context(lock)
    if is_nested or may_exist:
        return
    files = [folder / name for name in _RECORDS if (folder / name).is_file()] + _checkpoints(folder)
    if files:
        names = ", ".join(path.name for path in files[:_SHOWN]) + (", …" if len(files) > _SHOWN else "")
        raise FileExistsError(
            f"train: {folder} contains a run ({names}). "
            "Pass --resume to continue it, --overwrite to replace it, or another --output"
        )


def _checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoint files and sharded checkpoint folders, with the records of the best checkpoints."""
    paths = [path for path in folder.iterdir() if _CHECKPOINT.fullmatch(path.name)]
    checkpoints = [path for path in paths if path.suffix == ".pth" or (path / ".metadata").is_file()]
    return sorted(checkpoints + list(folder.glob("*_best.json")))
