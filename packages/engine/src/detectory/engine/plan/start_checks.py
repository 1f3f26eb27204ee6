"""dry_run: everything that can fail in a planned training, in a minute."""

import contextlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from detectory.core.processor import limit_threads
from detectory.core.storage import atomic_write
from detectory.data import DatasetCatalog
from detectory.data.images.reading import read_image_view
from detectory.data.label_summary import spread
from detectory.data.validation import RULES, check_dataset
from detectory.engine.hooks.expected_duration import format_duration
from detectory.engine.plan.machine import free_bytes
from detectory.engine.plan.prepare import PlannedTraining
from detectory.engine.plan.rehearsal import Rehearsal, rehearse
from detectory.engine.plan.training_plan import PLAN_FILE, TrainingPlan
from detectory.engine.recipe.run_folder import claim_run_folder

Show = Callable[[str], Any]
_SECONDS = 8.0
_IMAGE_SECONDS = 15.0
#: The check of larger datasets takes more than a minute.
_MAX_CHECKED_IMAGES = 20_000
#: Log files, curves and predictions need little space next to the checkpoints.
_OTHER_BYTES = 20 << 20


def dry_run(
    planned: PlannedTraining, *, show: Show = print, resume: bool = False, overwrite: bool = False
) -> TrainingPlan:
    """Do everything that can fail in a training once, and stop: nothing remains in the run folder.

    The annotations are checked, the images are decoded, a few iterations are trained, two images are evaluated, a
    checkpoint is written and read, and the disk space of the run is compared with the free space.

    Args:
        planned: The planned recipe.
        show: Called with every line of the report.
        resume: Whether an earlier run in the folder would be continued.
        overwrite: Whether an earlier run in the folder would be replaced.

    Returns:
        The plan with the expected durations.

    Raises:
        Exception: If the training would end with this error.
    """
    start = time.perf_counter()
    limit_threads()
    folder = Path(planned.config.train.output_dir)
    with _temporary_folder(folder), claim_run_folder(folder, resume=resume, overwrite=overwrite):
        checked = _check_annotations(planned)
        _check_images(planned)
        rehearsal = rehearse(planned.config, folder, seconds=_SECONDS)
        plan = timed(planned, rehearsal)
        needed = check_disk_space(planned, rehearsal)
    losses = ", ".join(f"{name} {value:.3g}" for name, value in rehearsal.losses.items() if name != "total_loss")
    show(f"data        {checked}")
    show(f"training    {rehearsal.seconds_per_iteration:.2g} s per iteration; {losses}")
    show(f"evaluation  {rehearsal.seconds_per_image:.2g} s per image")
    show(f"checkpoint  {_size(rehearsal.checkpoint_bytes)}, written and read")
    show(f"disk        {_size(needed)} for the run, {_size(free_bytes(folder))} free")
    show(f"{plan.summary()}. The checks took {format_duration(time.perf_counter() - start)}; nothing was trained.")
    return plan


def _check_annotations(planned: PlannedTraining) -> str:
    """Return the number of problems of the dataset, in words."""
    folder, facts = planned.config.datasets.folder, planned.facts
    command = f"'detectory data check {folder}'"
    if facts.images + facts.empty_images + facts.val_images > _MAX_CHECKED_IMAGES:
        return f"not checked, because the dataset is large: {command} checks every image"
    problems = check_dataset(folder)
    counts = Counter(RULES[problem.rule].severity for problem in problems)
    found = ", ".join(f"{counts[name]} {name}{'s' * (counts[name] != 1)}" for name in ("error", "warning"))
    return f"{found}. {command} lists them" if problems else found


def _check_images(planned: PlannedTraining, seconds: float = _IMAGE_SECONDS) -> None:
    """Decode the images of the training and of the evaluation for some time, in an order that spreads over them.

    Raises:
        OSError: If an image is damaged; the message has the number of damaged images.
    """
    names = (planned.config.datasets.train, planned.config.datasets.val)
    files = dict.fromkeys(str(record["file_name"]) for name in names for record in spread(DatasetCatalog.get(name)))
    start, problems = time.monotonic(), []
    for file in files:
        if time.monotonic() - start > seconds:
            break
        try:
            read_image_view(file)
        except FileNotFoundError:
            continue  # reported with the number of all missing images when the training is prepared
        except (OSError, ValueError) as error:
            problems.append(str(error))
    if problems:
        more = len(problems) - 1
        others = f" {more} other image{'s' * (more != 1)} cannot be read either." if more else ""
        raise OSError(
            f"{problems[0].rstrip('.')}.{others} 'detectory data check {planned.config.datasets.folder}' lists all "
            "problems"
        )


def timed(planned: PlannedTraining, rehearsal: Rehearsal) -> TrainingPlan:
    """Return the plan with the expected durations."""
    return planned.plan.with_times(
        rehearsal.seconds_per_iteration, rehearsal.seconds_per_image * planned.facts.val_images
    )


def check_disk_space(planned: PlannedTraining, rehearsal: Rehearsal) -> int:
    """Return the number of bytes that the run needs.

    Raises:
        OSError: If the file system of the run folder has less free space.
    """
    # The kept checkpoints, one that is being written, the best and the final model.
    needed = (planned.plan.checkpoints.value + 3) * rehearsal.checkpoint_bytes + _OTHER_BYTES
    folder = planned.config.train.output_dir
    free = free_bytes(folder)
    if free < needed:
        raise OSError(
            f"{folder}: the run needs {_size(needed)} for checkpoints, only {_size(free)} are free. "
            "Choose another --output, or keep fewer checkpoints: train.checkpointer.max_to_keep=1"
        )
    return needed


def write_plan(plan: TrainingPlan, folder: Path) -> None:
    """Write `plan.json`."""
    with atomic_write(folder / PLAN_FILE, "w") as file:
        json.dump(plan.to_dict(), file, indent=2)


@contextlib.contextmanager
def _temporary_folder(folder: Path) -> Iterator[None]:
    """Remove the folders that are created in the context, if they are empty afterwards."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        yield
    finally:
        for path in missing:
            for lock in path.glob(".lock") if path.is_dir() else ():
                lock.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                path.rmdir()


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
