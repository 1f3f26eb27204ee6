"""`detectory convert`: checkpoints of other systems as run folders."""

from pathlib import Path

import click


@click.command("convert")
@click.argument("checkpoint", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--from",
    "source",
    default="auto",
    help="The system: auto, detectron1, maskrcnn-benchmark, mmdet, mmdet-1.x, torchvision.",
)
@click.option("--output", required=True, type=click.Path(path_type=Path), help="The new run folder.")
@click.option(
    "--style",
    type=click.Choice(["pytorch", "caffe"]),
    default="pytorch",
    help="ResNet variant of MMDetection's config.",
)
@click.option(
    "--rules",
    type=click.Choice(["mmdet-legacy", "mmdet-1.0"]),
    default="mmdet-legacy",
    help="Pixel conventions for MMDetection 1.x: those of its legacy configs, or of 1.x itself.",
)
def command(checkpoint: Path, source: str, output: Path, style: str, rules: str) -> None:
    """Convert a checkpoint of another system to a run folder.

    The system is recognised by the names of the parameters. Only a RetinaNet of MMDetection 1.x looks like one of a
    later version and needs `--from mmdet-1.x`. The pixel conventions of the system become part of the converted model,
    so that its outputs stay the same. The commands predict, eval, train and export read the folder. Code in the
    checkpoint is not executed, and nothing is downloaded.

    \b
    Examples:
      detectory convert mask_rcnn_r50_fpn_1x_coco.pth --output converted/
      detectory convert retinanet_v1.pth --from mmdet-1.x --output converted/
    """
    from detectory.compat.conversion import convert_checkpoint, write_run

    converted = convert_checkpoint(checkpoint, source, style=style, rules=rules)
    write_run(converted, output)
    count = "unknown class names" if converted.classes is None else f"{len(converted.classes)} class names"
    click.echo(f"{checkpoint}: {converted.architecture} of {converted.system}, {count}")
    click.echo(f"Wrote {output}. Next: detectory predict IMAGES --run {output}")
