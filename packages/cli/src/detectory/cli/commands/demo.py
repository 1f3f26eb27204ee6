"""`detectory demo`: all of it on a small scale, ending in a page."""

from pathlib import Path

import click


@click.command("demo")
@click.option(
    "--coco", type=click.Path(path_type=Path), help="Use this folder in COCO layout instead of made-up shapes."
)
@click.option(
    "--output", type=click.Path(path_type=Path, file_okay=False), default=Path("demo-output"), help="Where it goes."
)
@click.option("--iterations", type=click.IntRange(min=1), help="Iterations of training, 8 images each.")
def command(coco: Path | None, output: Path, iterations: int | None) -> None:
    """See all of it: train, evaluate, export, draw, on one page.

    Trains a small Mask R-CNN and ends with a page, index.html in the output folder.

    Without --coco it generates a dataset of textured shapes over photographs and learns it in some minutes on two
    CPU cores.

    \b
    Examples:
      detectory demo
      detectory demo --coco my_dataset/ --iterations 2000
    """
    from detectory.cli.demo.pipeline import run_demo

    run_demo(output, coco, iterations)
