"""Suffixes, orientation and optional formats of image files."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from detectory.data.images import (
    IMAGE_SUFFIXES,
    ImageReadError,
    image_size_of_file,
    images_below,
    pillow_files,
    read_image,
)

PIXELS = np.zeros((32, 48, 3), np.uint8)
PIXELS[:16, :16], PIXELS[16:, 32:] = (250, 20, 20), (20, 20, 250)
TURNS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SAVE_OPTIONS = {
    "a.jpg": {"quality": 95},
    "a.png": {},
    "a.webp": {"lossless": True},
    "a.tif": {},
    "a.tiff": {"compression": "tiff_lzw"},
}


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("name", SAVE_OPTIONS)
def test_orientation_is_applied_once(tmp_path, name, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(PIXELS).save(tmp_path / name, exif=exif, **SAVE_OPTIONS[name])
    turn, image = TURNS[orientation], Image.fromarray(PIXELS)
    expected = np.asarray(image if turn is None else image.transpose(turn)).astype(int)
    pixels = read_image(tmp_path / name, "RGB")
    assert pixels.shape == expected.shape
    assert np.abs(pixels - expected).mean() < 3
    assert image_size_of_file(tmp_path / name) == expected.shape[:2]


@pytest.mark.parametrize("orientation", TURNS)
def test_orientation_of_tiff_files_beyond_pillow_is_applied_once(tmp_path, orientation):
    tifffile = pytest.importorskip("tifffile")
    deep = PIXELS.astype(np.uint16) * 257
    tag = (274, "H", 1, orientation, True)
    tifffile.imwrite(tmp_path / "a.tif", deep, photometric="rgb", extratags=[tag])
    turn, image = TURNS[orientation], Image.fromarray(PIXELS)
    expected = np.asarray(image if turn is None else image.transpose(turn))
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", "RGB"), expected)
    assert image_size_of_file(tmp_path / "a.tif") == expected.shape[:2]


@pytest.mark.parametrize(
    ("name", "image_format"),
    [("a.jfif", "JPEG"), ("a.mpo", "MPO"), ("a.avif", "AVIF"), ("a.jp2", "JPEG2000"), ("a.JPG", "JPEG")],
)
def test_less_common_suffixes_are_images(tmp_path, name, image_format):
    feature = {"AVIF": "avif", "JPEG2000": "jpg_2000"}.get(image_format)
    if feature and not features.check(feature):
        pytest.skip(f"Pillow without {image_format}")
    Image.fromarray(PIXELS).save(tmp_path / name, image_format)
    assert images_below(tmp_path) == [tmp_path / name]
    assert image_size_of_file(tmp_path / name) == (32, 48)
    assert np.abs(read_image(tmp_path / name, "RGB").astype(int) - PIXELS).mean() < 20


def test_heic_without_its_extra_names_the_command(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    pillow_files._has_heic_plugin.cache_clear()
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    for read in (read_image, image_size_of_file):
        with pytest.raises(ImageReadError, match=r"a\.heic: .* pip install 'detectory-data\[heic\]'"):
            read(tmp_path / "a.heic")
    pillow_files._has_heic_plugin.cache_clear()


def test_heic_images_are_read(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")
    pillow_heif.from_pillow(Image.fromarray(PIXELS)).save(tmp_path / "a.heic", quality=95)
    assert image_size_of_file(tmp_path / "a.heic") == (32, 48)
    assert np.abs(read_image(tmp_path / "a.heic", "RGB").astype(int) - PIXELS).mean() < 20


def test_documentation_lists_all_suffixes():
    page = (Path(__file__).parents[3] / "docs/tasks/data.md").read_text()
    sentence = page.partition("## Images\n")[2].partition(" are\n")[0]
    assert sorted(re.findall(r"`(\.\w+)`", sentence)) == sorted(IMAGE_SUFFIXES)
