"""`detectory train`: training of a recipe or a Detectron2 YAML config."""

from pathlib import Path
from typing import Any

import click

from detectory.cli.options import device_option, recipe_argument


@click.command("train")
@recipe_argument()
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "--data", type=click.Path(path_type=Path), help="A dataset in COCO layout; also sets the number of classes."
)
@click.option(
    "--output", type=click.Path(path_type=Path, file_okay=False), help="The run folder (default: the recipe's)."
)
@click.option("--weights", help="Initial weights: a file, a URL or detectron2://…; '' for random weights.")
@device_option
@click.option("--resume", is_flag=True, help="Continue from the last checkpoint in the output folder.")
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
    processes: int,
    machines: int,
    machine_rank: int,
    dist_url: str | None,
) -> None:
    """Train a model.

    RECIPE is a zoo name, a recipe's .py or .yaml file, or a Detectron2 YAML config.

    KEY=VALUE overrides a value of the recipe, for example `train.max_iter=1000` or `model.roi_heads.num_classes=3`, or
    `SOLVER.MAX_ITER=1000` for a Detectron2 config.

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

    options = {"data": data, "output": output, "weights": weights, "device": device, "resume": resume}
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
        options: The options `data`, `output`, `weights`, `device` and `resume` of the command.
    """
    from detectory.cli.lookup import detectron2_configs, recipes
    from detectory.core.distributed import get_rank
    from detectory.core.logging import setup_logger

    if detectron2_configs.is_detectron2_config(recipe):
        detectron2_configs.train(recipe, overrides, **options)
        return

    from detectory.engine import train

    config = recipes.load_recipe(recipe)
    if options["data"] is not None:
        recipes.use_dataset(config, options["data"])
    if options["output"] is not None:
        config.train.output_dir = str(options["output"])
    if options["weights"] is not None:
        config.train.init_checkpoint = options["weights"]
    recipes.apply_overrides(config, overrides)
    recipes.choose_device(config, options["device"])
    setup_logger(str(config.train.output_dir), distributed_rank=get_rank(), name="detectory")
    train(config, resume=options["resume"])
