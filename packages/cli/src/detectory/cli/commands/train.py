"""`detectory train`: training of a recipe or a Detectron2 YAML config."""

import contextlib
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from detectory.cli.options import device_option, plan_options, recipe_argument

if TYPE_CHECKING:
    from detectory.engine.run import Run

_PLAN_OPTIONS = {
    "epochs": "--epochs",
    "batch": "--batch",
    "lr": "--lr",
    "image_size": "--image-size",
    "workers": "--workers",
    "eval_every": "--eval-every",
    "source": "--from",
    "dry_run": "--dry-run",
}


@click.command("train")
@recipe_argument(required=False)
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="A dataset in any format that 'detectory data' reads; the training is planned for it.",
)
@click.option(
    "--output", type=click.Path(path_type=Path, file_okay=False), help="The run folder (default: the recipe's)."
)
@plan_options
@click.option("--weights", help="Initial weights: a file, a URL or detectron2://…; '' for random weights.")
@device_option
@click.option("--resume", is_flag=True, help="Continue from the newest intact checkpoint in the output folder.")
@click.option("--overwrite", is_flag=True, help="Replace an earlier run in the output folder.")
@click.option("--processes", type=click.IntRange(1, 1024), default=1, help="Processes on this machine, one per GPU.")
@click.option(
    "--machines", type=click.IntRange(1, 9999), default=1, help="Number of machines; run the command on each."
)
@click.option("--machine-rank", type=click.IntRange(0), default=0, help="Index of this machine, from 0.")
@click.option("--dist-url", help="Rendezvous address for several machines: tcp://HOST-OF-MACHINE-0:PORT.")
def command(
    recipe: str | None,
    overrides: tuple[str, ...],
    processes: int,
    machines: int,
    machine_rank: int,
    dist_url: str | None,
    **options: Any,
) -> None:
    """Train a model.

    RECIPE is a zoo name, a recipe's .py or .yaml file, or a Detectron2 YAML config. With --data it may be omitted: the
    recipe is then chosen by the annotations (masks, boxes or keypoints) and the device.

    With --data, the training is planned for the dataset and this machine: number of epochs, batch size, learning rate,
    image size, initial weights and evaluations. The plan is printed with the reasons and the expected duration, and
    every line can be set by an option or by KEY=VALUE. Without --data, the recipe is used as it is.

    KEY=VALUE overrides a value of the recipe, for example `train.max_iter=1000` or `model.roi_heads.num_classes=3`, or
    `SOLVER.MAX_ITER=1000` for a Detectron2 config.

    A run folder is locked during the training, and an earlier run in it is only reused with --resume or --overwrite.
    Ctrl-C and SIGTERM stop the training after the current iteration with a checkpoint for --resume.

    To train in several processes, use --processes or torchrun. The command
    `torchrun --nproc-per-node 8 --max-restarts 3 -m detectory.cli train … --resume` restarts after a process fails.

    \b
    Examples:
      detectory train --data my_dataset/ --output run/
      detectory train --data my_dataset/ --output run/ --dry-run
      detectory train COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x --data my_dataset/ --epochs 20
      detectory train my_recipe.py optimizer.lr=0.01 --resume
      detectory train old_project/config.yaml SOLVER.IMS_PER_BATCH=4
      detectory train my_recipe.py --processes 8
    """
    from torch.multiprocessing.spawn import ProcessException

    from detectory.engine import launch

    if recipe is not None and "=" in recipe and not Path(recipe).is_file():
        overrides, recipe = (recipe, *overrides), None
    _check_options(recipe, options)
    try:
        launch(train_recipe, processes, machines, machine_rank, dist_url, args=(recipe, overrides, options))
    except ProcessException as error:
        reason = str(error).strip().splitlines()[-1]
        rank = machine_rank * processes + error.error_index
        raise click.ClickException(f"process {rank} of {machines * processes} failed: {reason}") from error


