"""Drawing primitives: text, boxes, circles, lines, masks and polygons."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image

from .canvas import Canvas, opacity_byte, plate_padding
from .colors import Color, Rgb, readable_on_dark, to_rgb, with_lightness
from .components import visual_center, without_small_components
from .generic_mask import cropped
from .labels import LabelPlacer
from .palette import random_color
from .vis_image import VisImage

BLACK: Rgb = (0.0, 0.0, 0.0)


class Drawing:
    """Draws primitives on an image; coordinates and sizes are those of the image before scaling.

    Each method returns the output, so calls can be chained.

    Args:
        img_rgb: (H, W, 3) RGB in [0, 255]; grayscale and RGBA are accepted too.
        scale: Factor of both sides of the output.
        font_size_scale: Factor of the default size of text.

    Attributes:
        output: The `VisImage` that is drawn on.
        font_size: Default size of text in pixels per em.
        line_width: Default width of lines in pixels.
    """

    def __init__(self, img_rgb: Any, scale: float = 1.0, font_size_scale: float = 1.0) -> None:
        self.output = VisImage(img_rgb, scale)
        self.img = self.output.img
        side = math.sqrt(self.output.height * self.output.width)
        self.font_size = max(side / 62, 10 / scale) * font_size_scale
        self.line_width = max(self.font_size / 6, 1.0)
        canvas = self.output.canvas.image
        self._labels = LabelPlacer(canvas.width, canvas.height)

    def get_output(self) -> VisImage:
        """Return the image with all drawings so far."""
        return self.output

    def draw_text(
        self,
        text: str,
        position: Sequence[float],
        *,
        font_size: float | None = None,
        color: Color = "g",
        horizontal_alignment: str = "center",
        rotation: float = 0,
    ) -> VisImage:
        """Write text on a dark plate, moved inside the image if necessary.

        Args:
            text: One or more lines.
            position: (x, y) of the upper edge's left end, centre or right end, as the alignment says.
            font_size: Pixels per em; by default proportional to the image.
            color: Of the text, lightened if it would not be readable on the plate.
            horizontal_alignment: "left", "center" or "right".
            rotation: Degrees counter-clockwise, about the middle of the text.
        """
        offsets = {"left": 0.0, "center": 0.5, "right": 1.0}
        if horizontal_alignment not in offsets:
            raise ValueError(
                f"draw_text: horizontal_alignment must be one of {list(offsets)}, got {horizontal_alignment!r}"
            )
        size = (font_size or self.font_size) * self.output.scale
        width, height = self._label_size(text, size)
        x = float(position[0]) * self.output.scale - offsets[horizontal_alignment] * width
        y = float(position[1]) * self.output.scale
        if rotation % 360:
            self._write_rotated(text, x + width / 2, y + height / 2, size, color, rotation)
        else:
            self._write(text, x, y, size, color)
        return self.output

    def draw_box(
        self, box_coord: Sequence[float], alpha: float = 0.5, edge_color: Color = "g", line_style: str = "-"
    ) -> VisImage:
        """Draw the border of an upright box.

        Args:
            box_coord: (x1, y1, x2, y2).
            alpha: Opacity in [0, 1].
            edge_color: Of the border.
            line_style: "-", "--", "-." or ":".
        """
        x1, y1, x2, y2 = (float(v) * self.output.scale for v in box_coord)
        if all(map(math.isfinite, (x1, y1, x2, y2))):
            width = self.line_width * self.output.scale
            self.output.canvas.frame_rectangle(x1, y1, x2, y2, to_rgb(edge_color), alpha, width, line_style)
        return self.output

    def draw_rotated_box_with_label(
        self,
        rotated_box: Sequence[float],
        alpha: float = 0.5,
        edge_color: Color = "g",
        line_style: str = "-",
        label: str | None = None,
    ) -> VisImage:
        """Draw the border of a rotated box, its upper side dashed finer, and a label at its first corner.

        Args:
            rotated_box: (x_center, y_center, width, height, angle), the angle in degrees counter-clockwise.
            alpha: Opacity in [0, 1].
            edge_color: Of the border; the text takes a lighter one.
            line_style: Of three sides; the side that was the top before rotation is dashed, to show the angle.
            label: Text, or None.
        """
        corners = rotated_corners(rotated_box)
        color = to_rgb(edge_color)
        width = self.line_width * self.output.scale
        points = corners * self.output.scale
        self.output.canvas.stroke(points[[1, 2, 3, 0]], color, alpha, width, style=line_style)
        self.output.canvas.stroke(points[[0, 1]], color, alpha, width, style="--")
        if label is not None:
            self._place_label(label, (*corners.min(axis=0), *corners.max(axis=0)), color)
        return self.output

    def draw_circle(self, circle_coord: Sequence[float], color: Color, radius: float = 3) -> VisImage:
        """Draw a disc.

        Args:
            circle_coord: (x, y) of its centre.
            color: Of the disc.
            radius: In pixels.
        """
        x, y = (float(v) * self.output.scale for v in circle_coord)
        self.output.canvas.fill_circle(x, y, radius * self.output.scale, to_rgb(color))
        return self.output

    def draw_line(
        self,
        x_data: Sequence[float],
        y_data: Sequence[float],
        color: Color,
        linestyle: str = "-",
        linewidth: float | None = None,
    ) -> VisImage:
        """Draw a line through points.

        Args:
            x_data, y_data: The points' coordinates, equally many.
            color: Of the line.
            linestyle: "-", "--", "-." or ":".
            linewidth: In pixels; by default proportional to the image.
        """
        points = np.stack([np.asarray(x_data, dtype=np.float64), np.asarray(y_data, dtype=np.float64)], axis=1)
        width = (linewidth or self.line_width) * self.output.scale
        self.output.canvas.stroke(points * self.output.scale, to_rgb(color), 1.0, width, style=linestyle)
        return self.output

    def draw_polygon(
        self, segment: np.ndarray, color: Color, edge_color: Color | None = None, alpha: float = 0.5
    ) -> VisImage:
        """Fill a polygon and draw its border.

        Args:
            segment: (V, 2) points, or (2 V) numbers.
            color: Of the inside.
            edge_color: Of the border, drawn opaque; by default `color`, darker where `alpha` is above 0.8.
            alpha: Opacity of the inside, in [0, 1].
        """
        points = np.asarray(segment, dtype=np.float64).reshape(-1, 2) * self.output.scale
        fill = to_rgb(color)
        edge = to_rgb(edge_color) if edge_color is not None else with_lightness(fill, -0.7) if alpha > 0.8 else fill
        width = self._border_width()
        if edge == fill:
            self.output.canvas.fill_polygons([points], fill, alpha, width)
        else:
            self.output.canvas.fill_polygons([points], fill, alpha)
            self.output.canvas.stroke(points, edge, 1.0, width, closed=True)
        return self.output

    def draw_binary_mask(
        self,
        binary_mask: np.ndarray,
        color: Color | None = None,
        *,
        edge_color: Color | None = None,
        text: str | None = None,
        alpha: float = 0.5,
        area_threshold: float = 0,
    ) -> VisImage:
        """Fill a mask and draw its border.

        Args:
            binary_mask: (H, W) of the image's size, nonzero inside.
            color: Of the inside; by default one at random.
            edge_color: Of the border, drawn opaque; by default that of the inside.
            text: Written in the mask's middle, unless nothing of the mask was drawn.
            alpha: Opacity of the inside, in [0, 1].
            area_threshold: Connected regions of fewer pixels are not drawn.
        """
        fill = to_rgb(random_color(rgb=True, maximum=1) if color is None else color)
        mask = self._check_size(binary_mask, "draw_binary_mask") != 0
        if area_threshold > 0:
            mask = without_small_components(mask, area_threshold)
        left, top, crop = cropped(mask)
        self._fill_mask(left, top, crop, fill, fill if edge_color is None else to_rgb(edge_color), alpha)
        if text is not None and crop.size:
            self._place_label_in_mask(text, left, top, crop, with_lightness(fill, 0.7))
        return self.output

    def draw_soft_mask(
        self, soft_mask: np.ndarray, color: Color | None = None, *, text: str | None = None, alpha: float = 0.5
    ) -> VisImage:
        """Fill a mask of probabilities.

        Args:
            soft_mask: (H, W) of the image's size, in [0, 1]; how much of the colour each pixel takes.
            color: Of the mask; by default one at random.
            text: Written in the middle of the part above 0.5.
            alpha: Opacity where the mask is 1.
        """
        fill = to_rgb(random_color(rgb=True, maximum=1) if color is None else color)
        soft = self._check_size(soft_mask, "draw_soft_mask").astype(np.float64)
        opacity = np.clip(np.nan_to_num(soft), 0, 1) * opacity_byte(alpha)
        coverage = Image.fromarray(opacity.round().astype(np.uint8)).resize(self.output.canvas.image.size)
        self.output.canvas.cover(coverage, 0, 0, fill)
        left, top, crop = cropped(soft > 0.5)
        if text is not None and crop.size:
            self._place_label_in_mask(text, left, top, crop, with_lightness(fill, 0.7))
        return self.output

    def _check_size(self, mask: Any, function: str) -> np.ndarray:
        array = np.asarray(mask.detach().cpu() if isinstance(mask, torch.Tensor) else mask)
        if array.shape != (self.output.height, self.output.width):
            size = (self.output.height, self.output.width)
            raise ValueError(f"{function}: the mask must have the image's size {size}, got {array.shape}")
        return array

    def _border_width(self) -> float:
        """Width of the border of masks and polygons in output pixels."""
        return max(self.line_width * self.output.scale / 2, 1.0)

    def _fill_mask(self, left: int, top: int, crop: np.ndarray, fill: Rgb, edge: Rgb | None, alpha: float) -> None:
        """Paint a mask (bool, its corner at (left, top) of the unscaled image) and its border."""
        if not crop.size:
            return
        inside = np.pad(crop, 1)
        opacity = inside.view(np.uint8) * np.uint8(opacity_byte(alpha))
        if edge is None:
            self._cover(opacity, left - 1, top - 1, fill)
            return
        core = inside[1:-1, 1:-1] & inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:]
        border = inside.copy()
        border[1:-1, 1:-1] &= ~core
        if edge == fill:
            self._cover(np.maximum(opacity, border.view(np.uint8) * np.uint8(255)), left - 1, top - 1, fill)
        else:
            self._cover(opacity, left - 1, top - 1, fill)
            self._cover(border.view(np.uint8) * np.uint8(255), left - 1, top - 1, edge)

    def _cover_pixels(self, mask: np.ndarray, left: int, top: int, color: Rgb, alpha: float) -> None:
        """Blend a colour into the whole pixels of a mask (bool), with sharp ends."""
        scale = self.output.scale
        size = (max(round(mask.shape[1] * scale), 1), max(round(mask.shape[0] * scale), 1))
        opacity = mask.view(np.uint8) * np.uint8(opacity_byte(alpha))
        coverage = Image.fromarray(opacity).resize(size, Image.Resampling.NEAREST)
        self.output.canvas.cover(coverage, round(left * scale), round(top * scale), color)

    def _cover(self, opacity: np.ndarray, left: int, top: int, color: Rgb) -> None:
        """Blend a colour in through an opacity (uint8) whose borders are softened by half a pixel."""
        soft = Image.fromarray(_softened(opacity))
        scale = self.output.scale
        x, y = round(left * scale), round(top * scale)
        if scale != 1:
            right, bottom = round((left + opacity.shape[1]) * scale), round((top + opacity.shape[0]) * scale)
            soft = soft.resize((max(right - x, 1), max(bottom - y, 1)), Image.Resampling.BILINEAR)
        self.output.canvas.cover(soft, x, y, color)

    def _label_size(self, text: str, size: float) -> tuple[int, int]:
        width, height = self.output.canvas.text_size(text, size)
        return width + 2 * plate_padding(size), height

    def _write(self, text: str, x: float, y: float, size: float, color: Color) -> None:
        image = self.output.canvas.image
        width, height = self._label_size(text, size)
        x, y = max(min(x, image.width - width), 0), max(min(y, image.height - height), 0)
        self.output.canvas.write(text, x, y, size, readable_on_dark(to_rgb(color)), BLACK)

    def _write_rotated(self, text: str, x: float, y: float, size: float, color: Color, degrees: float) -> None:
        """Write on a separate canvas, rotate it, and blend it with its center at (x, y)."""
        width, height = self._label_size(text, size)
        plate = Canvas(Image.new("RGB", (width, height)))
        plate.write(text, 0, 0, size, readable_on_dark(to_rgb(color)), None)
        ink = plate.image.rotate(degrees, Image.Resampling.BICUBIC, expand=True)
        shape = Image.new("L", (width, height), 200).rotate(degrees, Image.Resampling.BICUBIC, expand=True)
        image = self.output.canvas.image
        left = max(min(round(x - ink.width / 2), image.width - ink.width), 0)
        top = max(min(round(y - ink.height / 2), image.height - ink.height), 0)
        image.paste(ink, (left, top), shape)

    def _place_label(self, text: str, box: Sequence[float], color: Rgb) -> None:
        """Write a label at a box of the unscaled image if there is room, at a smaller size if necessary."""
        scaled = [v * self.output.scale for v in box]
        if not all(map(math.isfinite, scaled)):
            return
        for size in self._label_font_sizes():
            place = self._labels.place_at_box(scaled, self._label_size(text, size))
            if place is not None:
                self._write(text, *place, size, color)
                return

    def _place_label_in_mask(self, text: str, left: int, top: int, crop: np.ndarray, color: Rgb) -> None:
        x, y = visual_center(crop)
        x, y = (left + x) * self.output.scale, (top + y) * self.output.scale
        for size in self._label_font_sizes():
            place = self._labels.place_at_point(x, y, self._label_size(text, size))
            if place is not None:
                self._write(text, *place, size, color)
                return

    def _label_font_sizes(self) -> tuple[float, ...]:
        normal = self.font_size * self.output.scale
        return (normal, normal * 0.8) if normal * 0.8 >= 8 else (normal,)


def rotated_corners(rotated_box: Sequence[float]) -> np.ndarray:
    """The corners (4, 2) of (x_center, y_center, width, height, degrees counter-clockwise).

    They start at what was the upper left corner before rotation and go clockwise (as displayed).
    """
    x, y, width, height, degrees = (float(v) for v in rotated_box)
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    local = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (width / 2, height / 2)
    # Image rows grow downwards, so that counter-clockwise as seen is (x cos + y sin, y cos - x sin).
    with np.errstate(invalid="ignore"):  # boxes that are not finite are not drawn
        return np.stack([x + local[:, 0] * cos + local[:, 1] * sin, y - local[:, 0] * sin + local[:, 1] * cos], axis=1)


def _softened(opacity: np.ndarray) -> np.ndarray:
    """Half the opacity (uint8) itself, half its mean over 3 x 3, but for the outermost pixels.

    Borders become smooth and yet no single pixel vanishes.
    """
    wide = opacity.astype(np.uint16)
    rows = wide[:-2] + wide[1:-1] + wide[2:]
    sums = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
    wide[1:-1, 1:-1] = (wide[1:-1, 1:-1] * np.uint16(9) + sums + np.uint16(9)) // np.uint16(18)
    return wide.astype(np.uint8)
