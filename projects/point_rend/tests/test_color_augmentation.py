"""SSD's colour augmentation."""

import numpy as np
import pytest

from detectory.projects.point_rend import ColorAugSSDTransform


def test_ssd_augmentation_changes_colours_but_not_coordinates():
    image = np.random.default_rng(0).integers(0, 256, (8, 9, 3), dtype=np.uint8)
    transform = ColorAugSSDTransform("RGB")
    changed = [transform.apply_image(image) for _ in range(20)]
    assert all(one.shape == image.shape and one.dtype == np.uint8 for one in changed)
    assert len({one.tobytes() for one in changed}) > 10
    assert transform.apply_segmentation(image) is image
    assert transform.inverse().apply_coords(image) is image
    with pytest.raises(ValueError, match="img_format must be 'BGR' or 'RGB', got 'L'"):
        ColorAugSSDTransform("L")


@pytest.mark.parametrize("order", ["BGR", "RGB"])
def test_hue_change_respects_the_channel_order(order, monkeypatch):
    monkeypatch.setattr(np.random, "random", lambda: 0.4)
    monkeypatch.setattr(np.random, "uniform", lambda low, high: {-60: 60, -32: 0}.get(low, 1))
    red = np.zeros((1, 1, 3), np.uint8)
    red[..., order.index("R")] = 255
    green = ColorAugSSDTransform(order, hue_delta=60).apply_image(red)
    assert green[0, 0].argmax() == order.index("G")
