"""`detectory eval`: the figures of a run, of a recipe with weights, or of a results file."""

from __future__ import annotations

import json
from pathlib import Path

import click

from detectory.cli.options import device_option, recipe_argument


@click.command("eval")
@recipe_argument(required=False)
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--run", type=click.Path(path_type=Path), help="The output folder of detectory train.")
@click.option("--weights", help="A checkpoint: a file, an address or detectron2://… (default: the run's last).")
@click.option("--data", type=click.Path(path_type=Path), help="A folder in COCO layout to evaluate on.")
@click.option("--predictions", type=click.Path(path_type=Path), help="A COCO results JSON of any tool.")
@click.option("--annotations", type=click.Path(path_type=Path), help="The annotation file of --predictions.")
@click.option("--output", type=click.Path(path_type=Path), help="Where metrics.json goes.")
@device_option
def command(
    recipe: str | None,
    overrides: tuple[str, ...],
    run: Path | None,
    weights: str | None,
    data: Path | None,
    predictions: Path | None,
    annotations: Path | None,
    output: Path | None,
    device: str | None,
) -> None:
    """Evaluate a run, a recipe, or any tool's COCO results.

    \b
    Examples:
      detectory eval --run run/
      detectory eval COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x.py --data my_dataset/ --weights model.pth
      detectory eval --predictions results.json --annotations instances_val.json --output report/
    """
    from detectory.cli.results import write_results

    if (predictions is None) != (annotations is None):
        raise click.UsageError("--predictions and --annotations belong together")
    if sum(source is not None for source in (recipe, run, predictions)) != 1:
        raise click.UsageError("give one of RECIPE, --run or --predictions")
    if predictions is not None and annotations is not None:
        results = evaluate_files(annotations, predictions)
    else:
        results = evaluate_model(recipe, run, overrides, weights, data, device)
    for task, metrics in results.items():
        click.echo(f"{task}: " + "  ".join(f"{name} {value:.2f}" for name, value in metrics.items() if "-" not in name))
    if output is not None:
        write_results(results, output / "metrics.json")
    elif run is not None:
        write_results(results, run / "evaluation.json")


def evaluate_files(annotations: Path, predictions: Path) -> dict[str, dict[str, float]]:
    """Evaluate a results file for every kind of result that its entries hold.

    Raises:
        ValueError: the file is no list of results, or an entry is wrong; says which.
    """
    from detectory.evaluation import evaluate_coco_results

    try:
        entries = json.loads(predictions.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{predictions}: no JSON: {error}") from error
    if not (isinstance(entries, list) and entries and isinstance(entries[0], dict)):
        raise ValueError(f"{predictions}: no COCO results: expected a list of entries, got {type(entries).__name__}")
    fields = {"bbox": "bbox", "segm": "segmentation", "keypoints": "keypoints"}
    kinds = [kind for kind, field in fields.items() if field in entries[0]]
    return {kind: evaluate_coco_results(annotations, predictions, kind) for kind in kinds}


def evaluate_model(
    recipe: str | None,
    run: Path | None,
    overrides: tuple[str, ...],
    weights: str | None,
    data: Path | None,
    device: str | None,
) -> dict[str, dict[str, float]]:
    """Run a model over the test loader of its recipe."""
    from detectory.cli import recipes
    from detectory.engine import train

    config = recipes.load_run(run) if run is not None else recipes.load_recipe(str(recipe))
    if data is not None:
        recipes.use_dataset(config, data)
    recipes.apply_overrides(config, overrides)
    recipes.choose_device(config, device)
    config.train.init_checkpoint = weights or (recipes.last_checkpoint(run) if run is not None else "")
    if not config.train.init_checkpoint:
        raise click.UsageError("--weights is needed with a RECIPE")
    return train(config, eval_only=True)
