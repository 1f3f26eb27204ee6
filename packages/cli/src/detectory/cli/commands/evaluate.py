"""`detectory eval`: metrics and an error report of a run, a recipe or a results file."""

from pathlib import Path

import click

from detectory.cli.options import device_option, json_option, overwrite_option, recipe_argument

#: File that the COCO evaluator writes to its output folder.
_DETECTIONS_FILE = "coco_instances_results.json"
_OUTPUTS = (
    *("metrics.json", "report.html", _DETECTIONS_FILE, "lvis_instances_results.json", "instances_predictions.pth"),
    *("sem_seg_predictions.json", "sem_seg_evaluation.pth", "predictions.json"),
)


@click.command("eval")
@recipe_argument(required=False)
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--run", type=click.Path(path_type=Path), help="A run folder of detectory train.")
@click.option("--model", type=click.Path(path_type=Path), help="A file of detectory export; needs --data.")
@click.option("--weights", help="A checkpoint: a file, a URL or detectron2://… (default: the run's best checkpoint).")
@click.option("--data", type=click.Path(path_type=Path), help="A dataset in any supported format to evaluate on.")
@click.option("--split", default="val", help="The split of --data, or of the run's dataset (default: val).")
@click.option("--predictions", type=click.Path(path_type=Path), help="A COCO results JSON, from any tool.")
@click.option("--annotations", type=click.Path(path_type=Path), help="The ground truth of --predictions.")
@click.option("--images", type=click.Path(path_type=Path), help="The image folder of --annotations, for the report.")
@click.option("--oks-sigmas", help="OKS sigmas of --predictions with keypoints, one per keypoint: 0.03,0.05,…")
@click.option(
    "--output", type=click.Path(path_type=Path, file_okay=False), help="The folder for metrics.json and report.html."
)
@overwrite_option
@device_option
@json_option("the metrics")
def command(
    recipe: str | None,
    overrides: tuple[str, ...],
    run: Path | None,
    model: Path | None,
    weights: str | None,
    data: Path | None,
    split: str,
    predictions: Path | None,
    annotations: Path | None,
    images: Path | None,
    oks_sigmas: str | None,
    output: Path | None,
    overwrite: bool,
    device: str | None,
    as_json: bool,
) -> None:
    """Evaluate a run, a recipe, an exported file or results.

    RECIPE is a zoo name, a recipe's .py or .yaml file, or a Detectron2 YAML config. KEY=VALUE overrides a value of the
    recipe as in `detectory train`.

    With --output, writes metrics.json and report.html, a self-contained page with metrics per class, precision-recall
    curves, error types, a confusion matrix and error examples.

    \b
    Examples:
      detectory eval --run run/ --split test
      detectory eval COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x.py --data my_dataset/ --weights model.pth
      detectory eval --model model.onnx --data my_dataset/
      detectory eval --predictions results.json --annotations instances_val.json --output report/
      detectory eval --predictions results.json --annotations instances_val.json --json
    """
    from detectory.cli.evaluation import evaluate_model, format_metrics
    from detectory.cli.json_output import print_json, write_json
    from detectory.core.storage import OutputFiles
    from detectory.evaluation.coco import CocoSettings
    from detectory.evaluation.report import evaluate_all, write_coco_report

    if (predictions is None) != (annotations is None):
        raise click.UsageError("--predictions and --annotations must be used together")
    if sum(source is not None for source in (recipe, run, model, predictions)) != 1:
        raise click.UsageError("expected exactly one of RECIPE, --run, --model and --predictions")
    if model is not None and data is None:
        raise click.UsageError("--model needs --data")
    if model is not None and weights is not None:
        raise click.UsageError("--weights cannot be used with --model")
    if images is not None and predictions is None:
        raise click.UsageError("--images needs --predictions")
    outputs = None if output is None else OutputFiles(output, overwrite=overwrite)
    if outputs is not None:
        outputs.check(_OUTPUTS)
    if predictions is not None and annotations is not None:
        evaluation = evaluate_all(annotations, predictions, settings=CocoSettings(oks_sigmas=_numbers(oks_sigmas)))
        metrics = evaluation.metrics
        title = f"Evaluation of {predictions.name}"
    else:
        result = evaluate_model(
            recipe, run, overrides, file=model, weights=weights, data=data, split=split, device=device, output=output
        )
        metrics, annotations, images = result.metrics, result.annotations, result.images
        evaluation = None
        if output is not None and annotations is not None and (output / _DETECTIONS_FILE).is_file():
            evaluation = evaluate_all(annotations, output / _DETECTIONS_FILE)
        title = f"Evaluation of {run.resolve().name if run is not None else model or recipe}"
    if output is not None and evaluation is not None:
        write_coco_report(evaluation, output / "report.html", title=title, images=images)
    if as_json:
        print_json(metrics)
    else:
        click.echo(format_metrics(metrics))
    if output is not None:
        write_json(metrics, output / "metrics.json")
        page = f", {output}/report.html" if (output / "report.html").is_file() else ""
        click.echo(f"{output}/metrics.json{page}", err=as_json)
        if outputs is not None:
            for name in _OUTPUTS:
                if (output / name).is_file():
                    outputs.record(name)
    elif run is not None:
        write_json(metrics, run / "evaluation.json")


def _numbers(text: str | None) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise click.UsageError(f"--oks-sigmas must be numbers separated by commas, got '{text}'") from None
