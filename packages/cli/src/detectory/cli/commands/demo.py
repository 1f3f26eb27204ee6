"""`detectory demo`: a small example of all steps, summarized on one page."""

from pathlib import Path

import click


@click.command("demo")
@click.option(
    "--coco",
    type=click.Path(path_type=Path),
    help="Use this dataset in COCO layout instead of generating one.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo-output"),
    help="The output folder.",
)
@click.option(
    "--minutes",
    type=click.FloatRange(min=1),
    default=6.0,
    show_default=True,
    help="Time budget; chooses image size and iterations by the speed of this machine.",
)
@click.option(
    "--overwrite", is_flag=True, help="Use a folder with other files; `run` and `dataset` in it are replaced."
)
@click.option("--iterations", type=click.IntRange(min=1), help="Training iterations of 8 images, without a budget.")
def command(coco: Path | None, output: Path, minutes: float, iterations: int | None, overwrite: bool) -> None:
    """Train, evaluate and export a small example model.

    Trains a small Mask R-CNN and writes a page with losses, AP and predictions, index.html in the output folder.

    Without --coco, it generates a dataset of textured shapes on natural backgrounds. The training is planned to fit
    into --minutes on this machine.

    \b
    Examples:
      detectory demo
      detectory demo --minutes 15
      detectory demo --coco my_dataset/ --iterations 2000
    """
    from detectory.cli.demo.pipeline import claim_output, run_demo

    claim_output(output, overwrite)
    run_demo(output, coco, iterations, minutes)
