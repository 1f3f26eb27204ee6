"""Every operator compared with its lower bound: the time to transfer its bytes or execute its operations."""

import pytest
from benchmarks.machine import lower_bound
from benchmarks.ops.operators import OPERATORS, size_in_bytes


@pytest.mark.parametrize("name", OPERATORS)
def test_operator(benchmark, name):
    case = OPERATORS[name]()
    benchmark.group = f"lower bound of {name}"
    result = benchmark(case.call)
    read, written, operations = size_in_bytes(case.reads), size_in_bytes(result), case.operations(result)
    bound = lower_bound(read, written, operations)
    benchmark.extra_info.update(bytes=read + written, operations=operations, lower_bound=bound)
    assert bound > 0
