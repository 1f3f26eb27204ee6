"""Precision by device: what is chosen, what is refused, what is only warned about."""

import os
import subprocess
import sys

import pytest
import torch

from detectory.core import precision
from detectory.core.precision import fastest_precision, is_native, measure_slowdown, resolve_precision

MEASURE = """
import torch
from detectory.core.precision import is_native, measure_slowdown
print(is_native(torch.bfloat16, "cpu"), measure_slowdown(torch.bfloat16))
"""


@pytest.fixture
def emulated(monkeypatch):
    monkeypatch.setattr(precision, "has_bfloat16_arithmetic", lambda: False)
    monkeypatch.setattr(precision, "has_float16_arithmetic", lambda: False)
    monkeypatch.setattr(precision, "measure_slowdown", lambda dtype, device: 42.0)


def test_a_processor_that_emulates_bfloat16_trains_in_float32(emulated):
    assert fastest_precision("cpu") == resolve_precision(None, "cpu") == torch.float32


def test_a_processor_with_bfloat16_uses_it(monkeypatch):
    monkeypatch.setattr(precision, "has_bfloat16_arithmetic", lambda: True)
    assert resolve_precision(None, "cpu") == torch.bfloat16


@pytest.mark.parametrize("dtype", ["bfloat16", torch.float16], ids=str)
def test_an_emulated_type_is_used_with_one_warning(emulated, dtype):
    with pytest.warns(UserWarning, match=r"train\.amp\.dtype: this processor .* takes 42 times as long") as caught:
        resolved = resolve_precision(dtype, "cpu", "train.amp.dtype")
    assert len(caught) == 1
    assert str(resolved).removeprefix("torch.") in {"bfloat16", "float16"}


def test_rejects_unknown_precisions():
    with pytest.raises(ValueError, match="precision: unknown precision 'bfloat61': did you mean 'bfloat16'"):
        resolve_precision("bfloat61", "cpu")
    with pytest.raises(ValueError, match=r"precision must be one of torch\.float32.*, got torch\.int8"):
        resolve_precision(torch.int8, "cpu")


@pytest.mark.parametrize("cap", ["", "AVX2"], ids=["this processor", "capped at AVX2"])
def test_the_answer_agrees_with_a_measured_convolution(cap):
    environment = os.environ | ({"ONEDNN_MAX_CPU_ISA": cap} if cap else {})
    result = subprocess.run(
        [sys.executable, "-c", MEASURE], env=environment, capture_output=True, text=True, check=True
    )
    native, slowdown = result.stdout.split()
    # Emulation takes 10 to 100 times as long, native arithmetic half as long: far apart even on a busy machine.
    assert (native == "True") == (float(slowdown) < 4)


def test_float32_is_native_everywhere():
    assert is_native(torch.float32, "cpu")
    assert measure_slowdown(torch.float32) < 4
