"""`detectory predict`: annotated images and videos, and results in COCO format."""

from pathlib import Path

import click

from detectory.cli.options import complete_recipe, device_option, json_option, overwrite_option


@click.command("predict")
@click.argument("inputs", nargs=-1)
@click.option("--input", "more_inputs", multiple=True, help="Same as INPUTS; repeatable.")
@click.option("--run", type=click.Path(path_type=Path), help="A run folder of detectory train.")
@click.option(
    "--model",
    shell_complete=complete_recipe,
    help="A zoo name (with its published weights unless --weights is given), a config or an exported file.",
)
@click.option("--weights", help="A checkpoint: a file, a URL or detectron2://… (default: the run's best checkpoint).")
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("predictions"),
    help="The output folder.",
)
@overwrite_option
@click.option("--threshold", default=0.5, type=click.FloatRange(0, 1), help="Minimum score of the detections.")
@click.option("--batch-size", default=1, type=click.IntRange(min=1), help="Images per batch.")
@click.option("--show", is_flag=True, help="Show each result in a window; q or Escape stops.")
@device_option
@json_option("a summary")
def command(
    inputs: tuple[str, ...],
    more_inputs: tuple[str, ...],
    run: Path | None,
    model: str | None,
    weights: str | None,
    output: Path,
    overwrite: bool,
    threshold: float,
    batch_size: int,
    show: bool,
    device: str | None,
    as_json: bool,
) -> None:
    """Detect objects in images, videos and camera streams.

    INPUTS are images, videos, folders (searched recursively), patterns such as 'images/*.jpg', and `webcam` or
    `webcam:1` for a camera, which runs until Ctrl-C. Videos require PyAV: pip install 'detectory[video]'.

    Writes one annotated image per image, one annotated video per video, and results.json in COCO format. Images of the
    run's dataset keep their image ids, and classes their category ids, so that `detectory eval --predictions` has the
    metrics of `detectory eval --run`. Other images get unused ids; the field `file_name` (and for videos `frame`,
    counted from 0) identifies the image of an `image_id`. Panoptic and semantic segmentations are drawn, but not
    written to results.json. Unreadable images and videos are reported and skipped; the exit code is then 1.

    Outputs keep the folders of the inputs. Only files of an earlier `detectory predict` are replaced, unless
    --overwrite is set; inputs never are. results.json is updated every few seconds and stays valid after an interrupt.

    \b
    Examples:
      detectory predict images/ --run run/ --threshold 0.7
      detectory predict street.jpg --model COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x.py
      detectory predict traffic.mp4 --model COCO-Detection/retinanet_R_50_FPN_3x.yaml --batch-size 8
      detectory predict images/ --model model.onnx
      detectory predict --input webcam --run run/ --show
    """
    ctx = click.get_current_context()
    if (run is None) == (model is None):
        ctx.fail("expected either --run or --model")
    if not (inputs or more_inputs):
        ctx.fail("expected an image, a video, a folder, a pattern or webcam")
    from detectory.cli.exported.files import is_exported_file, load_file
    from detectory.cli.json_output import print_json
    from detectory.cli.lookup.models import load_model
    from detectory.cli.prediction.inputs import find_inputs, output_names
    from detectory.cli.prediction.prediction import Prediction
    from detectory.cli.prediction.result_ids import ResultIds
    from detectory.core.storage import FolderLock, OutputFiles
    from detectory.engine import Predictor
    from detectory.engine.advice.advice import counted

    items = (*inputs, *more_inputs)
    images, videos = find_inputs(items, is_output=OutputFiles(output).wrote)
    names = output_names(items, images, videos)
    outputs = OutputFiles(output, overwrite=overwrite, inputs=[name for name in names if isinstance(name, Path)])
    outputs.check([*names.values(), "results.json"])
    if model is not None and is_exported_file(model):
        if weights is not None:
            ctx.fail("--weights cannot be used with an exported file")
        file = load_file(model, device)
        predictor, metadata, ids = file.predictor, file.metadata, ResultIds(file.classes, (), images)
    else:
        loaded = load_model(run or str(model), weights=weights, device=device)
        predictor, metadata = Predictor(loaded.model, loaded.resize, device=loaded.device), loaded.metadata
        ids = ResultIds(loaded.classes, loaded.datasets, images)
    output.mkdir(parents=True, exist_ok=True)
    with (
        FolderLock(output),
        Prediction(predictor, metadata, outputs, names, threshold, batch_size, show, ids) as prediction,
    ):
        prediction.run_images(images)
        for video in videos:
            prediction.run_video(video)
    summary = prediction.summary()
    if as_json:
        print_json(summary)
    else:
        rate = f"{summary['images_per_second']:.1f} images/s"
        counts = f"{counted(summary['images'], 'image')}, {counted(summary['detections'], 'detection')}"
        if not summary["detections"]:
            click.echo(f"No detection has a score of at least {threshold}. Try a lower --threshold.", err=True)
        click.echo(f"{counts}, {rate}: {output}/")
    if prediction.unreadable:
        raise click.ClickException(f"{prediction.unreadable} of {len(names)} images and videos could not be read")
