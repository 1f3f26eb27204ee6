import numpy as np
import pytest
from PIL import Image

from detectory.data.images import ImageReadError, convert_image_to_rgb, read_image
from detectory.data.images import reading as images_module

PIXELS = np.random.default_rng(0).integers(0, 255, (30, 40, 3), dtype=np.uint8)


def saved(folder, name, image=None, **kwargs):
    (Image.fromarray(PIXELS) if image is None else image).save(folder / name, **kwargs)
    return folder / name


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.bmp", "a.tif"])
def test_pixels_equal_those_of_pillow(tmp_path, name):
    path = saved(tmp_path, name)
    expected = np.asarray(Image.open(path).convert("RGB"))
    np.testing.assert_array_equal(read_image(path, "RGB"), expected)
    np.testing.assert_array_equal(read_image(path, "BGR"), expected[:, :, ::-1])
    assert read_image(path, "BGR").flags.c_contiguous


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "RGBA", "LA", "1"])
def test_other_modes_are_converted_to_rgb(tmp_path, mode):
    path = saved(tmp_path, "a.tif", Image.fromarray(PIXELS).convert(mode))
    np.testing.assert_array_equal(read_image(path, "RGB"), np.asarray(Image.open(path).convert("RGB")))


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_jpeg_files_of_other_modes_are_read(tmp_path, mode):
    path = saved(tmp_path, "a.jpg", Image.fromarray(PIXELS).convert(mode))
    assert read_image(path, "BGR").shape == (30, 40, 3)
    assert read_image(path, "L").shape == (30, 40, 1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path, "a.jpg", exif=exif)
    assert read_image(path, "RGB").shape[:2] == ((40, 30) if orientation > 4 else (30, 40))


def test_16_bit_greyscale_is_scaled_unless_format_is_none(tmp_path):
    deep = np.array([[0, 256, 65535]], np.uint16)
    path = saved(tmp_path, "a.png", Image.fromarray(deep))
    assert read_image(path, "L")[:, :, 0].tolist() == [[0, 1, 255]]
    assert read_image(path).tolist() == deep.tolist()


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_npy_files_with_many_channels_are_read(tmp_path, dtype):
    array = np.arange(2 * 3 * 7, dtype=dtype).reshape(2, 3, 7)
    np.save(tmp_path / "a.npy", array)
    np.testing.assert_array_equal(read_image(tmp_path / "a.npy"), array)


def test_float_tiff_keeps_its_dtype(tmp_path):
    path = saved(tmp_path, "a.tif", Image.fromarray(np.array([[0.5, 2.5]], np.float32)))
    assert read_image(path).tolist() == [[0.5, 2.5]]


def test_yuv_is_converted_back_to_rgb(tmp_path):
    path = saved(tmp_path, "a.png")
    back = convert_image_to_rgb(read_image(path, "YUV-BT.601"), "YUV-BT.601")
    assert np.abs(back.astype(int) - PIXELS).max() <= 2


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_rejects_truncated_image(tmp_path, name):
    path = saved(tmp_path, name)
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(ImageReadError, match=rf"{name}: the image is damaged"):
        read_image(path, "RGB")


def test_rejects_files_that_are_not_images(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"hello")
    with pytest.raises(ImageReadError, match=r"a\.jpg: not an image format that Pillow supports"):
        read_image(tmp_path / "a.jpg", "RGB")


def test_rejects_arrays_with_pickled_objects(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ImageReadError, match=r"a\.npy: not a NumPy array file"):
        read_image(tmp_path / "a.npy")


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_rejects_decompression_bomb_before_decoding(tmp_path, monkeypatch, name):
    monkeypatch.setattr(images_module, "MAX_PIXELS", 1000)
    with pytest.raises(ImageReadError, match="must have at most 1000 pixels, got 40 x 30"):
        read_image(saved(tmp_path, name), "RGB")


def test_returns_other_pillow_modes_on_request(tmp_path):
    path = saved(tmp_path, "a.jpg")
    np.testing.assert_array_equal(read_image(path, "HSV"), np.asarray(Image.open(path).convert("HSV")))


def test_rejects_an_unknown_format(tmp_path):
    with pytest.raises(ValueError, match=r"format must be one of BGR, YUV-BT\.601, RGB, .* or None, got 'XYZ'"):
        read_image(saved(tmp_path, "a.png"), "XYZ")
