"""`detectory predict`: annotated pictures and videos, and a COCO-results JSON."""

from pathlib import Path

import click

from detectory.cli.options import complete_recipe, device_option, json_option


@click.command("predict")
@click.argument("inputs", nargs=-1)
@click.option("--input", "more", multiple=True, help="The same as INPUTS; may be given several times.")
@click.option("--run", type=click.Path(path_type=Path), help="The output folder of detectory train.")
@click.option(
    "--model",
    shell_complete=complete_recipe,
    help="A name of the zoo, with its published weights unless --weights is given, or a config file.",
)
@click.option("--weights", help="A checkpoint: a file, an address or detectron2://… (default: the run's last).")
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("predictions"),
    help="Folder of what comes out.",
)
@click.option("--threshold", default=0.5, type=click.FloatRange(0, 1), help="Leave out detections of a lower score.")
@click.option("--batch-size", default=1, type=click.IntRange(min=1), help="Images that go through the model at once.")
@click.option("--show", is_flag=True, help="Show each picture in a window; q or Escape ends.")
@device_option
@json_option("what was done")
def command(
    inputs: tuple[str, ...],
    more: tuple[str, ...],
    run: Path | None,
    model: str | None,
    weights: str | None,
    output: Path,
    threshold: float,
    batch_size: int,
    show: bool,
    device: str | None,
    as_json: bool,
) -> None:
    """Detect objects in images, videos and cameras.

    INPUTS are image files, videos, folders (searched deeply), patterns such as 'photos/*.jpg', and `webcam` or
    `webcam:1` for a camera, which goes on until Ctrl-C. Videos need PyAV: pip install 'detectory[video]'.

    Writes an annotated picture an image, an annotated video a video, and results.json in COCO's format, where
    `file_name` (and `frame` of a video, from 0) says which image an `image_id` is. An image that cannot be read is
    named, the others go on, and the exit code is 1. Segmentations of models for panoptic and semantic segmentation are
    drawn; results.json holds instances.

    \b
    Examples:
      detectory predict photos/ --run run/ --threshold 0.7
      detectory predict street.jpg --model COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x.py
      detectory predict traffic.mp4 --model COCO-Detection/retinanet_R_50_FPN_3x.yaml --batch-size 8
      detectory predict --input webcam --run run/ --show
    """
    ctx = click.get_current_context()
    if (run is None) == (model is None):
        ctx.fail("give one of --run or --model")
    if not (inputs or more):
        ctx.fail("give an image, a video, a folder, a pattern or webcam")
    from detectory.cli.json_output import print_json
    from detectory.cli.lookup.models import load_model
    from detectory.cli.prediction.prediction import Prediction, find_inputs
    from detectory.engine import Predictor

    images, videos = find_inputs((*inputs, *more))
    loaded = load_model(run or str(model), weights=weights, device=device)
    predictor = Predictor(loaded.model, loaded.resize, device=loaded.device)
    with Prediction(predictor, loaded.metadata, output, threshold, batch_size, show) as prediction:
        prediction.run_images(images)
        for video in videos:
            prediction.run_video(video)
    figures = prediction.figures()
    if as_json:
        print_json(figures)
    else:
        rate = f"{figures['images_per_second']:.1f} images/s"
        click.echo(f"{figures['images']} images, {figures['detections']} detections, {rate}: {output}/")
    if prediction.unreadable:
        raise click.ClickException(f"{prediction.unreadable} of {len(images)} images could not be read")
