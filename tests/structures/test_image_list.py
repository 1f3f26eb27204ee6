"""Padding and unpadding of image batches."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from detectory.structures import ImageList

sizes = st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), min_size=1, max_size=4)


@given(sizes, st.sampled_from([0, 1, 2, 32]))
def test_indexing_removes_the_padding(sizes, divisibility):
    images = [torch.rand(3, h, w) for h, w in sizes]
    batch = ImageList.from_tensors(images, divisibility, pad_value=-1.0)
    assert all(torch.equal(image, unpadded) for image, unpadded in zip(images, batch, strict=True))
    assert (batch.tensor == -1).sum() == batch.tensor.numel() - sum(image.numel() for image in images)


@pytest.mark.parametrize(
    ("divisibility", "constraints", "shape"),
    [
        (0, None, (5, 7)),
        (4, None, (8, 8)),
        (1, None, (5, 7)),
        (0, {"square_size": 16}, (16, 16)),
        (0, {"square": 1, "size_divisibility": 8}, (8, 8)),
        (4, {"size_divisibility": 3}, (6, 9)),
        (0, {"square_size": 16, "size_divisibility": 10}, (20, 20)),
    ],
    ids=["largest", "rounded up", "divisibility one", "square", "longest side", "overrides", "square rounded up"],
)
def test_common_size_satisfies_the_constraints(divisibility, constraints, shape):
    images = [torch.zeros(1, 5, 2), torch.zeros(1, 3, 7)]
    batch = ImageList.from_tensors(images, divisibility, padding_constraints=constraints)
    assert batch.tensor.shape == (2, 1, *shape)
    assert batch.image_sizes == [(5, 2), (3, 7)]


def test_pads_images_without_channels():
    assert ImageList.from_tensors([torch.ones(2, 3), torch.ones(3, 2)]).tensor.shape == (2, 3, 3)


def test_slice_returns_an_image_list():
    batch = ImageList.from_tensors([torch.zeros(1, i, i) for i in (1, 2, 3)])
    assert batch[1:].image_sizes == [(2, 2), (3, 3)]
    assert len(batch[1:]) == 2


def test_to_changes_the_dtype_and_keeps_the_sizes(device):
    batch = ImageList.from_tensors([torch.zeros(1, 2, 3)]).to(device, torch.float64)
    assert (batch.device.type, batch.tensor.dtype, batch.image_sizes) == (device.type, torch.float64, [(2, 3)])


@pytest.mark.parametrize(
    ("images", "options", "error", "message"),
    [
        ([], {}, ValueError, "at least one image"),
        ([[1, 2]], {}, TypeError, "image 0 must be a tensor, got list"),
        ([torch.zeros(3, 2, 2), torch.zeros(1, 2, 2)], {}, ValueError, r"\(3, 2, 2\) in image 0 and \(1, 2, 2\)"),
        (
            [torch.zeros(3, 2, 9)],
            {"padding_constraints": {"square_size": 8}},
            ValueError,
            "square_size=8, got 2x9",
        ),
        ([torch.zeros(3, 2, 9)], {"padding_constraints": {"side": 8}}, ValueError, r"got \['side'\]"),
    ],
    ids=["empty", "not a tensor", "channels differ", "too large", "unknown constraint"],
)
def test_from_tensors_rejects(images, options, error, message):
    with pytest.raises(error, match=message):
        ImageList.from_tensors(images, **options)
