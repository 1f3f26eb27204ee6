"""`detectory convert`: checkpoints of other systems as run folders, and run folders as their checkpoints."""

from pathlib import Path

import click


@click.command("convert")
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option(
    "--from",
    "source",
    default="auto",
    help="The system: auto, detectron1, maskrcnn-benchmark, mmdet, mmdet-1.x, torchvision, transformers.",
)
@click.option(
    "--to",
    "target",
    help="Write a checkpoint of another system from a run folder: torchvision, detectron2, transformers.",
)
@click.option("--output", required=True, type=click.Path(path_type=Path), help="The new run folder, or the new file.")
@click.option(
    "--config",
    help="The original config, or for torchvision the name of the function that builds the model.",
)
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
@click.option(
    "--norm-eps",
    type=float,
    help="Epsilon of the frozen batch norms of a model of torchvision; by default that of the published weights.",
)
def command(
    checkpoint: Path,
    source: str,
    target: str | None,
    output: Path,
    config: str | None,
    style: str,
    rules: str,
    norm_eps: float | None,
) -> None:
    """Convert checkpoints from and to other systems.

    CHECKPOINT is a checkpoint of another system, which becomes a run folder, or with `--to` a run folder. The
    system is recognised by the names of the parameters. Only a RetinaNet of MMDetection 1.x looks like one of a
    later version and needs `--from mmdet-1.x`. The pixel conventions of the system become part of the converted
    model, so that its outputs stay the same. The commands predict, eval, train and export read the folder. Code in
    the checkpoint is not executed, and nothing is downloaded.

    \b
    Examples:
      detectory convert mask_rcnn_r50_fpn_1x_coco.pth --output converted/
      detectory convert retinanet_v1.pth --from mmdet-1.x --output converted/
      detectory convert detr-resnet-50/ --output converted/
      detectory convert run/ --to torchvision --output model.pth
    """
    if target is not None:
        _leave(checkpoint, target, output)
        return
    from detectory.compat.conversion import convert_checkpoint, write_run

    converted = convert_checkpoint(checkpoint, source, style=style, rules=rules, config=config, norm_eps=norm_eps)
    write_run(converted, output)
    count = "unknown class names" if converted.classes is None else f"{len(converted.classes)} class names"
    click.echo(f"{checkpoint}: {converted.architecture} of {converted.system}, {count}")
    click.echo(f"Wrote {output}. Next: detectory predict IMAGES --run {output}")


def _leave(run: Path, target: str, output: Path) -> None:
    from detectory.compat.conversion import export_run

    exported = export_run(run, target, output)
    click.echo(f"Wrote {', '.join(map(str, exported.paths))}. Load with:\n{exported.instructions}")
    for difference in exported.differences:
        click.echo(f"The outputs differ slightly: {difference}.", err=True)
