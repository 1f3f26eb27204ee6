"""`detectory benchmark`: inference speed of a model on this machine."""

import click

from detectory.cli.options import device_option, json_option, recipe_argument


@click.command("benchmark")
@recipe_argument("name")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
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
    The time of two-stage models depends on the number of detections, which is reported as well: with random weights it
    differs from that of a trained model.

    \b
    Examples:
      detectory benchmark COCO-Detection/retinanet_R_50_FPN_1x.py --size 480x640
      detectory benchmark COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x.py --weights published --json
      detectory benchmark run/ --batch-size 8 --optimize --dtype bfloat16
    """
    import torch

    from detectory.cli.inference_speed import measure_speed
    from detectory.cli.json_output import print_json
    from detectory.cli.lookup.models import load_model
    from detectory.core.precision import PRECISIONS, fastest_precision
    from detectory.modeling.fast_inference import optimize_for_inference

    height, width = _parse_size(size)
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


def _parse_size(size: str) -> tuple[int, int]:
    height, separator, width = size.partition("x")
    if not (separator and height.isdecimal() and width.isdecimal() and int(height) and int(width)):
        click.get_current_context().fail(f"--size must be HEIGHTxWIDTH in pixels, such as 480x640, got '{size}'")
    return int(height), int(width)
