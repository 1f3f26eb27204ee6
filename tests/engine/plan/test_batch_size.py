"""The largest batch that fits, with a stand-in for the memory of a GPU."""

import pytest

from detectory.engine.plan.batch_size import largest_batch


def memory(per_image, fixed=0.05):
    """Return a probe and the list of batches that it has measured."""
    tried = []

    def probe(images):
        tried.append(images)
        used = fixed + per_image * images
        return used if used <= 1 else float("inf")

    return probe, tried


@pytest.mark.parametrize(
    ("per_image", "maximum", "batch"),
    [(0.001, 16, 16), (0.001, 24, 24), (0.04, 16, 16), (0.09, 16, 8), (0.19, 16, 4), (0.7, 16, 1), (0.1, 1, 1)],
)
def test_the_largest_power_of_two_or_the_maximum_is_found(per_image, maximum, batch):
    assert largest_batch(memory(per_image)[0], maximum) == batch


def test_batches_that_cannot_fit_are_not_tried():
    probe, tried = memory(0.19)
    assert largest_batch(probe, 64) == 4
    assert tried == [1, 2, 4]


def test_an_image_that_does_not_fit_is_an_error():
    with pytest.raises(RuntimeError, match="a single image does not fit into the memory of the GPU"):
        largest_batch(memory(1.2)[0], 16)
