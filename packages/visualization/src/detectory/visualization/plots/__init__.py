"""Line, bar, histogram and matrix plots as self-contained SVG strings."""

from .bars import bar_plot, histogram_plot
from .lines import line_plot, precision_recall_plot
from .matrix import matrix_plot
from .raster import plot_image

__all__ = ["bar_plot", "histogram_plot", "line_plot", "matrix_plot", "plot_image", "precision_recall_plot"]
