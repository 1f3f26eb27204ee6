"""Files of training curves: a page, an image or a single plot."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from detectory.core.storage import atomic_write
from detectory.visualization.html import Page
from detectory.visualization.plots import plot_image


def write_curves(plots: Sequence[str], output: Path, title: str) -> None:
    """Write plots as a page (.html), one image with up to two columns (.png), or a single plot (.svg).

    Raises:
        ValueError: If the suffix is not supported, or there are several plots for one .svg file.
    """
    suffix = output.suffix.lower()
    if suffix == ".html":
        Page(title, "Training curves").plots(*plots).save(output)
    elif suffix == ".png":
        images = [plot_image(svg) for svg in plots]
        columns = 1 if len(images) == 1 else 2
        rows = [images[start : start + columns] for start in range(0, len(images), columns)]
        sheet = Image.new("RGB", (columns * images[0].width, sum(row[0].height for row in rows)), "white")
        top = 0
        for row in rows:
            for column, image in enumerate(row):
                sheet.paste(image, (column * images[0].width, top))
            top += row[0].height
        with atomic_write(output) as file:
            sheet.save(file, "PNG")
    elif suffix == ".svg" and len(plots) == 1:
        with atomic_write(output, "w") as file:
            file.write(plots[0])
    elif suffix == ".svg":
        raise ValueError(f"{output}: an .svg file contains one plot, got {len(plots)}. Use --metric, or write .html")
    else:
        raise ValueError(f"{output}: the suffix must be .html, .png or .svg")
