import pytest
import torch

from detectory.core.out_of_memory import retry_if_cuda_oom


def failing(times):
    calls = []

    @retry_if_cuda_oom
    def function(value):
        calls.append(value)
        if len(calls) <= times:
            raise torch.cuda.OutOfMemoryError
        return len(calls)

    return function


@pytest.mark.parametrize("times", [0, 1, 2])
def test_calls_up_to_three_times(times):
    assert failing(times)(torch.ones(1)) == times + 1


def test_the_third_failure_is_raised():
    with pytest.raises(torch.cuda.OutOfMemoryError):
        failing(3)(torch.ones(1))


def test_other_errors_are_raised_at_once():
    with pytest.raises(KeyError):
        retry_if_cuda_oom({}.__getitem__)("missing")
