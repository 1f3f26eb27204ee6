"""train_planned: a planned training, rehearsed and announced."""

from pathlib import Path

from detectory.core.distributed import get_world_size, is_main_process
from detectory.core.processor import limit_threads
from detectory.engine.advice import advise_on_training, format_advice
from detectory.engine.plan.prepare import PlannedTraining
from detectory.engine.plan.rehearsal import rehearse
from detectory.engine.plan.start_checks import Show, check_disk_space, timed, write_plan
from detectory.engine.recipe.run_folder import claim_run_folder
from detectory.engine.run.execution import train_and_report
from detectory.engine.run.run import Run

_SECONDS = 4.0


def train_planned(
    planned: PlannedTraining,
    *,
    resume: bool = False,
    overwrite: bool = False,
    show: Show = print,
    verbose: bool = False,
) -> Run:
    """Rehearse a planned training, announce its duration, and train.

    The plan is stored as `plan.json` in the run folder. A resumed training and one of several processes are not
    rehearsed.

    Args:
        planned: The planned recipe.
        resume: Continue an earlier run in the folder.
        overwrite: Replace an earlier run in the folder.
        show: Called with the line that announces the training.
        verbose: Show the log in the terminal too.

    Returns:
        The run.

    Raises:
        Exception: If the rehearsal or the training fails, see `train_config`.
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
        if is_main_process():
            write_plan(plan, folder)
        return train_and_report(planned.config, resume=resume, overwrite=overwrite, verbose=verbose)


def show_plan(planned: PlannedTraining, show: Show = print) -> None:
    """Show the plan, and what the planned recipe does not fit in the data, with the arguments that change it."""
    show(planned.plan.table())
    if pieces := advise_on_training(planned.config):
        show(f"\nAdvice from the data, with arguments that change the recipe:\n{format_advice(pieces)}\n")
