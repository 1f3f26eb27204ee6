"""Tests of the drawing primitives, label placement, colours and output image."""

import numpy as np
import pytest

from detectory.visualization import VisImage, Visualizer, colormap, random_color, random_colors
from detectory.visualization.drawing.canvas import dashes
from detectory.visualization.drawing.colors import to_rgb
from detectory.visualization.drawing.label_placement import LabelPlacer

WHITE = np.full((100, 200, 3), 255, np.uint8)


def ink(output):
    return 255 - output.get_image().astype(int)


def test_the_coverage_of_a_polygon_equals_its_area():
    triangle = np.array([[10.0, 10], [150, 20], [30, 90]])
    canvas = VisImage(WHITE).canvas
    canvas.fill_polygons([triangle], (0.0, 0.0, 0.0))
    area = 0.5 * abs(np.linalg.det(np.stack([triangle[1] - triangle[0], triangle[2] - triangle[0]])))
    assert (255 - np.array(canvas.image)[:, :, 0].astype(int)).sum() / 255 == pytest.approx(area, rel=0.01)


def test_slanted_lines_are_anti_aliased():
    values = np.unique(ink(Visualizer(WHITE).draw_line([10, 190], [10, 60], "k", linewidth=2))[:, :, 0])
    assert len(values) > 8


def test_shapes_that_span_several_tiles_have_no_seams():
    drawn = Visualizer(np.full((1100, 1200, 3), 255, np.uint8))
    drawn.output.canvas.fill_polygons(
        [np.array([[-50.0, -50], [1250, -50], [1250, 1150], [-50, 1150]])], (1.0, 0, 0), 0.5
    )
    assert len(np.unique(drawn.output.get_image().reshape(-1, 3), axis=0)) == 1


def test_borders_of_upright_boxes_are_aligned_to_pixels():
    values = np.unique(ink(Visualizer(WHITE).draw_box((20.3, 20.7, 80.2, 60.1), alpha=1, edge_color="k")))
    assert values.tolist() == [0, 255]


def test_dashes_have_gaps_and_follow_corners():
    pieces = dashes(np.array([[0.0, 0], [8, 0], [8, 12]]), 1.0, "--")
    total = sum(np.hypot(*np.diff(piece, axis=0).T).sum() for piece in pieces)
    assert total == pytest.approx(20 * 3.7 / 5.3, abs=2)
    assert any(len(piece) == 3 for piece in pieces)


@pytest.mark.parametrize("position", [(-50, -50), (199, 99), (100, 200), (400, 50)])
@pytest.mark.parametrize("rotation", [0, 45])
def test_text_stays_inside_the_image(position, rotation):
    clamped = ink(Visualizer(WHITE).draw_text("some label", position, rotation=rotation)) > 0
    unclamped = ink(Visualizer(WHITE).draw_text("some label", (100, 40), rotation=rotation)) > 0
    assert clamped.sum() == pytest.approx(unclamped.sum(), rel=0.02)


def test_text_follows_the_horizontal_alignment():
    def middle(alignment):
        return np.nonzero(ink(Visualizer(WHITE).draw_text("x", (100, 40), horizontal_alignment=alignment)))[1].mean()

    assert middle("right") < middle("center") < middle("left")
    assert middle("center") == pytest.approx(100, abs=1.5)


def test_labels_do_not_cover_each_other():
    placer = LabelPlacer(300, 100)
    positions = [placer.place_at_box((100, 50, 140, 80), (40, 12)) for _ in range(9)]
    placed = [position for position in positions if position is not None]
    overlaps = [
        max(min(a[0], b[0]) + 40 - max(a[0], b[0]), 0) * max(min(a[1], b[1]) + 12 - max(a[1], b[1]), 0)
        for i, a in enumerate(placed)
        for b in placed[:i]
    ]
    assert len(placed) >= 4
    assert max(overlaps) <= 0.12 * 40 * 12


def test_a_long_label_does_not_cover_a_short_label():
    placer = LabelPlacer(400, 100)
    x, y = placer.place_at_box((100, 50, 140, 80), (20, 12))
    left, top = placer.place_at_box((112, 50, 340, 80), (200, 12))
    overlap = max(min(x + 20, left + 200) - max(x, left), 0) * max(min(y + 12, top + 12) - max(y, top), 0)
    assert overlap <= 0.12 * 20 * 12


def test_a_label_without_space_is_omitted():
    placer = LabelPlacer(50, 14)
    assert placer.place_at_box((0, 0, 50, 14), (48, 14)) is not None
    assert placer.place_at_box((0, 0, 50, 14), (48, 14)) is None


@pytest.mark.parametrize(
    ("color", "expected"),
    [
        ("g", (0, 0.5, 0)),
        ("red", (1, 0, 0)),
        ("#00f", (0, 0, 1)),
        ("#00ff0080", (0, 1, 0)),
        ("0.5", (0.5, 0.5, 0.5)),
        ("C1", (1, 127 / 255, 14 / 255)),
        ("tab:blue", (31 / 255, 119 / 255, 180 / 255)),
        ((0.1, 0.2, 0.3, 0.4), (0.1, 0.2, 0.3)),
        (np.array([1, 0, 0], np.float32), (1, 0, 0)),
    ],
    ids=str,
)
def test_to_rgb_parses_every_notation(color, expected):
    assert to_rgb(color) == pytest.approx(expected)


def test_colormap_has_eighty_distinct_colours_in_rgb_and_bgr_order():
    colors = colormap(rgb=True)
    assert len(np.unique(colors, axis=0)) == 80
    assert (colors[:, ::-1] == colormap()).all()
    assert colormap(maximum=1).max() <= 1


def test_random_colors_are_distinct_colours_of_the_palette():
    known = {tuple(color) for color in colormap().tolist()}
    colors = random_colors(80).tolist()
    assert {tuple(color) for color in colors} == known
    assert tuple(random_color().tolist()) in known
    assert random_colors(0).shape == (0, 3)


def test_rejects_an_invalid_maximum():
    with pytest.raises(ValueError, match="maximum must be 255 or 1, got 2"):
        colormap(maximum=2)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_save_writes_the_format_of_the_file_suffix(tmp_path, suffix):
    from PIL import Image

    VisImage(WHITE).save(tmp_path / "new" / f"image.{suffix}")
    with Image.open(tmp_path / "new" / f"image.{suffix}") as image:
        assert image.size == (200, 100)


def test_reset_image_discards_drawings():
    output = Visualizer(WHITE).draw_box((10, 10, 50, 50))
    output.reset_image(WHITE)
    assert (output.get_image() == 255).all()
