"""`detectory train`: training of a recipe or a Detectron2 YAML config."""

import contextlib
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from detectory.cli.options import device_option, recipe_argument


@click.command("train")
@recipe_argument()
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="A dataset in any format that 'detectory data' reads; also sets the number of classes.",
)
@click.option(
    "--output", type=click.Path(path_type=Path, file_okay=False), help="The run folder (default: the recipe's)."
)
@click.option("--weights", help="Initial weights: a file, a URL or detectron2://…; '' for random weights.")
@device_option
@click.option("--resume", is_flag=True, help="Continue from the newest intact checkpoint in the output folder.")
@click.option("--overwrite", is_flag=True, help="Replace an earlier run in the output folder.")
@click.option("--processes", type=click.IntRange(1), default=1, help="Processes on this machine, one per GPU.")
@click.option("--machines", type=click.IntRange(1), default=1, help="Number of machines; run the command on each.")
@click.option("--machine-rank", type=click.IntRange(0), default=0, help="Index of this machine, from 0.")
@click.option("--dist-url", help="Rendezvous address for several machines: tcp://HOST-OF-MACHINE-0:PORT.")
def command(
    recipe: str,
    overrides: tuple[str, ...],
    data: Path | None,
    output: Path | None,
    weights: str | None,
    device: str | None,
    resume: bool,
    overwrite: bool,
    processes: int,
    machines: int,
    machine_rank: int,
    dist_url: str | None,
) -> None:
    """Train a model.

    RECIPE is a zoo name, a recipe's .py or .yaml file, or a Detectron2 YAML config.

    KEY=VALUE overrides a value of the recipe, for example `train.max_iter=1000` or `model.roi_heads.num_classes=3`, or
    `SOLVER.MAX_ITER=1000` for a Detectron2 config.

    A run folder is locked during the training, and an earlier run in it is only reused with --resume or --overwrite.
    Ctrl-C and SIGTERM stop the training after the current iteration with a checkpoint for --resume.

    To train in several processes, use --processes or torchrun. The command
    `torchrun --nproc-per-node 8 --max-restarts 3 -m detectory.cli train … --resume` restarts after a process fails.

    \b
    Examples:
      detectory train COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.py --data my_dataset/ --output run/
      detectory train my_recipe.py optimizer.lr=0.01 --resume
      detectory train old_project/config.yaml SOLVER.IMS_PER_BATCH=4
      detectory train my_recipe.py --processes 8
    """
    from torch.multiprocessing.spawn import ProcessException

    from detectory.engine import launch

    options: dict[str, Any] = {"data": data, "output": output, "weights": weights, "device": device}
    options |= {"resume": resume, "overwrite": overwrite}
    try:
        launch(train_recipe, processes, machines, machine_rank, dist_url, args=(recipe, overrides, options))
    except ProcessException as error:
        reason = str(error).strip().splitlines()[-1]
        rank = machine_rank * processes + error.error_index
        raise click.ClickException(f"process {rank} of {machines * processes} failed: {reason}") from error


def train_recipe(recipe: str, overrides: tuple[str, ...], options: dict[str, Any]) -> None:
    """Train in this process, which may be one of several.

    Args:
        recipe: As for the command.
        overrides: As for the command.
        options: The options `data`, `output`, `weights`, `device`, `resume` and `overwrite` of the command.
    """
    from detectory.cli.lookup import detectron2_configs, recipes
    from detectory.core.distributed import get_rank, is_main_process
    from detectory.core.logging import setup_logger
    from detectory.engine import claim_run_folder, train
    from detectory.engine.report import describe_run

    if detectron2_configs.is_detectron2_config(recipe):
        with _resume_command_on_interrupt():
            detectron2_configs.train(recipe, overrides, **options)
        return

    config = recipes.load_recipe(recipe)
    if options["data"] is not None:
        recipes.use_dataset(config, options["data"])
    if options["output"] is not None:
        config.train.output_dir = str(options["output"])
    if options["weights"] is not None:
        config.train.init_checkpoint = options["weights"]
    recipes.apply_overrides(config, overrides)
    recipes.choose_device(config, options["device"])
    reuse = {"resume": options["resume"], "overwrite": options["overwrite"]}
    # Claimed before the log file is opened, so that a refused training does not write to the log of another one.
    with claim_run_folder(config.train.output_dir, **reuse), _resume_command_on_interrupt():
        setup_logger(str(config.train.output_dir), distributed_rank=get_rank(), name="detectory")
        finished = train(config, **reuse)
    if is_main_process():
        click.echo(f"\n{describe_run(finished.summary)}")


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
