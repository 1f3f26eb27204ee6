import pytest
import torch

from detectory.core.devices import usable_device


def test_rejects_an_invalid_device():
    assert usable_device("cpu") == torch.device("cpu")
    with pytest.raises(ValueError, match="'gpu' is not a valid device"):
        usable_device("gpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="requires a machine without a GPU")
def test_rejects_an_unavailable_gpu():
    with pytest.raises(RuntimeError, match="device 'cuda:1' is unavailable: torch sees no GPU"):
        usable_device("cuda:1")
