"""Pasted masks compared with grid_sample, and their run lengths with pasting and encoding."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from detectory.ops import paste_masks, rle_encode, roi_masks_to_rle


def random_regions(count, size=(14, 14), image=(60, 80), dtype=torch.float32):
    boxes = torch.rand(count, 4) * torch.tensor([image[1], image[0]] * 2) - 10
    boxes[:, 2:] = boxes[:, :2] + 0.5 + torch.rand(count, 2) * 50
    return torch.rand(count, *size).to(dtype), boxes


def sampled(masks, boxes, image_shape):
    """Return the values of torch's grid_sample at all pixels, mask by mask."""
    images = torch.zeros(len(masks), *image_shape)
    for image, mask, (x1, y1, x2, y2) in zip(images, masks.float(), boxes.float(), strict=True):
        xs = (torch.arange(image_shape[1]) + 0.5 - x1) / (x2 - x1) * 2 - 1
        ys = (torch.arange(image_shape[0]) + 0.5 - y1) / (y2 - y1) * 2 - 1
        grid = torch.stack(torch.meshgrid(xs, ys, indexing="xy"), -1)
        image[:] = torch.nn.functional.grid_sample(mask[None, None], grid[None], align_corners=False)[0, 0]
    return images


@pytest.mark.parametrize("threshold", [0.2, 0.5, 1.0])
@pytest.mark.parametrize("size", [(28, 28), (7, 3), (1, 1)], ids=str)
def test_agrees_with_grid_sample(device, threshold, size):
    masks, boxes = random_regions(20, size)
    values = sampled(masks, boxes, (60, 80))
    result = paste_masks(masks.to(device), boxes.to(device), (60, 80), threshold).cpu()
    clear = (values - threshold).abs() > 1e-4
    assert result.dtype == torch.bool
    assert torch.equal(result[clear], (values >= threshold)[clear])


def test_negative_threshold_returns_values_from_0_to_255(device):
    masks, boxes = random_regions(20)
    result = paste_masks(masks.to(device), boxes.to(device), (60, 80), -1)
    assert result.dtype == torch.uint8
    difference = result.cpu().float() - sampled(masks, boxes, (60, 80)) * 255
    assert difference.max() < 0.01
    assert difference.min() > -1.01


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_other_dtypes_are_computed_in_float32(device, dtype):
    masks, boxes = random_regions(5, dtype=dtype)
    result = paste_masks(masks.to(device), boxes.to(device), (60, 80))
    assert torch.equal(result, paste_masks(masks.float().to(device), boxes.to(device), (60, 80)))


def test_bool_masks_are_treated_as_0_and_1(device):
    masks, boxes = random_regions(5)
    binary = (masks > 0.5).to(device)
    result = paste_masks(binary, boxes.to(device), (60, 80))
    assert torch.equal(result, paste_masks(binary.float(), boxes.to(device), (60, 80)))


def test_non_contiguous_masks_and_boxes_yield_the_same_pixels(device):
    masks, boxes = random_regions(6)
    sliced = masks.to(device).repeat_interleave(2, 0)[::2].mT
    corners = boxes.to(device).t().contiguous().t()
    result = paste_masks(sliced, corners, (60, 80))
    assert torch.equal(result, paste_masks(masks.mT.contiguous().to(device), boxes.to(device), (60, 80)))


@pytest.mark.parametrize(
    "box",
    [(5, 5, 5, 9), (9, 5, 5, 9), (float("nan"), 1, 5, 5), (0, 0, float("inf"), 5), (-50, -50, -20, -20)],
    ids=["no width", "negative width", "nan", "infinite", "outside"],
)
def test_boxes_without_pixels_yield_empty_masks(device, box):
    masks, boxes = torch.ones(1, 14, 14, device=device), torch.tensor([box], dtype=torch.float32, device=device)
    assert not paste_masks(masks, boxes, (20, 20)).any()
    assert paste_masks(masks, boxes, (20, 20), -1).max() == 0
    assert roi_masks_to_rle(masks, boxes, (20, 20)) == rle_encode(torch.zeros(1, 20, 20))


@pytest.mark.parametrize(("count", "image"), [(0, (6, 8)), (2, (0, 8)), (2, (6, 0)), (2, (1, 1))], ids=str)
def test_empty_sets_and_images_keep_their_shape(device, count, image):
    masks, boxes = random_regions(count)
    assert paste_masks(masks.to(device), boxes.to(device), image).shape == (count, *image)
    assert len(roi_masks_to_rle(masks.to(device), boxes.to(device), image)) == count


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")], ids=str)
def test_non_finite_values_only_affect_their_cells(device, value):
    masks, boxes = torch.ones(1, 4, 4), torch.tensor([[0.0, 0.0, 16.0, 16.0]])
    masks[0, 0, 0] = value
    result = paste_masks(masks.to(device), boxes.to(device), (16, 16))
    assert result[0, 6:, 6:14].all()
    assert roi_masks_to_rle(masks, boxes, (16, 16)) == rle_encode(result)


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(0, 4),
    size=st.tuples(st.integers(1, 30), st.integers(1, 30)),
    image=st.tuples(st.integers(0, 90), st.integers(0, 90)),
    threshold=st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    binary=st.booleans(),
    seed=st.integers(0, 2**20),
)
def test_run_lengths_equal_those_of_pasted_masks(count, size, image, threshold, binary, seed):
    torch.manual_seed(seed)
    masks, boxes = random_regions(count, size, image)
    masks = masks.round() if binary else masks
    assert roi_masks_to_rle(masks, boxes, image, threshold) == rle_encode(paste_masks(masks, boxes, image, threshold))


def test_rejects_different_numbers_of_masks_and_boxes():
    with pytest.raises(ValueError, match="boxes must have one entry per mask, got 3 for 2 masks"):
        paste_masks(torch.rand(2, 4, 4), torch.rand(3, 4), (8, 8))


def test_rejects_a_negative_image_size():
    with pytest.raises(ValueError, match=r"paste_masks: image_shape must be .* got \(-1, 8\)"):
        paste_masks(torch.rand(2, 4, 4), torch.rand(2, 4), (-1, 8))


def test_rejects_run_lengths_of_soft_masks():
    with pytest.raises(ValueError, match="roi_masks_to_rle: threshold must not be negative"):
        roi_masks_to_rle(torch.rand(2, 4, 4), torch.rand(2, 4), (8, 8), -1.0)
