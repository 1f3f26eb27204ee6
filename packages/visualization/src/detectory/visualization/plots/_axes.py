"""Axes of a plot as SVG elements: ranges, ticks, grid, labels and legend."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

SERIES_COLORS = ("#2f7ed8", "#e4572e", "#17a673", "#e0a100", "#7a5cd6", "#d6568f", "#1ba3b8", "#8a6d3b")

#: Approximate width of a character in SVG units.
CHARACTER_WIDTH = 7.0
_LEGEND_LINE_HEIGHT = 18
_MAX_NAME_LENGTH = 48

# `--ink` and the other variables are defined by the page that contains the plot. The fallback values are used if the
# SVG file is opened directly: then `:root` is the svg element, and the colours follow the light or dark theme.
_STYLE = (
    ".dt-plot{font:12px system-ui,-apple-system,'Segoe UI',sans-serif;width:100%;height:auto;display:block}"
    ".dt-plot text{fill:var(--ink-2,#555)}"
    ".dt-plot .dt-title{fill:var(--ink,#1d1f24);font-size:14px;font-weight:600}"
    ".dt-plot .dt-grid{stroke:var(--line,#e3e5ea);stroke-width:1}"
    ".dt-plot .dt-axis{stroke:var(--ink-3,#9aa0ac);stroke-width:1}"
    "@media (prefers-color-scheme:dark){svg.dt-plot:root{--ink:#f0f1f4;--ink-2:#b6bac4;--ink-3:#6d7380;--line:#30343d;"
    "background:#16181d}}"
)


def series_color(index: int) -> str:
    """Return the hex colour of a series; the eight colours repeat."""
    return SERIES_COLORS[index % len(SERIES_COLORS)]


def format_number(value: float) -> str:
    """Format a number with at most four significant digits, such as `0.5`, `12.3`, `1.2e-05` or `25k`."""
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 10_000:
        for limit, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
            if size >= limit:
                return f"{value / limit:.4g}{suffix}"
    return f"{value:.4g}"


def linear_ticks(low: float, high: float, count: int = 6) -> list[float]:
    """Return about `count` ticks in [low, high]; their spacing is 1, 2 or 5 times a power of ten."""
    rough = (high - low) / max(count - 1, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = min((m * power for m in (1, 2, 5, 10)), key=lambda s: abs(s - rough))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(k * step, 12) for k in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Return the powers of ten in [low, high]; for a range of few powers also their multiples by 2 and 5."""
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1, 2, 5) if len(exponents) <= 3 else (1,)
    return [f * 10.0**e for e in exponents for f in factors if low <= f * 10.0**e <= high]


def data_range(values: Iterable[float], pad: float = 0.05) -> tuple[float, float]:
    """Return the range of the finite values, extended by the fraction `pad`; (0, 1) if there are no finite values."""
    finite = [v for v in values if math.isfinite(v)]
    if not finite:
        return 0.0, 1.0
    low, high = min(finite), max(finite)
    margin = (high - low) * pad or abs(high) * 0.1 or 1.0
    return (0.0 if 0 <= low < 0.3 * high else low - margin), high + margin