def _check_options(recipe: str | None, options: dict[str, Any]) -> None:
    """Reject options that need a plan where there is none."""
    from detectory.cli.lookup import detectron2_configs

    used = [option for name, option in _PLAN_OPTIONS.items() if options[name] not in (None, False)]
    if recipe is None and options["data"] is None:
        raise click.UsageError("expected RECIPE or --data")
    is_yaml = recipe is not None and detectron2_configs.is_detectron2_config(recipe)
    if used and is_yaml:
        raise click.UsageError(
            f"{used[0]} needs a recipe, got the Detectron2 config {recipe}. Set keys instead, such as SOLVER.MAX_ITER"
        )
    if used and options["data"] is None:
        raise click.UsageError(f"{used[0]} needs --data. Without --data, set keys of the recipe: KEY=VALUE")
    if options["source"] is not None and options["weights"] is not None:
        raise click.UsageError("--from and --weights exclude each other")


def train_recipe(recipe: str | None, overrides: tuple[str, ...], options: dict[str, Any]) -> None:
    """Train in this process, which may be one of several.

    Args:
        recipe: As for the command.
        overrides: As for the command.
        options: The other options of the command.
    """
    from detectory.cli.lookup import detectron2_configs

    if recipe is not None and detectron2_configs.is_detectron2_config(recipe):
        given = {name: options[name] for name in ("data", "output", "weights", "device", "resume", "overwrite")}
        with _resume_command_on_interrupt():
            run = detectron2_configs.train(recipe, overrides, **given)
        _describe(run)
        return
    weights = options["source"] if options["weights"] is None else options["weights"] or "none"
    planned = ("data", "output", "epochs", "batch", "lr", "image_size", "workers", "eval_every", "device", "resume")
    arguments = {name: options[name] for name in planned} | {"weights": weights, "overrides": overrides}
    if options["dry_run"]:
        with _overrides_in_errors(overrides):
            _dry_run(recipe, arguments, overwrite=options["overwrite"])
        return
    from detectory.engine import train

    with _resume_command_on_interrupt(), _overrides_in_errors(overrides):
        run = train(recipe, **arguments, overwrite=options["overwrite"], show=click.echo, verbose=True)
    _describe(run)


def _dry_run(recipe: str | None, arguments: dict[str, Any], *, overwrite: bool) -> None:
    """Show the plan, do everything that can fail once, and stop."""
    from detectory.engine.plan import PlanRequest, dry_run, plan_training
    from detectory.engine.run import show_plan

    names = ("epochs", "batch", "lr", "image_size", "workers", "eval_every", "weights")
    request = PlanRequest(**{name: arguments[name] for name in names})
    given = {name: arguments[name] for name in ("device", "output", "resume")}
    planned = plan_training(arguments["data"], recipe, request, arguments["overrides"], **given)
    show_plan(planned, click.echo)
    dry_run(planned, show=click.echo, resume=arguments["resume"], overwrite=overwrite)


def _describe(run: "Run") -> None:
    """Print the metrics, the files and the next commands of a finished run."""
    from detectory.core.distributed import is_main_process
    from detectory.engine.report import describe_run

    if is_main_process():
        click.echo(f"\n{describe_run(run.summary)}")


@contextlib.contextmanager
def _overrides_in_errors(overrides: tuple[str, ...]) -> Iterator[None]:
    """Name the KEY=VALUE arguments in Python errors, which a value of a wrong type causes somewhere in the model."""
    try:
        yield
    except (AttributeError, IndexError, TypeError) as error:
        if not overrides:
            raise
        raise ValueError(f"{error}. The cause may be a value in {', '.join(overrides)}") from error


@contextlib.contextmanager
def _resume_command_on_interrupt() -> Iterator[None]:
    """Print the checkpoint and the command that continues the training if it was stopped by a signal."""
    from detectory.core.distributed import is_main_process
    from detectory.engine import TrainingInterrupted

    try:
        yield
    except TrainingInterrupted as error:
        if is_main_process():
            command = shlex.join(["detectory", *(item for item in sys.argv[1:] if item != "--overwrite")])
            command += "" if "--resume" in sys.argv else " --resume"
            click.echo(f"Stopped. The checkpoint is {error.checkpoint}. To continue: {command}", err=True)
        raise
