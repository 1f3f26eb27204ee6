"""Canvas for anti-aliased, translucent shapes in continuous pixel coordinates.

Every shape is rendered as a coverage mask of its bounding box (one byte per pixel, the covered part of the pixel), and
Pillow pastes the colour through the mask. Polygons and lines get theirs by drawing 4 times larger and
averaging; masks by softening their border.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .colors import Rgb, as_bytes

_OVERSAMPLING = 4
_TILE = 512  # no shape needs more memory than one oversampled tile
_DASHES = {"--": (3.7, 1.6), "dashed": (3.7, 1.6), "-.": (6.4, 1.6, 1.0, 1.6), "dashdot": (6.4, 1.6, 1.0, 1.6)}
_DASHES |= {":": (1.0, 1.65), "dotted": (1.0, 1.65)}
_SOLID = ("-", "solid")
_MAX_DASHES = 10_000


class Canvas:
    """Paints on an RGB image in place.

    The pixel in column `j` and row `i` covers `[j, j+1] x [i, i+1]`; everything outside the image is clipped.

    Args:
        image: A PIL image of mode RGB.
    """

    def __init__(self, image: Image.Image) -> None:
        self.image = image
        self._draw = ImageDraw.Draw(image)

    def cover(self, coverage: Image.Image, left: int, top: int, color: Rgb) -> None:
        """Blend a colour in through `coverage` (mode L, 255 = opaque), its corner at (left, top)."""
        self.image.paste(as_bytes(color), (left, top), coverage)

    def fill_rectangle(self, x0: int, y0: int, x1: int, y1: int, color: Rgb, alpha: float = 1.0) -> None:
        """Fill whole pixels, columns x0 to x1 - 1 and rows y0 to y1 - 1."""
        x0, y0 = max(x0, 0), max(y0, 0)
        x1, y1 = min(x1, self.image.width), min(y1, self.image.height)
        if x1 <= x0 or y1 <= y0:
            return
        if alpha >= 1:
            self.image.paste(as_bytes(color), (x0, y0, x1, y1))
        else:
            self.cover(Image.new("L", (x1 - x0, y1 - y0), opacity_byte(alpha)), x0, y0, color)

    def frame_rectangle(
        self, x0: float, y0: float, x1: float, y1: float, color: Rgb, alpha: float, width: float, style: str = "-"
    ) -> None:
        """Outline an upright box with a line of this width, centred on the border and snapped to whole pixels."""
        if style not in _SOLID:
            corners = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
            self.stroke(corners, color, alpha, width, closed=True, style=style)
            return
        line = max(round(width), 1)
        left, top = round(x0 - line / 2), round(y0 - line / 2)
        right, bottom = max(round(x1 + line / 2), left + line), max(round(y1 + line / 2), top + line)
        inner_top, inner_bottom = min(top + line, bottom), max(bottom - line, top + line)
        self.fill_rectangle(left, top, right, inner_top, color, alpha)
        self.fill_rectangle(left, inner_bottom, right, bottom, color, alpha)
        self.fill_rectangle(left, inner_top, min(left + line, right), inner_bottom, color, alpha)
        self.fill_rectangle(max(right - line, left + line), inner_top, right, inner_bottom, color, alpha)

    def fill_polygons(
        self, polygons: Sequence[np.ndarray], color: Rgb, alpha: float = 1.0, border_width: float = 0.0
    ) -> None:
        """Fill the union of polygons, each (V, 2) with V >= 3, and outline them opaquely if `border_width` says so."""
        polygons = [p for p in polygons if len(p) >= 3]
        if not polygons:
            return
        inside, wide = opacity_byte(alpha), round(border_width * _OVERSAMPLING)

        def draw(pen: ImageDraw.ImageDraw, offset: np.ndarray) -> None:
            corners = [_oversampled(polygon, offset) for polygon in polygons]
            for points in corners:
                pen.polygon(points, fill=inside)
            for points in corners if wide else ():
                _draw_line(pen, [*points, points[0]], 255, wide)

        self._paint(np.concatenate(polygons), border_width / 2 + 1, draw, color)

    def stroke(
        self, points: np.ndarray, color: Rgb, alpha: float, width: float, *, closed: bool = False, style: str = "-"
    ) -> None:
        """Draw a line of this width through points (V, 2); `style` as in matplotlib: `-`, `--`, `-.` or `:`."""
        if len(points) == 0 or not np.isfinite(points).all():
            return
        line = np.concatenate([points, points[:1]]) if closed else points
        pieces = [line] if style in _SOLID else dashes(line, width, style)
        wide, value = max(round(width * _OVERSAMPLING), 1), opacity_byte(alpha)

        def draw(pen: ImageDraw.ImageDraw, offset: np.ndarray) -> None:
            for piece in pieces:
                _draw_line(pen, _oversampled(piece, offset), value, wide)

        self._paint(line, width / 2 + 1, draw, color)

    def fill_circle(self, x: float, y: float, radius: float, color: Rgb, alpha: float = 1.0) -> None:
        """Fill a disc; one of a radius below half a pixel still shows."""
        radius = max(radius, 0.5)
        center = np.array([[x, y]], dtype=np.float64)

        def draw(pen: ImageDraw.ImageDraw, offset: np.ndarray) -> None:
            (u, v), r = _oversampled(center, offset)[0], radius * _OVERSAMPLING
            pen.ellipse((u - r, v - r, u + r, v + r), fill=opacity_byte(alpha))

        self._paint(center, radius + 1, draw, color)

    def text_size(self, text: str, font_size: float) -> tuple[int, int]:
        """Width and height that `text` takes, its lines' full height included, in pixels."""
        width = max(_line_width(line, font_size) for line in text.split("\n"))
        return width, math.ceil(font_size * 1.25 * (text.count("\n") + 1))

    def write(
        self, text: str, x: float, y: float, font_size: float, color: Rgb, plate: Rgb | None, plate_alpha: float = 0.7
    ) -> None:
        """Write text with its upper left corner at (x, y), on a rounded plate of colour `plate` (None: no plate)."""
        width, height = self.text_size(text, font_size)
        pad = plate_padding(font_size)
        if plate is not None:
            size = (width + 2 * pad, height)
            shape = _rounded_plate(size, max(height // 6, 2), opacity_byte(plate_alpha))
            self.cover(shape, round(x), round(y), plate)
        position = round(x) + pad, round(y) + height / 2
        self._draw.text(position, text, fill=as_bytes(color), font=font_of(font_size), anchor="lm")

    def _paint(
        self,
        points: np.ndarray,
        margin: float,
        draw: Callable[[ImageDraw.ImageDraw, np.ndarray], None],
        color: Rgb,
    ) -> None:
        """Let `draw` paint tile after tile of the bounding box of `points`, oversampled, and blend each in."""
        if not np.isfinite(points).all():
            return
        low, high = points.min(axis=0) - margin, points.max(axis=0) + margin
        left, top = max(int(np.floor(low[0])), 0), max(int(np.floor(low[1])), 0)
        right = min(int(np.ceil(high[0])) + 1, self.image.width)
        bottom = min(int(np.ceil(high[1])) + 1, self.image.height)
        for y in range(top, bottom, _TILE):
            for x in range(left, right, _TILE):
                size = min(_TILE, right - x), min(_TILE, bottom - y)
                large = Image.new("L", (size[0] * _OVERSAMPLING, size[1] * _OVERSAMPLING))
                draw(ImageDraw.Draw(large), np.array([x, y], dtype=np.float64))
                self.cover(large.reduce(_OVERSAMPLING), x, y, color)


def dashes(line: np.ndarray, width: float, style: str) -> list[np.ndarray]:
    """Cut a line (V, 2) into the strokes of a style `--`, `-.` or `:`, whose lengths are multiples of the width.

    A line of more than ten thousand strokes, is drawn solid.

    Raises:
        ValueError: If the style is unknown.
    """
    if style not in _DASHES:
        raise ValueError(f"line style must be one of {[*_SOLID, *_DASHES]}, got {style!r}")
    pattern = [length * max(width, 1.0) for length in _DASHES[style]]
    steps = np.hypot(*np.diff(line, axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    if along[-1] > _MAX_DASHES * sum(pattern):
        return [line]
    pieces, position, phase = [], 0.0, 0
    while position < along[-1]:
        end = min(position + pattern[phase % len(pattern)], along[-1])
        if phase % 2 == 0:
            inner = along[(along > position) & (along < end)]
            marks = np.concatenate([[position], inner, [end]])
            pieces.append(np.stack([np.interp(marks, along, line[:, 0]), np.interp(marks, along, line[:, 1])], axis=1))
        position, phase = end, phase + 1
    return pieces


def plate_padding(font_size: float) -> int:
    """Pixels between the text and the left and right side of its plate."""
    return max(round(font_size * 0.3), 2)


@lru_cache(maxsize=64)
def font_of(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own scalable font in this size (pixels per em)."""
    return ImageFont.load_default(size)


def opacity_byte(alpha: float) -> int:
    """Return an opacity in [0, 1] as a coverage byte."""
    return round(255 * min(max(alpha, 0.0), 1.0))


@lru_cache(maxsize=4096)
def _line_width(text: str, font_size: float) -> int:
    left, _, right, _ = font_of(font_size).getbbox(text)
    return math.ceil(right - left)


def _draw_line(pen: ImageDraw.ImageDraw, corners: list[tuple[float, float]], value: int, width: int) -> None:
    # Below three pixels of the output the gaps at the corners of straight pieces cannot be seen, and they are fast.
    rounded = width > 3 * _OVERSAMPLING
    pen.line(corners, fill=value, width=width, joint="curve" if rounded else None)
    if rounded and corners[0] == corners[-1]:  # the corner that `line` does not know of
        x, y = corners[0]
        pen.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=value)


@lru_cache(maxsize=256)
def _rounded_plate(size: tuple[int, int], radius: int, value: int) -> Image.Image:
    large = Image.new("L", (size[0] * _OVERSAMPLING, size[1] * _OVERSAMPLING))
    corner = (large.width - 1, large.height - 1)
    ImageDraw.Draw(large).rounded_rectangle((0, 0, *corner), radius * _OVERSAMPLING, fill=value)
    return large.reduce(_OVERSAMPLING)


def _oversampled(points: Iterable[Sequence[float]], offset: np.ndarray) -> list[tuple[float, float]]:
    """Corners in the oversampled tile; Pillow counts from pixel centres, hence the half."""
    return [(x, y) for x, y in ((np.asarray(points) - offset) * _OVERSAMPLING - 0.5).tolist()]
