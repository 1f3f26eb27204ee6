"""Time to draw 100 instances with masks, boxes and labels on an 800 x 1200 image, compared with matplotlib."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle

from detectory.visualization import Visualizer, colormap

HEIGHT, WIDTH, COUNT = 800, 1200, 100
COLORS = colormap(rgb=True, maximum=1)


def instances():
    """Return a random image, and blobs of 40 to 240 pixels as polygons, boxes and labels."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (HEIGHT // 20, WIDTH // 20, 3)).repeat(20, axis=0).repeat(20, axis=1)
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    polygons = []
    for _ in range(COUNT):
        radius = rng.uniform(20, 120) * (1 + 0.2 * np.sin(angles * rng.integers(2, 6)))
        center = rng.uniform([0, 0], [WIDTH, HEIGHT])
        points = center + radius[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        polygons.append(points.clip([0, 0], [WIDTH, HEIGHT]))
    boxes = np.array([[*p.min(axis=0), *p.max(axis=0)] for p in polygons])
    return image.astype(np.uint8), polygons, boxes, [f"object {i}%" for i in range(COUNT)]


def rasterised(polygons):
    from PIL import Image, ImageDraw

    masks = np.zeros((COUNT, HEIGHT, WIDTH), bool)
    for mask, polygon in zip(masks, polygons, strict=True):
        bitmap = Image.new("1", (WIDTH, HEIGHT))
        ImageDraw.Draw(bitmap).polygon([tuple(point) for point in polygon.tolist()], fill=1)
        mask[:] = np.array(bitmap)
    return masks


def draw_with_matplotlib(image, polygons, boxes, labels):
    figure = Figure((WIDTH / 100, HEIGHT / 100), dpi=100)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.axis("off")
    axes.imshow(image, extent=(0, WIDTH, HEIGHT, 0), interpolation="nearest")
    axes.set(xlim=(0, WIDTH), ylim=(HEIGHT, 0))
    for index in np.argsort(-(boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).tolist():
        color, (x1, y1, x2, y2) = tuple(COLORS[index % len(COLORS)]), boxes[index]
        axes.add_patch(Polygon(polygons[index], facecolor=(*color, 0.5), edgecolor=color, linewidth=1))
        axes.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor=color, linewidth=2, alpha=0.8))
        plate = {"facecolor": "black", "alpha": 0.8, "pad": 0.7, "edgecolor": "none"}
        axes.text(x1, y1, labels[index], size=10, color=color, va="top", bbox=plate, zorder=10)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:, :, :3]


def draw_with_detectory(image, masks, boxes, labels):
    return Visualizer(image).overlay_instances(boxes=boxes, masks=masks, labels=labels).get_image()


@pytest.mark.parametrize("implementation", ["detectory", "matplotlib"])
@pytest.mark.parametrize("shapes", ["masks", "polygons"])
def test_draw_100_instances(benchmark, implementation, shapes):
    benchmark.group = f"draw 100 instances with {shapes} on 800x1200"
    image, polygons, boxes, labels = instances()
    expected = draw_with_matplotlib(image, polygons, boxes, labels).astype(int)
    if implementation == "matplotlib":
        # Matplotlib draws the polygons in both cases; the time to trace the outlines of masks is not included.
        drawn = benchmark(draw_with_matplotlib, image, polygons, boxes, labels)
    else:
        masks = rasterised(polygons) if shapes == "masks" else [[p.reshape(-1)] for p in polygons]
        drawn = benchmark(draw_with_detectory, image, masks, boxes, labels)
    assert np.abs(drawn.astype(int) - expected).mean() < 30  # Labels are at different positions.
