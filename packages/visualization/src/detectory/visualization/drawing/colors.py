"""Parsing of colours, changes of their lightness, and variations of a colour."""

import colorsys
from collections.abc import Sequence

import numpy as np
from PIL import ImageColor

Color = str | Sequence[float] | np.ndarray
Rgb = tuple[float, float, float]

OFF_WHITE: Rgb = (1.0, 1.0, 240 / 255)

_LETTERS = {
    "b": (0, 0, 1),
    "g": (0, 0.5, 0),
    "r": (1, 0, 0),
    "c": (0, 0.75, 0.75),
    "m": (0.75, 0, 0.75),
    "y": (0.75, 0.75, 0),
    "k": (0, 0, 0),
    "w": (1, 1, 1),
}
_TABLEAU = (
    "#1f77b4",
    "#ff7f0e",
    "#2ca02c",
    "#d62728",
    "#9467bd",
    "#8c564b",
    "#e377c2",
    "#7f7f7f",
    "#bcbd22",
    "#17becf",
)
_TABLEAU_NAMES = ("blue", "orange", "green", "red", "purple", "brown", "pink", "gray", "olive", "cyan")


def to_rgb(color: Color) -> Rgb:
    """Parse a colour in any notation of CSS or matplotlib.

    Args:
        color: A letter of `bgrcmykw`; a CSS name; `#rgb`, `#rrggbb` or `#rrggbbaa`; `C0` to `C9`; a name such as
            `tab:blue`; a gray level in [0, 1] as a string (`"0.5"`); or three or four numbers in [0, 1]. Opacity is
            ignored.

    Returns:
        Red, green and blue in [0, 1].

    Raises:
        ValueError: If the notation is not supported.
    """
    if not isinstance(color, str):
        values = [float(v) for v in np.asarray(color, dtype=np.float64).ravel()]
        if len(values) not in (3, 4) or not all(-1e-6 <= v <= 1 + 1e-6 for v in values):
            raise ValueError(f"to_rgb: color must be three or four numbers in [0, 1], got {values}")
        red, green, blue = (min(max(v, 0.0), 1.0) for v in values[:3])
        return red, green, blue
    if color in _LETTERS:
        return _LETTERS[color]
    if len(color) == 2 and color[0] == "C" and color[1].isdigit():
        return to_rgb(_TABLEAU[int(color[1])])
    if color.startswith("tab:") and color[4:] in _TABLEAU_NAMES:
        return to_rgb(_TABLEAU[_TABLEAU_NAMES.index(color[4:])])
    if color.replace(".", "", 1).isdigit() and 0 <= float(color) <= 1:
        return (float(color),) * 3
    try:
        red, green, blue = ImageColor.getrgb(color)[:3]
    except ValueError as error:
        notations = "a CSS name, one of bgrcmykw, '#rrggbb', 'C0', 'tab:blue' or '0.5'"
        raise ValueError(f"to_rgb: color must be {notations}, got {color!r}") from error
    return red / 255, green / 255, blue / 255


def with_lightness(color: Rgb, factor: float) -> Rgb:
    """Multiply the HLS lightness of a colour by `1 + factor`, with `factor` in [-1, 1], and clip it to [0, 1]."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*color)
    return colorsys.hls_to_rgb(hue, min(max(lightness * (1 + factor), 0.0), 1.0), saturation)


def readable_on_dark(color: Rgb) -> Rgb:
    """Lighten a text colour until it is readable on a black plate, that is, its relative luminance is at least 0.35."""
    for fraction in (0.0, 0.15, 0.3, 0.45, 0.6, 0.75):
        red, green, blue = (v + (1 - v) * fraction for v in color)
        if 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2 >= 0.35:
            break
    return red, green, blue


def varied(color: Rgb, index: int) -> Rgb:
    """Return a deterministic variation of the colour for each index; index 0 is the colour itself."""
    # The fractional parts of multiples of an irrational number are spread evenly over [0, 1) for any count.
    steps = ((index * 0.6180339887) % 1, (index * 0.7548776662) % 1, (index * 0.5698402910) % 1)
    moved = [min(max(v + 0.3 * (step - 0.5), 0.0), 1.0) for v, step in zip(color, steps, strict=True)]
    return color if index == 0 else (moved[0], moved[1], moved[2])


def as_bytes(color: Rgb) -> tuple[int, int, int]:
    """Convert red, green and blue in [0, 1] to integers in [0, 255]."""
    red, green, blue = (round(255 * v) for v in color)
    return red, green, blue
