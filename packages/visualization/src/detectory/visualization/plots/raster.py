"""Rasterisation of the plots for viewers that do not support SVG."""

import re
from collections.abc import Mapping
from xml.etree import ElementTree

from PIL import Image, ImageColor, ImageDraw

from detectory.visualization.drawing.canvas import font_of

_SVG = "{http://www.w3.org/2000/svg}"
_INK, _SECOND_INK, _GRID, _AXIS = "#1d1f24", "#555555", "#e3e5ea", "#9aa0ac"
_OVERSAMPLING = 2


def plot_image(svg: str, scale: float = 2.0) -> Image.Image:
    """Rasterise a plot with the light theme on a white background.

    Args:
        svg: The return value of `line_plot` or another function of `detectory.visualization.plots`.
        scale: Pixels per SVG unit.

    Returns:
        An RGB image.

    Raises:
        ValueError: If `svg` is not valid SVG or contains an element that the plots of this package do not use.
    """
    try:
        root = ElementTree.fromstring(svg)
    except ElementTree.ParseError as error:
        raise ValueError(f"plot_image: svg is not valid SVG: {error}") from error
    width, height = (float(part) for part in root.attrib["viewBox"].split()[2:])
    fine = scale * _OVERSAMPLING
    image = Image.new("RGB", (round(width * fine), round(height * fine)), "white")
    for element in root:
        _draw(image, element.tag.removeprefix(_SVG), element.attrib, element.text or "", fine)
    return image.resize((round(width * scale), round(height * scale)), Image.Resampling.LANCZOS)


def _draw(image: Image.Image, tag: str, values: Mapping[str, str], text: str, scale: float) -> None:
    pen = ImageDraw.Draw(image)

    def number(name: str) -> float:
        return float(values[name]) * scale

    if tag in ("style", "title"):
        return
    if tag == "line":
        color = _AXIS if values.get("class") == "dt-axis" else _GRID
        ends = [(number("x1"), number("y1")), (number("x2"), number("y2"))]
        pen.line(ends, fill=color, width=round(scale))
    elif tag == "circle":
        pen.circle((number("cx"), number("cy")), number("r"), fill=values["fill"])
    elif tag == "rect":
        x, y = number("x"), number("y")
        pen.rectangle((x, y, x + number("width"), y + number("height")), fill=_blended(values))
    elif tag == "path":
        for corners in _polylines(values["d"], scale):
            width = max(round(float(values["stroke-width"]) * scale), 1)
            pen.line(corners, fill=_blended(values), width=width, joint="curve")
    elif tag == "text":
        _write(image, values, text, scale)
    else:
        raise ValueError(f"plot_image: unsupported element <{tag}> in svg")


def _polylines(path: str, scale: float) -> list[list[tuple[float, float]]]:
    """Return the points of each polyline of a path that consists of M and L commands."""
    strokes: list[list[tuple[float, float]]] = []
    for command, x, y in re.findall(r"([ML])(-?[\d.]+) (-?[\d.]+)", path):
        if command == "M":
            strokes.append([])
        strokes[-1].append((float(x) * scale, float(y) * scale))
    return [stroke if len(stroke) > 1 else stroke * 2 for stroke in strokes]


def _write(image: Image.Image, values: Mapping[str, str], text: str, scale: float) -> None:
    is_title = values.get("class") == "dt-title"
    font = font_of((14 if is_title else 12) * scale)
    color = _INK if is_title else _SECOND_INK
    x, y = float(values["x"]) * scale, float(values["y"]) * scale
    if "rotate(-90" not in values.get("transform", ""):
        side = {"start": "l", "middle": "m", "end": "r"}[values.get("text-anchor", "start")]
        ImageDraw.Draw(image).text((x, y), text, fill=color, font=font, anchor=f"{side}s")
        return
    left, top, right, bottom = font.getbbox(text)
    plate = Image.new("L", (int(right - left) + 2, int(bottom - top) + 2))
    ImageDraw.Draw(plate).text((-left, -top), text, fill=255, font=font)
    turned = plate.rotate(90, expand=True)
    image.paste(color, (round(x - turned.width), round(y - turned.height / 2)), turned)


def _blended(values: Mapping[str, str]) -> tuple[int, ...]:
    """Return the stroke or fill colour of an element, blended with a white background."""
    name = values.get("stroke") or values["fill"]
    opacity = float(values.get("opacity", values.get("fill-opacity", 1)))
    return tuple(round(255 + (part - 255) * opacity) for part in ImageColor.getrgb(name)[:3])
