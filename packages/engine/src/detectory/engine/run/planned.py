"""train_planned: a planned training, rehearsed and announced."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from detectory.core.distributed import get_world_size, is_main_process
from detectory.core.processor import limit_threads
from detectory.engine.plan.dry_run import Show, check_disk_space, timed, write_plan
from detectory.engine.plan.prepare import PlannedTraining
from detectory.engine.plan.rehearsal import rehearse
from detectory.engine.recipe.run_folder import claim_run_folder
from detectory.engine.run.run import Run
from detectory.engine.run.training import train

_SECONDS = 4.0


def train_planned(
    planned: PlannedTraining,
    *,
    resume: bool = False,
    overwrite: bool = False,
    show: Show = print,
    start_log: Callable[[Path], Any] | None = None,
) -> Run:
    """Rehearse a planned training, announce its duration, and train.

    The plan is stored as `plan.json` in the run folder. A resumed training and one of several processes are not
    rehearsed.

    Args:
        planned: The planned recipe.
        resume: Continue an earlier run in the folder.
        overwrite: Replace an earlier run in the folder.
        show: Called with the line that announces the training.
        start_log: Called with the run folder after the rehearsal; opens the log file.

    Returns:
        The run.

    Raises:
        Exception: If the rehearsal or the training fails, see `train`.
    """
    folder = Path(planned.config.train.output_dir)
    with claim_run_folder(folder, resume=resume, overwrite=overwrite):
        plan = planned.plan
        if not resume and get_world_size() == 1:
            limit_threads()
            rehearsal = rehearse(planned.config, folder, seconds=_SECONDS)
            check_disk_space(planned, rehearsal)
            plan = timed(planned, rehearsal)
            planned.config.train.seconds_per_evaluation = rehearsal.seconds_per_image * planned.facts.val_images
        show(plan.summary())
        if start_log is not None:
            start_log(folder)
        if is_main_process():
            write_plan(plan, folder)
        return train(planned.config, resume=resume, overwrite=overwrite)
