"""Canvas for anti-aliased, translucent shapes in continuous pixel coordinates.

Each shape is rendered as a coverage mask of its bounding box, one byte per pixel, and Pillow pastes the colour through
the mask. Polygons and lines are drawn with 4x oversampling and averaged.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .colors import Rgb, as_bytes

_OVERSAMPLING = 4
_TILE = 512  # Shapes are painted in tiles, so that memory is bounded by one oversampled tile.
_DASHES = {"--": (3.7, 1.6), "dashed": (3.7, 1.6), "-.": (6.4, 1.6, 1.0, 1.6), "dashdot": (6.4, 1.6, 1.0, 1.6)}
_DASHES |= {":": (1.0, 1.65), "dotted": (1.0, 1.65)}
_SOLID = ("-", "solid")
_MAX_DASHES = 10_000


class Canvas:
    """RGB image that is painted on in place.

    The pixel in column `j` and row `i` covers `[j, j+1] x [i, i+1]`; shapes are clipped to the image.

    Args:
        image: A PIL image of mode RGB.
    """

    def __init__(self, image: Image.Image) -> None:
        self.image = image
        self._draw = ImageDraw.Draw(image)

    def cover(self, coverage: Image.Image, left: int, top: int, color: Rgb) -> None:
        """Blend a colour into the image through `coverage` (mode L, 255 is opaque), with its corner at (left, top)."""
        self.image.paste(as_bytes(color), (left, top), coverage)

    def fill_rectangle(self, x0: int, y0: int, x1: int, y1: int, color: Rgb, alpha: float = 1.0) -> None:
        """Fill the columns x0 to x1 - 1 of the rows y0 to y1 - 1."""
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
        """Draw the border of an upright box with a line of `width` pixels; solid lines are aligned to whole pixels."""
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
        """Fill the union of polygons (V, 2) and draw opaque borders of `border_width` pixels; 0 draws no borders."""
        polygons = [p for p in polygons if len(p) >= 3]
        if not polygons:
            return
        fill_value, line_width = opacity_byte(alpha), round(border_width * _OVERSAMPLING)

        def draw(pen: ImageDraw.ImageDraw, offset: np.ndarray) -> None:
            corners = [_oversampled(polygon, offset) for polygon in polygons]
            for points in corners:
                pen.polygon(points, fill=fill_value)
            for points in corners if line_width else ():
                _draw_line(pen, [*points, points[0]], 255, line_width)

        self._paint(np.concatenate(polygons), border_width / 2 + 1, draw, color)

    def stroke(
        self, points: np.ndarray, color: Rgb, alpha: float, width: float, *, closed: bool = False, style: str = "-"
    ) -> None:
        """Draw a line through points (V, 2) in one of the line styles of matplotlib: `-`, `--`, `-.` or `:`.

        Raises:
            ValueError: If `style` is unknown.
        """
        if len(points) == 0 or not np.isfinite(points).all():
            return
        line = np.concatenate([points, points[:1]]) if closed else points
        pieces = [line] if style in _SOLID else dashes(line, width, style)
        line_width, value = max(round(width * _OVERSAMPLING), 1), opacity_byte(alpha)

        def draw(pen: ImageDraw.ImageDraw, offset: np.ndarray) -> None:
            for piece in pieces:
                _draw_line(pen, _oversampled(piece, offset), value, line_width)

        self._paint(line, width / 2 + 1, draw, color)

    def fill_circle(self, x: float, y: float, radius: float, color: Rgb, alpha: float = 1.0) -> None:
        """Fill a disc of at least half a pixel radius, so that small discs stay visible."""
        radius = max(radius, 0.5)
        center = np.array([[x, y]], dtype=np.float64)

        def draw(pen: ImageDraw.ImageDraw, offset: np.ndarray) -> None:
            (u, v), r = _oversampled(center, offset)[0], radius * _OVERSAMPLING
            pen.ellipse((u - r, v - r, u + r, v + r), fill=opacity_byte(alpha))

        self._paint(center, radius + 1, draw, color)

    def text_size(self, text: str, font_size: float) -> tuple[int, int]:
        """Return the width and height of `text` in pixels; the height is the full line height of all its lines."""
        width = max(_line_width(line, font_size) for line in text.split("\n"))
        return width, math.ceil(font_size * 1.25 * (text.count("\n") + 1))

    def write(
        self, text: str, x: float, y: float, font_size: float, color: Rgb, plate: Rgb | None, plate_alpha: float = 0.7
    ) -> None:
        """Write text with its upper left corner at (x, y) on a rounded plate of colour `plate`, or without a plate."""
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
        """Call `draw` for each oversampled tile of the bounding box of `points`, and blend the tiles into the image."""
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
    """Split a line (V, 2) into the dashes of a style `--`, `-.` or `:`; their lengths are multiples of the width.

    A line that would need more than 10,000 dash patterns is returned as one piece.

    Raises:
        ValueError: If `style` is unknown.
    """
    if style not in _DASHES:
        raise ValueError(f"dashes: style must be one of {[*_SOLID, *_DASHES]}, got {style!r}")
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
    """Return the number of pixels between the text and the left or right side of its plate."""
    return max(round(font_size * 0.3), 2)


@lru_cache(maxsize=64)
def font_of(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return Pillow's built-in scalable font at `size` pixels per em."""
    return ImageFont.load_default(size)


def opacity_byte(alpha: float) -> int:
    """Return an opacity in [0, 1] as a coverage byte."""
    return round(255 * min(max(alpha, 0.0), 1.0))


@lru_cache(maxsize=4096)
def _line_width(text: str, font_size: float) -> int:
    left, _, right, _ = font_of(font_size).getbbox(text)
    return math.ceil(right - left)


def _draw_line(pen: ImageDraw.ImageDraw, corners: list[tuple[float, float]], value: int, width: int) -> None:
    # The gaps at the corners of unjoined segments are invisible for lines of up to three output pixels, and unjoined
    # segments are faster.
    rounded = width > 3 * _OVERSAMPLING
    pen.line(corners, fill=value, width=width, joint="curve" if rounded else None)
    if rounded and corners[0] == corners[-1]:  # `line` does not join the last corner of a closed line.
        x, y = corners[0]
        pen.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=value)


@lru_cache(maxsize=256)
def _rounded_plate(size: tuple[int, int], radius: int, value: int) -> Image.Image:
    large = Image.new("L", (size[0] * _OVERSAMPLING, size[1] * _OVERSAMPLING))
    corner = (large.width - 1, large.height - 1)
    ImageDraw.Draw(large).rounded_rectangle((0, 0, *corner), radius * _OVERSAMPLING, fill=value)
    return large.reduce(_OVERSAMPLING)


def _oversampled(points: Iterable[Sequence[float]], offset: np.ndarray) -> list[tuple[float, float]]:
    """Return points in the coordinates of an oversampled tile; the half is due to Pillow's integer pixel centres."""
    return [(x, y) for x, y in ((np.asarray(points) - offset) * _OVERSAMPLING - 0.5).tolist()]
