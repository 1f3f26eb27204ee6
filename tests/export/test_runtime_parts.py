"""Parts of the runtime module, compared with torch and the operators: resampling, masks, keypoints, boxes, images."""

import io
import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from detectory import ops
from detectory.data.images import decode_image
from detectory.data.transforms import ResizeShortestEdge
from detectory.export.runtime import Description, decode_rle
from detectory.export.runtime.boxes import clip, is_nonempty, scale
from detectory.export.runtime.images import model_input, resized_size, rgb_image
from detectory.export.runtime.keypoints import heatmaps_to_keypoints
from detectory.export.runtime.masks import encode_window, paste_mask
from detectory.export.runtime.panoptic import combine
from detectory.export.runtime.resampling import resize_bilinear
from detectory.modeling.meta_arch.panoptic_fpn import combine_semantic_and_instance_outputs
from detectory.structures import Boxes, Instances, RotatedBoxes
from detectory.structures import heatmaps_to_keypoints as torch_keypoints

HEIGHT, WIDTH = 61, 83


def boxes_of(count: int) -> torch.Tensor:
    """Return boxes of all sizes, some of which extend beyond the image or touch its borders."""
    center = torch.rand(count, 2) * torch.tensor([WIDTH, HEIGHT])
    sides = torch.rand(count, 2) * 60
    boxes = torch.cat([center - sides, center + sides], dim=1)
    boxes[::3, 0::2] = boxes[::3, 0::2].clamp(0, WIDTH)
    boxes[::3, 1::2] = boxes[::3, 1::2].clamp(0, HEIGHT)
    return boxes


def pasted(masks: torch.Tensor, boxes: torch.Tensor) -> list[tuple[np.ndarray, int, int]]:
    return [paste_mask(mask, box, HEIGHT, WIDTH) for mask, box in zip(masks.numpy(), boxes.numpy(), strict=True)]


def test_masks_equal_the_run_lengths_of_the_operator():
    boxes, masks = boxes_of(60), torch.rand(60, 28, 28)
    masks[:20] = 1
    boxes[0] = torch.tensor([0.0, 0.0, WIDTH, HEIGHT])
    boxes[1] = torch.tensor([5.0, 5.0, 5.0, 9.0])
    expected = ops.roi_masks_to_rle(masks, boxes, (HEIGHT, WIDTH))
    result = [encode_window(*window, HEIGHT, WIDTH) for window in pasted(masks, boxes)]
    assert [rle["counts"].encode() for rle in result] == [rle["counts"] for rle in expected]


def test_run_lengths_decode_to_the_same_pixels():
    window = np.random.default_rng(0).random((20, 30)) > 0.5
    pixels = np.zeros((HEIGHT, WIDTH), bool)
    pixels[7:27, 9:39] = window
    assert (decode_rle(encode_window(window, 7, 9, HEIGHT, WIDTH)) == pixels).all()


def test_bilinear_resizing_equals_torch():
    maps = torch.rand(3, 17, 23)
    for size in ((40, 31), (9, 60), (1, 1)):
        expected = functional.interpolate(maps[None], size, mode="bilinear", align_corners=False)[0].numpy()
        np.testing.assert_allclose(resize_bilinear(maps.numpy(), *size), expected, atol=2e-6)


def test_keypoints_equal_torch():
    maps, boxes = torch.randn(20, 17, 56, 56), boxes_of(20)
    expected = torch_keypoints(maps, boxes)[:, :, [0, 1, 3]].numpy()
    np.testing.assert_allclose(heatmaps_to_keypoints(maps.numpy(), boxes.numpy()), expected, atol=2e-4)


def test_boxes_are_scaled_and_clipped_as_by_the_structures():
    for tensor, box_class in ((boxes_of(40), Boxes), (torch.randn(40, 5) * 60, RotatedBoxes)):
        expected = box_class(tensor.clone())
        expected.scale(1.5, 0.8)
        expected.clip((HEIGHT, WIDTH))
        result = clip(scale(tensor.numpy(), 1.5, 0.8), HEIGHT, WIDTH)
        np.testing.assert_allclose(result, expected.tensor.numpy(), atol=2e-4)
        assert is_nonempty(result).tolist() == expected.nonempty().tolist()


def test_panoptic_segments_equal_torch():
    boxes, masks, scores = boxes_of(8), torch.ones(8, 28, 28), torch.rand(8)
    labels, classes = torch.randint(0, 4, (HEIGHT, WIDTH)), torch.arange(8)
    thresholds = {
        "combine_overlap_thresh": 0.5,
        "combine_stuff_area_thresh": 100,
        "combine_instances_score_thresh": 0.2,
    }
    pixels = ops.paste_masks(masks, boxes, (HEIGHT, WIDTH))
    instances = Instances((HEIGHT, WIDTH), pred_masks=pixels, scores=scores, pred_classes=classes)
    expected, segments = combine_semantic_and_instance_outputs(instances, labels, *thresholds.values())
    ids, result = combine(pasted(masks, boxes), scores.numpy(), classes.numpy(), labels.numpy(), thresholds)
    assert (ids == expected.numpy()).all()
    assert result == [dict(segment) for segment in segments]


@pytest.mark.parametrize("size", [(480, 640), (333, 120), (1500, 1000), (31, 29), (200, 250), (4000, 3000)], ids=str)
def test_images_are_resized_as_by_the_predictor(size):
    pixels = np.random.default_rng(0).integers(0, 255, (*size, 3), dtype=np.uint8)
    resize = ResizeShortestEdge(200, 333)
    expected = resize.get_transform(pixels).apply_image(pixels[:, :, ::-1]).transpose(2, 0, 1)
    result = model_input(rgb_image(pixels), resized_size(*size, 200, 333), "BGR")
    assert result.shape == expected.shape
    assert (result == expected).all()


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "I;16"])
def test_files_of_all_pixel_types_are_decoded_as_by_the_predictor(mode):
    grey = np.random.default_rng(0).integers(0, 4000, (20, 30), dtype=np.uint16)
    image = Image.fromarray(grey) if mode == "I;16" else Image.fromarray(grey.astype(np.uint8)).convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, "TIFF")
    assert (np.asarray(rgb_image(buffer.getvalue())) == decode_image(buffer.getvalue(), "RGB")).all()


def test_rotated_photos_are_turned_upright():
    image = Image.new("RGB", (40, 20))
    exif = image.getexif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", exif=exif)
    assert rgb_image(buffer.getvalue()).size == (20, 40)


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        (b"no image", ValueError, r"predict: bytes: not an image format that Pillow supports \(8 bytes\)"),
        ("missing.jpg", FileNotFoundError, "predict: missing.jpg: file does not exist"),
        (3, TypeError, "image must be a path, bytes, a Pillow image or an array, got int"),
        (np.zeros((3, 4, 5), np.uint8), ValueError, r"must be \(H, W\) or \(H, W, 3\) uint8, got \(3, 4, 5\) uint8"),
        (np.zeros((0, 4, 3), np.uint8), ValueError, r"must not be empty, got shape \(0, 4, 3\)"),
    ],
    ids=["damaged", "missing", "type", "shape", "empty"],
)
def test_rejects_images(image, error, message):
    with pytest.raises(error, match=message):
        rgb_image(image)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "m.onnx: the description detectory.json is damaged"),
        (json.dumps({"version": 99}), "unsupported description version 99"),
    ],
    ids=["not JSON", "version"],
)
def test_rejects_descriptions(text, message):
    with pytest.raises(ValueError, match=message):
        Description.from_json(text, "m.onnx")
