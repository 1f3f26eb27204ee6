"""Images with more than 8 bits per channel: scaled by a rule, or rejected by name."""

import numpy as np
import pytest
from PIL import Image

from detectory.data.images import ImageReadError, read_image, scale_to_uint8
from detectory.data.validation import check_dataset

RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)
SCALED = {
    "int32 with 8-bit values": (RAMP.astype(np.int32), RAMP),
    "uint16 with 8-bit values": (RAMP.astype(np.uint16), RAMP),
    "uint16 with 12-bit values": (RAMP.astype(np.uint16) * 16 + 15, RAMP),
    "uint16 with 16-bit values": (RAMP.astype(np.uint16) * 256 + 255, RAMP),
    "int32 with 16-bit values": (RAMP.astype(np.int32) * 256 + 255, RAMP),
    "float32 up to 1": (RAMP.astype(np.float32) / 255, RAMP),
    "float32 up to 255": (RAMP.astype(np.float32), RAMP),
    "float32 up to 65535": (RAMP.astype(np.float32) * 257, RAMP),
}


def tiff(folder, pixels):
    Image.fromarray(pixels).save(folder / "a.tif")
    return folder / "a.tif"


@pytest.mark.parametrize(("pixels", "expected"), SCALED.values(), ids=SCALED)
def test_deep_grey_is_scaled_to_8_bits(tmp_path, pixels, expected):
    path = tiff(tmp_path, pixels)
    np.testing.assert_array_equal(read_image(path, "L")[:, :, 0], expected)
    np.testing.assert_array_equal(read_image(path, "BGR"), np.stack([expected] * 3, axis=2))
    np.testing.assert_array_equal(read_image(path), pixels)


@pytest.mark.parametrize(
    "pixels",
    [np.array([[-1, 5]], np.int32), np.array([[0, 70000]], np.int32), np.array([[-0.5, 0.5]], np.float32)],
    ids=["negative integers", "more than 16 bits", "negative floats"],
)
def test_rejects_deep_pixels_without_a_rule_by_name(tmp_path, pixels):
    with pytest.raises(ImageReadError, match=r"a\.tif: pixels of type .* must be finite and in \[0, 65535\], got"):
        read_image(tiff(tmp_path, pixels), "RGB")


def test_rejects_pixels_that_are_not_finite():
    with pytest.raises(ImageReadError, match="image 7: pixels of type float32 must be finite"):
        scale_to_uint8(np.array([0, np.nan], np.float32), "image 7")


def test_data_check_reports_pixels_that_cannot_be_scaled(tmp_path):
    tiff(tmp_path, np.array([[-1.0, 5.0]], np.float32))
    (tmp_path / "a.txt").write_text("0 0.5 0.5 0.9 0.9\n")
    (tmp_path / "classes.txt").write_text("cell\n")
    (problem,) = (problem for problem in check_dataset(tmp_path) if problem.rule == "damaged-image")
    assert problem.message.startswith("pixels of type float32 must be finite and in [0, 65535], got -1 to 5")


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_deep_rgb_is_scaled_to_8_bits(tmp_path, dtype):
    tifffile = pytest.importorskip("tifffile")
    pixels = np.stack([RAMP, RAMP // 2, RAMP // 4], axis=2)
    deep = pixels.astype(dtype) * 256 if dtype == np.uint16 else pixels.astype(dtype) / 255
    tifffile.imwrite(tmp_path / "a.tif", deep, photometric="rgb")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", "RGB"), pixels)
