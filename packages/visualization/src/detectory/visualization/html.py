"""Self-contained HTML pages with metrics, sortable tables, plots and galleries; they work offline."""

import base64
import io
import json
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

ImageSource = np.ndarray | torch.Tensor | Image.Image | str | os.PathLike


@dataclass
class GalleryItem:
    """One tile of a gallery.

    Args:
        images: One image, or several images that are shown side by side, such as ground truth and predictions. Each is
            an (H, W, 3) uint8 RGB array or tensor, a PIL image, or the path of an image file.
        caption: Text below the images.
        keys: Values by name, by which the gallery can be sorted or filtered.
    """

    images: ImageSource | Sequence[ImageSource]
    caption: str = ""
    keys: Mapping[str, str | float] = field(default_factory=dict)


class Page:
    """An HTML page that is built from top to bottom.

    Methods that add content return the page, so that calls can be chained. Texts are escaped.

    Args:
        title: Title of the page.
        subtitle: One line below the title.
        max_image_size: Maximum length of the longer side of gallery images, in pixels.
        jpeg_quality: JPEG quality of the images, from 1 to 95.

    Example:
        >>> page = Page("Run 7", "ResNet-18-FPN on shapes").cards({"box AP": 61.2, "mask AP": 55.0})
        >>> page = page.table(["class", "AP"], [["circle", 71.3], ["star", 51.1]])
        >>> "circle" in page.render()
        True
    """

    def __init__(self, title: str, subtitle: str = "", *, max_image_size: int = 800, jpeg_quality: int = 85) -> None:
        self.title = title
        self.subtitle = subtitle
        self.max_image_size = max_image_size
        self.jpeg_quality = jpeg_quality
        self._parts: list[str] = []

    def heading(self, text: str) -> "Page":
        """Add the heading of a section."""
        return self._add(f"<h2>{escape(text)}</h2>")

    def text(self, paragraph: str) -> "Page":
        """Add a paragraph of plain text."""
        return self._add(f"<p>{escape(paragraph)}</p>")

    def code(self, text: str) -> "Page":
        """Add preformatted text in a fixed-width font."""
        return self._add(f"<pre>{escape(text)}</pre>")

    def cards(self, values: Mapping[str, str | float]) -> "Page":
        """Add a row of cards, each of which shows a value in large type above its name."""
        cards = "".join(
            f'<div class="card"><b>{escape(_cell(value))}</b><span>{escape(name)}</span></div>'
            for name, value in values.items()
        )
        return self._add(f'<div class="cards">{cards}</div>')

    def table(
        self,
        columns: Sequence[str],
        rows: Iterable[Sequence[str | float | None]],
        *,
        caption: str = "",
        sortable: bool = True,
        scroll: bool = False,
    ) -> "Page":
        """Add a table.

        Args:
            columns: Names of the columns.
            rows: One sequence of cells per row. Floats are written with two decimals but sorted by their full value;
                None and NaN are written as "–".
            caption: Text below the table.
            sortable: Whether a click on the name of a column sorts the rows.
            scroll: Whether a long table has a scroll bar.

        Raises:
            ValueError: If a row does not have one cell per column.
        """
        body, texts = [], [True] * len(columns)
        for index, row in enumerate(rows):
            if len(row) != len(columns):
                raise ValueError(f"Page.table: row {index} has {len(row)} cells for {len(columns)} columns")
            body.append("<tr>" + "".join(_table_cell(cell) for cell in row) + "</tr>")
            texts = [text and isinstance(cell, str) for text, cell in zip(texts, row, strict=True)]
        names = [f"<button>{escape(c)}</button>" if sortable else escape(c) for c in columns]
        aligned = [' class="text"' if text and body else "" for text in texts]
        head = "".join(f'<th scope="col"{css}>{name}</th>' for css, name in zip(aligned, names, strict=True))
        css = "sortable" if sortable else ""
        note = f'<p class="caption">{escape(caption)}</p>' if caption else ""
        table = f'<table class="{css}"><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table>'
        if scroll:
            table = f'<div class="scroll" tabindex="0">{table}</div>'
        return self._add(f'<div class="panel">{table}{note}</div>')

    def plots(self, *svgs: str) -> "Page":
        """Add SVG plots of `detectory.visualization.plots` side by side, in as many rows as necessary."""
        return self._add('<div class="plots">' + "".join(f'<div class="panel">{s}</div>' for s in svgs) + "</div>")

    def gallery(
        self,
        items: Iterable[GalleryItem | tuple[ImageSource | Sequence[ImageSource], str]],
        *,
        sort_by: Sequence[str] = (),
        filter_by: str = "",
        tile_width: int = 280,
    ) -> "Page":
        """Add a grid of images; a click enlarges an image.

        Args:
            items: Gallery items, or pairs (image or images, caption).
            sort_by: Names of the keys that have a sort button.
            filter_by: Name of the key that has a filter menu.
            tile_width: Minimum width of an item in CSS pixels.
        """
        gallery_items = [item if isinstance(item, GalleryItem) else GalleryItem(*item) for item in items]
        controls = "".join(f'<button data-key="{escape(key)}">{escape(key)}</button>' for key in sort_by)
        controls = f"sort by {controls}" if controls else ""
        if filter_by:
            values = dict.fromkeys(str(item.keys[filter_by]) for item in gallery_items if filter_by in item.keys)
            options = "".join(f"<option>{escape(value)}</option>" for value in values)
            menu = f'<select data-key="{escape(filter_by)}"><option value="">all</option>{options}</select>'
            controls += f" {escape(filter_by)} {menu}"
        bar = f'<div class="bar">{controls}</div>' if controls else ""
        figures = "".join(self._figure(item) for item in gallery_items)
        grid = f'<div class="gallery" style="--tile:{int(tile_width)}px">{figures}</div>'
        return self._add(f"<div data-gallery>{bar}{grid}</div>")

    def render(self) -> str:
        """Return the page as one HTML string that does not refer to other files."""
        assets = files("detectory.visualization")
        style, script = (assets.joinpath(name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
        subtitle = f"<p>{escape(self.subtitle)}</p>" if self.subtitle else ""
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width,initial-scale=1"><link rel="icon" href="data:,">'
            f"<title>{escape(self.title)}</title><style>{style}</style></head><body><main>"
            f"<header><div><h1>{escape(self.title)}</h1>{subtitle}</div>"
            '<button id="theme">light / dark</button></header>'
            f"{''.join(self._parts)}<footer>Made with Detectory</footer></main>"
            f'<dialog><img alt=""><p></p></dialog><script>{script}</script></body></html>\n'
        )

    def save(self, path: str | os.PathLike) -> Path:
        """Write the page to `path` atomically, create missing folders, and return the path."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(self.render())
            Path(partial).chmod(0o644)
            Path(partial).replace(path)
        finally:
            Path(partial).unlink(missing_ok=True)
        return path

    def _add(self, part: str) -> "Page":
        self._parts.append(part)
        return self

    def _figure(self, item: GalleryItem) -> str:
        sources: Sequence[Any] = item.images if isinstance(item.images, (list, tuple)) else [item.images]
        tags = "".join(self._image(source, item.caption) for source in sources)
        keys = escape(json.dumps({key: str(value) for key, value in item.keys.items()}))
        caption = f"<figcaption>{escape(item.caption)}</figcaption>" if item.caption else ""
        return f'<figure data-keys="{keys}"><div class="side">{tags}</div>{caption}</figure>'

    def _image(self, source: ImageSource, caption: str) -> str:
        """Return an `img` element; its explicit size prevents layout shifts while images are decoded."""
        image = as_image(source)
        image.thumbnail((self.max_image_size, self.max_image_size), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=self.jpeg_quality, optimize=True)
        url = "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
        size = f'width="{image.width}" height="{image.height}"'
        return f'<img loading="lazy" {size} alt="{escape(caption)}" src="{url}">'


def as_image(source: ImageSource) -> Image.Image:
    """Return a copy of an image as a PIL image of mode RGB.

    Args:
        source: An (H, W, 3) or (H, W) uint8 array or tensor in RGB order, a PIL image, or the path of an image file.

    Raises:
        ValueError: If the shape or data type of an array is not supported.
    """
    if isinstance(source, (str, os.PathLike)):
        with Image.open(source) as image:
            return image.convert("RGB")
    if isinstance(source, Image.Image):
        return source.convert("RGB") if source.mode != "RGB" else source.copy()
    array = source.cpu().numpy() if isinstance(source, torch.Tensor) else np.asarray(source)
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3):
        raise ValueError(
            f"as_image: source must be an (H, W, 3) or (H, W) uint8 array, got {array.shape} of {array.dtype}"
        )
    return Image.fromarray(array).convert("RGB")


def _cell(value: str | float | None) -> str:
    if value is None or value != value:
        return "–"
    if isinstance(value, (float, np.floating)):
        return f"{value:.2f}"
    return str(value)


def _table_cell(value: str | float | None) -> str:
    is_number = isinstance(value, (int, float, np.number)) and value == value
    key = f' data-value="{value!r}"' if is_number and isinstance(value, float) else ""
    css = "" if is_number or value is None or value != value else ' class="text"'
    return f"<td{css}{key}>{escape(_cell(value))}</td>"