@dataclass(frozen=True)
class Axes:
    """Mapping of data to SVG coordinates, and the SVG elements of axes and legend.

    Args:
        x_range: (low, high) data values of the x axis.
        y_range: (low, high) data values of the y axis.
        width: Width of the plot in SVG units.
        height: Height of the plot in SVG units.
        log_y: Whether the y axis is logarithmic, which requires a positive `y_range`.
        left: Left margin in SVG units.
        right: Right margin in SVG units.
        top: Top margin in SVG units.
        bottom: Bottom margin in SVG units.
    """

    x_range: tuple[float, float]
    y_range: tuple[float, float]
    width: int
    height: int
    log_y: bool = False
    left: int = 56
    right: int = 16
    top: int = 40
    bottom: int = 46

    def x(self, value: float) -> float:
        """Return the SVG x coordinate of a data value."""
        low, high = self.x_range
        return self.left + (value - low) / (high - low) * (self.width - self.left - self.right)

    def y(self, value: float) -> float:
        """Return the SVG y coordinate of a data value."""
        low, high = self.y_range
        if self.log_y:
            value, low, high = math.log10(max(value, low)), math.log10(low), math.log10(high)
        return self.height - self.bottom - (value - low) / (high - low) * (self.height - self.top - self.bottom)

    def frame(self, x_label: str, y_label: str) -> list[str]:
        """Return the elements of the grid lines, tick labels and axis labels."""
        right, bottom = self.width - self.right, self.height - self.bottom
        parts = []
        for tick in log_ticks(*self.y_range) if self.log_y else linear_ticks(*self.y_range):
            y = self.y(tick)
            parts.append(f'<line class="dt-grid" x1="{self.left}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}"/>')
            parts.append(text(self.left - 8, y + 4, format_number(tick), anchor="end"))
        x_ticks = linear_ticks(*self.x_range, count=7)
        parts += [text(self.x(tick), bottom + 18, format_number(tick), anchor="middle") for tick in x_ticks]
        parts.append(f'<line class="dt-axis" x1="{self.left}" y1="{bottom}" x2="{right}" y2="{bottom}"/>')
        parts.append(text((self.left + right) / 2, self.height - 8, x_label, anchor="middle"))
        middle = (self.top + bottom) / 2
        y_label = shorten_to(y_label, bottom - self.top + 32)
        parts.append(text(14, middle, y_label, anchor="middle", extra=f' transform="rotate(-90 14 {middle:.1f})"'))
        return parts

    def legend(self, names: Sequence[str]) -> list[str]:
        """Return the elements of the legend at the top right; no elements for a single series without a name."""
        rows, parts, index = legend_rows(names, self.width), [], 0
        for line, row in enumerate(rows):
            x = self.width - self.right - sum(map(_legend_width, row))
            y = self.top - 14 - _LEGEND_LINE_HEIGHT * (len(rows) - 1 - line)
            for name in row:
                parts.append(f'<circle cx="{x + 6:.1f}" cy="{y}" r="4.5" fill="{series_color(index)}"/>')
                parts.append(text(x + 15, y + 4, name))
                x, index = x + _legend_width(name), index + 1
        return parts


def legend_rows(names: Sequence[str], width: int) -> list[list[str]]:
    """Split the names of series into the lines of the legend of a plot of this width; long names are truncated."""
    if len(names) < 2 and not any(names):
        return []
    rows: list[list[str]] = [[]]
    for name in names:
        short = name if len(name) <= _MAX_NAME_LENGTH else name[: _MAX_NAME_LENGTH - 1] + "…"
        if rows[-1] and sum(map(_legend_width, [*rows[-1], short])) > width - Axes.left - Axes.right:
            rows.append([])
        rows[-1].append(short)
    return rows


def top_margin(names: Sequence[str], width: int) -> int:
    """Return the height above a plot that its title and legend need."""
    return 40 + _LEGEND_LINE_HEIGHT * len(legend_rows(names, width))


def _legend_width(name: str) -> float:
    return CHARACTER_WIDTH * len(name) + 28


def left_margin(y_range: tuple[float, float], log_y: bool = False) -> int:
    """Return the width to the left of a plot that the labels of its y axis need."""
    ticks = log_ticks(*y_range) if log_y else linear_ticks(*y_range)
    widest = max((len(format_number(tick)) for tick in ticks), default=0)
    return max(Axes.left, 28 + math.ceil(CHARACTER_WIDTH * widest))


def shorten_to(content: str, width: float) -> str:
    """Return a text that fits into a width in SVG units, with an ellipsis at its end if it was truncated."""
    count = max(int(width / CHARACTER_WIDTH), 2)
    return content if len(content) <= count else f"{content[: count - 1].rstrip()}…"


def text(x: float, y: float, content: str, *, anchor: str = "start", css: str = "", extra: str = "") -> str:
    """Return an SVG text element, or an empty string for empty content."""
    if not content:
        return ""
    css = f' class="{css}"' if css else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{css}{extra}>{escape(content)}</text>'


def document(width: int, height: int, title: str, parts: Iterable[str]) -> str:
    """Return a complete SVG document with style and title."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" class="dt-plot" viewBox="0 0 {width} {height}" role="img"'
    label = f' aria-label="{escape(title)}"' if title else ""
    heading = text(16, 20, title, css="dt-title")
    return f"{head}{label}><style>{_STYLE}</style>{heading}{''.join(parts)}</svg>"
