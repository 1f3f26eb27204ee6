"""A process that measures the operators of one build on request of `benchmarks/against.py`.

Requests and answers are JSON lines. `{"operator": name, "seconds": s}` requests a measurement of about `s` seconds; the
answer is `{"median": seconds}`, or `{"error": text}` if this build does not have the operator.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from benchmarks.ops.operators import OPERATORS
from benchmarks.paired import median

from detectory import ops


def measured(call: Callable[[], Any], seconds: float) -> float:
    """Return the median time of a call within a time budget."""
    end, times = time.perf_counter() + seconds, []
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return median(times)


def main() -> None:
    """Print the location of the operators, then answer requests until the end of the input."""
    torch.set_num_threads(2)
    print(json.dumps({"file": ops.__file__}), flush=True)
    name, call = "", None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if call is None or name != request["operator"]:
                name, call = request["operator"], OPERATORS[request["operator"]]().call
                call()
            answer = {"median": measured(call, request["seconds"])}
        except (AttributeError, RuntimeError, TypeError) as error:
            name, call, answer = "", None, {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
