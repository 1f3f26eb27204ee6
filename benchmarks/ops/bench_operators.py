"""Every operator against its floor: the time to move its bytes, or to do its operations, on this machine."""

import pytest
from benchmarks.machine import floor
from benchmarks.ops.operators import OPERATORS, size_in_bytes


@pytest.mark.parametrize("name", OPERATORS)
def test_operator(benchmark, name):
    case = OPERATORS[name]()
    benchmark.group = f"floor of {name}"
    result = benchmark(case.call)
    read, written, operations = size_in_bytes(case.reads), size_in_bytes(result), case.operations(result)
    least = floor(read, written, operations)
    benchmark.extra_info.update(bytes=read + written, operations=operations, floor=least)
    assert least > 0
