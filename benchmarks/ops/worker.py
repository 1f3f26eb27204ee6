"""A process that measures operators of one build, asked line by line by `benchmarks/against.py`.

It reads one JSON line for each request and answers with one: `{"operator": name, "seconds": s}` measures for about that
long and is answered by `{"median": seconds}`, or by `{"error": text}` where this build has not got the operator.
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
    """The median time of one call, of as many as fit into the time."""
    end, times = time.perf_counter() + seconds, []
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return median(times)


def main() -> None:
    """Say where the operators come from, then answer requests until the input ends."""
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
