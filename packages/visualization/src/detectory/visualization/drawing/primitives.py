"""Drawing primitives: text, boxes, circles, lines, masks and polygons."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image

from detectory.visualization.masks.components import visual_center, without_small_components
from detectory.visualization.masks.generic_mask import cropped

from .canvas import Canvas, opacity_byte, plate_padding
from .colors import Color, Rgb, readable_on_dark, to_rgb, with_lightness
from .label_placement import LabelPlacer
from .palette import random_color
from .vis_image import VisImage

BLACK: Rgb = (0.0, 0.0, 0.0)


class Drawing:
    """Drawing primitives on one image.

    Coordinates and sizes are in pixels of the unscaled image. Each method returns the output image.

    Args:
        img_rgb: (H, W, 3) RGB in [0, 255]; grayscale and RGBA are accepted too.
        scale: Scale factor of the output, relative to the image.
        font_size_scale: Scale factor of the default font size.

    Attributes:
        output: The image with its drawings.
        font_size: Default font size in pixels per em.
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
        """Return the image with its drawings."""
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
            position: (x, y) of the upper left corner, the upper centre or the upper right corner of the text, depending
                on `horizontal_alignment`.
            font_size: Font size in pixels per em; by default proportional to the image size.
            color: Text colour, lightened if it would not be readable on the plate.
            horizontal_alignment: "left", "center" or "right".
            rotation: Counter-clockwise angle in degrees, about the centre of the text.

        Raises:
            ValueError: If `horizontal_alignment` is invalid.
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
            edge_color: Colour of the border.
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
        """Draw the border of a rotated box and an optional label.

        Args:
            rotated_box: (x_center, y_center, width, height, angle in degrees counter-clockwise).
            alpha: Opacity in [0, 1].
            edge_color: Colour of the border and of the label.
            line_style: Line style of three sides; the top side before rotation is dashed to show the orientation.
            label: Text of the label, or None.
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
            circle_coord: (x, y) of the centre.
            color: Colour of the disc.
            radius: Radius in pixels.
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
        """Draw a line through V points.

        Args:
            x_data: V x coordinates.
            y_data: V y coordinates.
            color: Colour of the line.
            linestyle: "-", "--", "-." or ":".
            linewidth: Line width in pixels; by default proportional to the image size.
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
            segment: Vertices, (V, 2) or flattened to (2 V,).
            color: Fill colour.
            edge_color: Colour of the opaque border; by default `color`, darkened if `alpha` exceeds 0.8.
            alpha: Opacity of the filling, in [0, 1].
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
            binary_mask: (H, W) with the size of the image, non-zero inside.
            color: Fill colour; by default a random colour of the palette.
            edge_color: Colour of the opaque border; by default the fill colour.
            text: Label inside the mask; omitted if no region was drawn.
            alpha: Opacity of the filling, in [0, 1].
            area_threshold: Connected regions with fewer pixels are not drawn.

        Raises:
            ValueError: If the mask does not have the size of the image.
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
        """Fill a mask of probabilities; the opacity of each pixel is proportional to its probability.

        Args:
            soft_mask: (H, W) with the size of the image, in [0, 1].
            color: Fill colour; by default a random colour of the palette.
            text: Label inside the region with probabilities above 0.5.
            alpha: Opacity of pixels with probability 1.

        Raises:
            ValueError: If the mask does not have the size of the image.
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
            raise ValueError(f"{function}: mask must have the size of the image {size}, got {array.shape}")
        return array

    def _border_width(self) -> float:
        """Return the width of the borders of masks and polygons in output pixels."""
        return max(self.line_width * self.output.scale / 2, 1.0)

    def _fill_mask(self, left: int, top: int, crop: np.ndarray, fill: Rgb, edge: Rgb | None, alpha: float) -> None:
        """Paint the crop (bool) of a mask, with its corner at (left, top) of the unscaled image, and its border."""
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

    def _cover(self, opacity: np.ndarray, left: int, top: int, color: Rgb) -> None:
        """Blend a colour into the image with an opacity map (uint8) of softened borders."""
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
        """Write text on a separate canvas, rotate the canvas, and blend it into the image centred on (x, y)."""
        width, height = self._label_size(text, size)
        plate = Canvas(Image.new("RGB", (width, height)))
        plate.write(text, 0, 0, size, readable_on_dark(to_rgb(color)), None)
        rotated_text = plate.image.rotate(degrees, Image.Resampling.BICUBIC, expand=True)
        opacity = Image.new("L", (width, height), 200).rotate(degrees, Image.Resampling.BICUBIC, expand=True)
        image = self.output.canvas.image
        left = max(min(round(x - rotated_text.width / 2), image.width - rotated_text.width), 0)
        top = max(min(round(y - rotated_text.height / 2), image.height - rotated_text.height), 0)
        image.paste(rotated_text, (left, top), opacity)

    def _place_label(self, text: str, box: Sequence[float], color: Rgb) -> None:
        """Write a label at a box of the unscaled image, in a smaller font if necessary, or omit it."""
        scaled = [v * self.output.scale for v in box]
        if not all(map(math.isfinite, scaled)):
            return
        for size in self._label_font_sizes():
            position = self._labels.place_at_box(scaled, self._label_size(text, size))
            if position is not None:
                self._write(text, *position, size, color)
                return

    def _place_label_in_mask(self, text: str, left: int, top: int, crop: np.ndarray, color: Rgb) -> None:
        x, y = visual_center(crop)
        x, y = (left + x) * self.output.scale, (top + y) * self.output.scale
        for size in self._label_font_sizes():
            position = self._labels.place_at_point(x, y, self._label_size(text, size))
            if position is not None:
                self._write(text, *position, size, color)
                return

    def _label_font_sizes(self) -> tuple[float, ...]:
        normal = self.font_size * self.output.scale
        return (normal, normal * 0.8) if normal * 0.8 >= 8 else (normal,)


def rotated_corners(rotated_box: Sequence[float]) -> np.ndarray:
    """Return the corners of a rotated box, (4, 2) float64.

    The first corner is the upper left corner before rotation; the others follow clockwise as displayed.

    Args:
        rotated_box: (x_center, y_center, width, height, angle in degrees counter-clockwise).
    """
    x, y, width, height, degrees = (float(v) for v in rotated_box)
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    local = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (width / 2, height / 2)
    # The y axis points downwards, so that a counter-clockwise rotation is (x cos + y sin, y cos - x sin).
    with np.errstate(invalid="ignore"):  # Boxes with NaN or infinite coordinates are not drawn.
        return np.stack([x + local[:, 0] * cos + local[:, 1] * sin, y - local[:, 0] * sin + local[:, 1] * cos], axis=1)


def _softened(opacity: np.ndarray) -> np.ndarray:
    """Return the average of an opacity map (uint8) and its 3 x 3 box blur; the outermost pixels are not changed.

    The average smooths borders and keeps single pixels visible.
    """
    wide = opacity.astype(np.uint16)
    rows = wide[:-2] + wide[1:-1] + wide[2:]
    sums = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
    wide[1:-1, 1:-1] = (wide[1:-1, 1:-1] * np.uint16(9) + sums + np.uint16(9)) // np.uint16(18)
    return wide.astype(np.uint8)
