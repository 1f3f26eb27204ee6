"""Predictor accepts paths, bytes, Pillow images, arrays and tensors, and names what it refuses."""

import io
import threading

import numpy as np
import pytest
import torch
from PIL import Image
from tests.modeling import tiny_models

from detectory.data.classes import ClassList
from detectory.data.transforms import ResizeShortestEdge
from detectory.engine import Predictor
from detectory.engine.inference.image_input import image_pixels

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
GREY = PIXELS[:, :, 0]


def encoded(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (PIXELS, PIXELS),
        (np.dstack([PIXELS, GREY]), PIXELS),
        (GREY, np.dstack([GREY] * 3)),
        (GREY[:, :, None], np.dstack([GREY] * 3)),
        (PIXELS.astype(np.uint16) * 257, PIXELS),
        (PIXELS / 255, PIXELS),
        (torch.from_numpy(PIXELS).permute(2, 0, 1), PIXELS),
        (torch.from_numpy(PIXELS).permute(2, 0, 1) / 255, PIXELS),
        (torch.from_numpy(GREY)[None], np.dstack([GREY] * 3)),
        (encoded(PIXELS), PIXELS),
        (Image.fromarray(PIXELS), PIXELS),
        (Image.fromarray(GREY), np.dstack([GREY] * 3)),
        (Image.fromarray(np.dstack([PIXELS, GREY])), PIXELS),
    ],
    ids=[
        *("rgb", "rgba", "grey", "grey_channel", "uint16", "float", "tensor", "float_tensor", "grey_tensor"),
        *("bytes", "pillow", "pillow_grey", "pillow_rgba"),
    ],
)
@pytest.mark.parametrize("order", ["RGB", "BGR"])
def test_pixels_of_every_source(image, expected, order):
    result = image_pixels(image, order)
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(result, expected[:, :, ::-1] if order == "BGR" else expected)


def test_the_orientation_of_pillow_images_is_applied():
    image = Image.fromarray(PIXELS)
    image.getexif()[0x0112] = 6
    assert image_pixels(image, "RGB").shape == (8, 6, 3)


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        (np.zeros((0, 3, 3), np.uint8), ValueError, r"must not be empty, got shape \(0, 3, 3\)"),
        (np.zeros((3, 8, 8), np.uint8), ValueError, r"got \(3, 8, 8\)\. Arrays are \(H, W, C\): transpose it"),
        (np.zeros(5, np.uint8), ValueError, r"an array must have shape"),
        (torch.zeros(8, 8, 3), ValueError, r"a tensor must have shape \(C, H, W\)"),
        (np.zeros((4, 4, 3), bool), ValueError, r"must be integers or floats, got bool"),
        (
            np.full((4, 4, 3), -1),
            ValueError,
            r"Predictor: image: pixels of type int64 must be",
        ),
        (np.full((4, 4, 3), np.nan), ValueError, r"got nan to nan"),
        (b"no image", ValueError, r"Predictor: bytes: not an image format"),
        (3, TypeError, r"a path, bytes, Pillow image, array or tensor, got int"),
        ("missing.jpg", FileNotFoundError, r"missing\.jpg: file does not exist"),
        (".", IsADirectoryError, r"\. is a folder, pass its files to predict_files"),
    ],
)
def test_rejects_other_images_by_name(image, error, message):
    with pytest.raises(error, match=message):
        image_pixels(image, "RGB")


@pytest.fixture(scope="module")
def predictor():
    torch.manual_seed(0)
    return Predictor(tiny_models.rcnn(), ResizeShortestEdge(32, 64), classes=ClassList(("mug", "pen"), (7, 9)))


def test_detections_carry_class_names(predictor):
    instances = predictor.predict(PIXELS)
    assert predictor.classes.names == ("mug", "pen")
    assert [("mug", "pen")[i] if i < 2 else f"class {i}" for i in instances.pred_classes] == instances.pred_class_names


def test_four_threads_have_the_outputs_of_one(predictor):
    images = [np.random.default_rng(seed).integers(0, 256, (40, 50, 3), dtype=np.uint8) for seed in range(8)]
    expected = [predictor.predict(image).pred_boxes.tensor for image in images]
    found = {}

    def predict(start):
        for index in range(start, 8, 4):
            found[index] = predictor.predict(images[index]).pred_boxes.tensor

    threads = [threading.Thread(target=predict, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index, boxes in enumerate(expected):
        assert torch.equal(found[index], boxes)


def test_a_hundred_sizes_in_a_row_keep_their_size(predictor):
    for number in range(100):
        shape = 10 + number % 37, 12 + number % 41
        assert predictor.predict(np.zeros((*shape, 3), np.uint8)).image_size == shape
