"""`detectory eval`: the figures of a run, of a recipe with weights, or of a results file, and a report on them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from detectory.cli.options import device_option, json_option, recipe_argument

if TYPE_CHECKING:
    from detectory.evaluation.report import CocoEvaluation

_RESULTS = "coco_instances_results.json"


@click.command("eval")
@recipe_argument(required=False)
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--run", type=click.Path(path_type=Path), help="The output folder of detectory train.")
@click.option("--weights", help="A checkpoint: a file, an address or detectron2://… (default: the run's last).")
@click.option("--data", type=click.Path(path_type=Path), help="A folder in COCO layout to evaluate on.")
@click.option("--predictions", type=click.Path(path_type=Path), help="A COCO results JSON of any tool.")
@click.option("--annotations", type=click.Path(path_type=Path), help="The annotation file of --predictions.")
@click.option("--images", type=click.Path(path_type=Path), help="The pictures of --annotations, for the report.")
@click.option(
    "--output", type=click.Path(path_type=Path, file_okay=False), help="Where metrics.json and report.html go."
)
@device_option
@json_option("the figures")
def command(
    recipe: str | None,
    overrides: tuple[str, ...],
    run: Path | None,
    weights: str | None,
    data: Path | None,
    predictions: Path | None,
    annotations: Path | None,
    images: Path | None,
    output: Path | None,
    device: str | None,
    as_json: bool,
) -> None:
    """Evaluate a run, a recipe, or any tool's COCO results.

    RECIPE is a name in the zoo, a recipe's .py or .yaml file, or a Detectron2 YAML config; KEY=VALUE as for
    `detectory train`.

    With --output DIR it writes metrics.json and report.html, one page that needs no other file: figures by class,
    curves, kinds of errors, confusions and pictures of what is wrong.

    \b
    Examples:
      detectory eval --run run/
      detectory eval COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x.py --data my_dataset/ --weights model.pth
      detectory eval --predictions results.json --annotations instances_val.json --output report/
      detectory eval --predictions results.json --annotations instances_val.json --json
    """
    from detectory.cli.json_output import print_json, write_results

    if (predictions is None) != (annotations is None):
        raise click.UsageError("--predictions and --annotations belong together")
    if sum(source is not None for source in (recipe, run, predictions)) != 1:
        raise click.UsageError("give one of RECIPE, --run or --predictions")
    if images is not None and predictions is None:
        raise click.UsageError("--images belongs to --predictions")
    if predictions is not None and annotations is not None:
        evaluation = evaluate_files(annotations, predictions)
        results = evaluation.figures
        if output is not None:
            write_report(evaluation, output, f"Evaluation of {predictions.name}", images)
    else:
        results, truth = evaluate_model(recipe, run, overrides, weights, data, device, output)
        if output is not None and truth is not None and (output / _RESULTS).is_file():
            title = f"Evaluation of {run.resolve().name if run is not None else recipe}"
            write_report(evaluate_files(truth[0], output / _RESULTS), output, title, truth[1])
    if as_json:
        print_json(results)
    else:
        click.echo(format_results(results))
    if output is not None:
        write_results(results, output / "metrics.json")
        page = f", {output}/report.html" if (output / "report.html").is_file() else ""
        click.echo(f"{output}/metrics.json{page}", err=as_json)
    elif run is not None:
        write_results(results, run / "evaluation.json")


def format_results(results: dict[str, Any]) -> str:
    """Write figures as one table: a column a task, a row a metric; those of single classes are left out."""
    names = list(dict.fromkeys(name for figures in results.values() for name in figures if "-" not in name))
    rows = [["", *results]]
    for name in names:
        values = [figures.get(name) for figures in results.values()]
        rows.append([name, *("-" if value is None or value != value else f"{value:.2f}" for value in values)])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        [row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))] for row in rows
    ]
    return "\n".join("  ".join(line).rstrip() for line in lines)


def evaluate_files(annotations: Path, predictions: Path) -> "CocoEvaluation":
    """Evaluate a results file for every kind of result that its entries hold.

    Raises:
        ValueError: the file is no list of results, or an entry is wrong; says which.
    """
    from detectory.evaluation.report import evaluate_all

    return evaluate_all(annotations, predictions)


def write_report(evaluation: "CocoEvaluation", output: Path, title: str, images: Path | None) -> None:
    """Write report.html."""
    from detectory.evaluation.report import write_coco_report

    write_coco_report(evaluation, output / "report.html", title=title, images=images)


def evaluate_model(
    recipe: str | None,
    run: Path | None,
    overrides: tuple[str, ...],
    weights: str | None,
    data: Path | None,
    device: str | None,
    output: Path | None,
) -> tuple[dict[str, dict[str, float]], tuple[Path, Path | None] | None]:
    """Run a model over the test loader of its recipe.

    Returns:
        The figures, and the annotation file and folder of pictures of a dataset that has them. With an output the
        detections are written to it.
    """
    from detectory.cli.lookup import detectron2_configs, recipes
    from detectory.engine import train

    if run is not None and (found := detectron2_configs.find_run(run)) is not None:
        recipe, data = found[0], data or found[1]
        weights = weights or recipes.last_checkpoint(run)
    if recipe is not None and detectron2_configs.is_detectron2_config(recipe):
        if weights is None and not any(override.startswith("MODEL.WEIGHTS=") for override in overrides):
            raise click.UsageError("--weights is needed with a RECIPE")
        results, dataset = detectron2_configs.evaluate(
            recipe, overrides, output=output, data=data, weights=weights, device=device
        )
        return results, _truth_of(dataset)
    config = recipes.load_run(run) if run is not None else recipes.load_recipe(str(recipe))
    if data is not None:
        recipes.use_dataset(config, data)
    recipes.apply_overrides(config, overrides)
    recipes.choose_device(config, device)
    config.train.init_checkpoint = weights or (recipes.last_checkpoint(run) if run is not None else "")
    if not config.train.init_checkpoint:
        raise click.UsageError("--weights is needed with a RECIPE")
    if output is not None:
        config.train.output_dir = str(output)
        if "evaluator" in config.dataloader:
            config.dataloader.evaluator.output_dir = str(output)
    results = train(config, eval_only=True)
    names = config.dataloader.test.dataset.names
    return results, _truth_of(names if isinstance(names, str) else names[0])


def _truth_of(dataset: str) -> tuple[Path, Path | None] | None:
    """The annotation file and the folder of pictures of a registered dataset, where it has a file."""
    from detectory.data import MetadataCatalog

    metadata = MetadataCatalog.get(dataset)
    truth, images = metadata.get("json_file", None), metadata.get("image_root", None)
    return (Path(truth), Path(images) if images else None) if truth else None
