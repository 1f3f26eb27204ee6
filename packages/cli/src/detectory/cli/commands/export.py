"""`detectory export`: a model as a file for other runtimes."""

from pathlib import Path

import click

from detectory.cli.options import complete_recipe, json_option

#: `detectory.export.FORMATS` and `detectory.export.exporting.DTYPES`, without importing torch for `--help`.
_FORMATS = ("onnx", "openvino", "torch-export", "aoti", "torchscript", "executorch", "litert")
_DTYPES = ("float32", "float16", "bfloat16", "int8")


def _batch_size(_ctx: click.Context, _parameter: click.Parameter, value: str) -> int:
    """Return the number of images per call, 0 for any number."""
    if value == "dynamic":
        return 0
    if not value.isdecimal() or int(value) < 1:
        raise click.BadParameter(f"must be a positive number or 'dynamic', got '{value}'")
    return int(value)


@click.command("export")
@click.argument("model", shell_complete=complete_recipe)
@click.option("--format", "format_name", type=click.Choice(_FORMATS), default="onnx", help="The file format.")
@click.option("--height", type=click.IntRange(min=32), help="Fixed height of the input, in pixels; needs --width.")
@click.option("--width", type=click.IntRange(min=32), help="Fixed width of the input, in pixels; needs --height.")
@click.option("--dynamic", is_flag=True, help="Accept images of any size, which is the default.")
@click.option("--batch", metavar="N|dynamic", default="1", callback=_batch_size, help="Number of images per call.")
@click.option("--dtype", type=click.Choice(_DTYPES), default="float32", help="Type of the weights and features.")
@click.option("--data", help="Calibration and evaluation of int8: a dataset folder or a registered dataset.")
@click.option("--max-ap-drop", type=click.FloatRange(min=0), help="Allowed drop of the AP in int8, in percent points.")
@click.option("--weights", help="A checkpoint (default: the run's best one or the published weights; '' for random).")
@click.option("--image", "images", multiple=True, help="An image to verify the file with; repeatable.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="The file (default: model.SUFFIX).")
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
@json_option("a summary")
def command(
    model: str,
    format_name: str,
    height: int | None,
    width: int | None,
    dynamic: bool,
    batch: int,
    dtype: str,
    data: str | None,
    max_ap_drop: float | None,
    weights: str | None,
    images: tuple[str, ...],
    output: Path | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Export a model to a file and verify the file.

    MODEL is a run folder, a zoo name, or a recipe or Detectron2 YAML file. The file contains the class names with their
    category ids, the resizing, the normalization and the thresholds. It is compared with the model on the images of
    --image, on validation images of the run, or on an image of Matplotlib, and written only if boxes, classes, scores,
    masks and keypoints agree.

    With --dtype int8, the images of --data determine the ranges of the tensors, and the AP on the dataset is measured
    before and after. With --max-ap-drop, sensitive parts of the model stay float32, and the export fails if the AP
    drops more.

    With --height and --width, images are resized to fit and padded. 'detectory predict --model FILE' and
    'detectory eval --model FILE --data DIR' accept every format.

    \b
    Examples:
      detectory export run/ --format onnx --output model.onnx
      detectory export run/ --format openvino --height 480 --width 640 --dtype bfloat16
      detectory export run/ --dtype int8 --data my_dataset/ --max-ap-drop 1.0
      detectory export COCO-Detection/retinanet_R_50_FPN_1x.py --format aoti --image street.jpg
    """
    ctx = click.get_current_context()
    if (height is None) != (width is None):
        ctx.fail("--height and --width must be used together")
    if dynamic and height is not None:
        ctx.fail("--dynamic excludes --height and --width")
    if dtype == "int8" and data is None:
        ctx.fail("--dtype int8 needs --data")
    if data is not None and dtype != "int8":
        ctx.fail("--data needs --dtype int8")
    if max_ap_drop is not None and dtype != "int8":
        ctx.fail("--max-ap-drop needs --dtype int8")
    from detectory.cli.exported.exporting import export_model
    from detectory.cli.json_output import print_json
    from detectory.export import FORMATS

    target = output or Path(f"model{FORMATS[format_name].suffix}")
    if target.exists() and not overwrite:
        raise click.UsageError(f"{target} exists, use --overwrite to replace it")
    summary = export_model(
        model,
        target,
        format_name,
        size=(height or 0, width or 0),
        batch=batch,
        dtype=dtype,
        calibration=data,
        max_ap_drop=max_ap_drop,
        weights=weights,
        images=images,
    )
    if as_json:
        print_json(summary)
        return
    click.echo(f"{summary['agreement']}")
    if not summary["detections"] and not summary["semantic"]:
        click.echo("Warning: the model detects nothing on these images. Verify with --image", err=True)
    if summary["quantization"].get("ap"):
        ap = summary["quantization"]["ap"]
        click.echo(f"AP {ap['float32']:.2f} in float32, {ap['int8']:.2f} in int8")
    if summary["quantization"].get("float_parts"):
        click.echo(f"float32 because of their sensitivity: {', '.join(summary['quantization']['float_parts'])}")
    click.echo(f"{target}: {summary['mebibytes']:.1f} MiB, {summary['seconds']:.0f} s")
