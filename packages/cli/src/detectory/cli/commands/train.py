"""`detectory train`: trains a recipe, or a Detectron2 YAML config."""

from __future__ import annotations

from pathlib import Path

import click

from detectory.cli.options import device_option, recipe_argument


@click.command("train")
@recipe_argument()
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--data", type=click.Path(path_type=Path), help="A folder in COCO layout; sets the number of classes.")
@click.option("--output", type=click.Path(path_type=Path), help="Where the run goes (default: the recipe's).")
@click.option("--weights", help="A checkpoint to start from: a file, an address or detectron2://…; '' for none.")
@device_option
@click.option("--resume", is_flag=True, help="Continue from the output folder's last checkpoint.")
def command(
    recipe: str,
    overrides: tuple[str, ...],
    data: Path | None,
    output: Path | None,
    weights: str | None,
    device: str | None,
    resume: bool,
) -> None:
    """Train a model.

    RECIPE is a name in the zoo, a recipe's .py or .yaml file, or a Detectron2 YAML config.

    KEY=VALUE changes one leaf of the recipe, for example `train.max_iter=1000` or `model.roi_heads.num_classes=3`
    (for a Detectron2 config: `SOLVER.MAX_ITER=1000`).

    \b
    Examples:
      detectory train COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.py --data my_dataset/ --output run/
      detectory train my_recipe.py optimizer.lr=0.01 --resume
      detectory train old_project/config.yaml SOLVER.IMS_PER_BATCH=4
    """
    from detectory.cli import detectron2_config, recipes
    from detectory.core.logging import setup_logger

    if detectron2_config.is_detectron2_config(recipe):
        detectron2_config.train(
            recipe, overrides, data=data, output=output, weights=weights, device=device, resume=resume
        )
        return

    from detectory.engine import train

    config = recipes.load_recipe(recipe)
    if data is not None:
        recipes.use_dataset(config, data)
    if output is not None:
        config.train.output_dir = str(output)
    if weights is not None:
        config.train.init_checkpoint = weights
    recipes.apply_overrides(config, overrides)
    recipes.choose_device(config, device)
    setup_logger(str(config.train.output_dir), name="detectory")
    train(config, resume=resume)
