"""`detectory benchmark`: inference speed of a model on this machine."""

import tempfile
from pathlib import Path
from typing import Any

import click

from detectory.cli.options import device_option, json_option, recipe_argument


@click.command("benchmark")
@recipe_argument("name")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "--formats",
    help="Compare backends, separated by commas: eager, optimized, compile or formats of detectory export, each with "
    "a type such as :bfloat16 if it is not float32. best: find the fastest one of a run for this machine.",
)
@click.option("--image", default="", help="The image for --formats (default: an image of Matplotlib).")
@click.option("--size", default="480x640", help="HEIGHTxWIDTH of the model's input, in pixels.")
@click.option("--batch-size", default=1, type=click.IntRange(min=1), help="Images per batch.")
@click.option("--iterations", default=20, type=click.IntRange(min=1), help="Number of timed batches.")
@click.option("--warmup", default=3, type=click.IntRange(min=0), help="Number of untimed warm-up batches.")
@click.option("--weights", default="", help="A checkpoint, or 'published' (default: random weights).")
@click.option("--optimize", is_flag=True, help="Fuse normalization layers first (optimize_for_inference).")
@click.option(
    "--dtype",
    default="float32",
    type=click.Choice(["float32", "bfloat16", "auto"]),
    help="Compute type; needs --optimize. auto: bfloat16 if this device computes it natively.",
)
@click.option("--threads", type=click.IntRange(min=1), help="Number of CPU threads (default: torch's).")
@device_option
@json_option("the results")
def command(
    name: str,
    overrides: tuple[str, ...],
    formats: str | None,
    image: str,
    size: str,
    batch_size: int,
    iterations: int,
    warmup: int,
    weights: str,
    optimize: bool,
    dtype: str,
    threads: int | None,
    device: str | None,
    as_json: bool,
) -> None:
    """Measure the throughput and latency of a model.

    NAME is a zoo name, a recipe file, a run folder, or a Detectron2 YAML config. The input images are random noise.
    With --formats, the input is one image, and a table lists the latency (median and 95th percentile), the peak memory
    of the process, the size of the file and the largest differences from eager inference. With --formats best and a
    run folder, the fastest backend is stored in the run for Predictor.from_run(run, backend="auto").

    The time of two-stage models depends on the number of detections, which is reported as well: with random weights it
    differs from that of a trained model.

    \b
    Examples:
      detectory benchmark COCO-Detection/retinanet_R_50_FPN_1x.py --size 480x640
      detectory benchmark COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x.py --weights published --json
      detectory benchmark run/ --batch-size 8 --optimize --dtype bfloat16
      detectory benchmark run/ --formats eager,optimized,onnx,openvino,openvino:bfloat16
      detectory benchmark run/ --formats best
    """
    import torch

    from detectory.cli.inference_speed import measure_speed
    from detectory.cli.json_output import print_json
    from detectory.cli.lookup.models import load_model
    from detectory.core.precision import PRECISIONS, fastest_precision
    from detectory.modeling.fast_inference import optimize_for_inference

    height, width = _parse_size(size)
    if formats is not None:
        if optimize or dtype != "float32" or batch_size != 1 or (device or "cpu") != "cpu":
            click.get_current_context().fail("--formats excludes --optimize, --dtype, --batch-size and --device")
        checkpoint = weights or (None if Path(name).is_dir() else "")
        checkpoint = None if weights == "published" else checkpoint
        measurement = {
            "model": name,
            "overrides": overrides,
            "weights": checkpoint,
            "size": (height, width),
            "iterations": iterations,
            "warmup": warmup,
        }
        _compare(formats, measurement, threads, image, as_json)
        return
    if dtype != "float32" and not optimize:
        click.get_current_context().fail("--dtype needs --optimize")
    loaded = load_model(name, overrides, weights=None if weights == "published" else weights, device=device)
    if threads is not None:
        torch.set_num_threads(threads)
    precision = fastest_precision(loaded.device) if dtype == "auto" else PRECISIONS[dtype]
    dtype = str(precision).removeprefix("torch.")
    model = optimize_for_inference(loaded.model, dtype=precision) if optimize else loaded.model
    results = {"model": name, "weights": weights or "random", "optimized": optimize, "dtype": dtype}
    results |= measure_speed(model, (height, width), batch_size, iterations, warmup, loaded.device)
    if as_json:
        print_json(results)
        return
    for key, value in results.items():
        click.echo(f"{key:<22} {value:.4g}" if isinstance(value, float) else f"{key:<22} {value}")


def _compare(formats: str, measurement: dict[str, Any], threads: int | None, image: str, as_json: bool) -> None:
    """Measure backends and print the table; store the best one of a run."""
    import torch

    from detectory.cli.exported import backends
    from detectory.cli.json_output import print_json
    from detectory.core.processor import limit_threads
    from detectory.export import FORMATS
    from detectory.export.best_backend import store_best

    limit_threads()
    names = backends.BEST if formats == "best" else tuple(name.strip() for name in formats.split(","))
    known = (*backends.MODULES, *FORMATS)
    for name in names:
        if name.partition(":")[0] not in known:
            click.get_current_context().fail(f"--formats must be best or among {', '.join(known)}, got '{name}'")
    if threads is not None:
        torch.set_num_threads(threads)
    settings = backends.Measurement(**measurement, threads=torch.get_num_threads(), image=image)
    with tempfile.TemporaryDirectory() as folder:
        rows = backends.measure_backends(names, settings, Path(folder))
        if as_json:
            print_json(rows)
        else:
            click.echo(backends.format_table(rows))
        if formats == "best":
            best = backends.fastest(rows)
            files = sorted((Path(folder) / best["backend"].replace(":", "-")).glob("*"), key=_is_weights)
            click.echo(f"fastest: {best['backend']}", err=as_json)
            if not Path(settings.model).is_dir():
                return
            if settings.weights is not None or settings.overrides:
                click.echo("not stored in the run, because --weights or overrides changed its model", err=True)
            else:
                stored = store_best(settings.model, best["backend"], files, best["latency_ms_p50"] / 1000)
                click.echo(f"stored in {stored}", err=as_json)


def _is_weights(path: Path) -> bool:
    """Whether an exported file only contains weights for another file."""
    return path.suffix in (".bin", ".data")


def _parse_size(size: str) -> tuple[int, int]:
    height, separator, width = size.partition("x")
    if not (separator and height.isdecimal() and width.isdecimal() and int(height) and int(width)):
        click.get_current_context().fail(f"--size must be HEIGHTxWIDTH in pixels, such as 480x640, got '{size}'")
    return int(height), int(width)
