"""Measure two builds of the operators in interleaved pairs, and fail if ours is slower.

usage: against.py OURS.whl THEIRS.whl [--name NAME] [--pairs N] [--only TEXT] [--json FILE]

Each wheel is unpacked into a folder and imported by a separate process. The processes measure every operator in turn,
and the order changes from pair to pair, so that other load on the machine affects both. A pair's ratio is our time over
theirs. The exit code is 1 if the whole 95 % interval of an operator's median ratio is above 1.10.
`nox -s benchmark -- --against REF` builds both wheels and runs this script.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.machine import description
from benchmarks.ops.operators import OPERATORS
from benchmarks.paired import SLOWER, compare, median, verdict
from pytest_benchmark.utils import get_commit_info

ROOT = Path(__file__).resolve().parent.parent


class Build:
    """A worker process that has imported the operators of one wheel."""

    def __init__(self, wheel: Path, folder: Path) -> None:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
        command = [sys.executable, "-m", "benchmarks.ops.worker"]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder, env=environment
        )
        loaded = Path(self._read()["file"])
        if folder.resolve() not in loaded.resolve().parents:
            raise RuntimeError(f"against: the worker must import {wheel}, but imported {loaded}")

    def __enter__(self) -> "Build":
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.stdin.close()
        self.process.wait()

    def measure(self, operator: str, seconds: float) -> dict[str, Any]:
        """Return the answer of the worker: a median, or an error."""
        self.process.stdin.write(json.dumps({"operator": operator, "seconds": seconds}) + "\n")
        self.process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"against: the worker ended with code {self.process.wait()}")
        return json.loads(line)


def line(operator: str, result: dict[str, Any]) -> str:
    """Return a row of the table."""
    if "error" in result:
        return f"{operator:<60} {verdict(result)}"
    low, high = result["interval"]
    times = f"{1e3 * result['ours']:>9.3f} ms {1e3 * result['theirs']:>9.3f} ms {median(result['ratios']):>6.2f}"
    return f"{operator:<60} {times}  [{low:.2f}, {high:.2f}]  {verdict(result)}"


def main() -> int:
    """Measure, print and store the comparison; return 1 if an operator is slower or fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ours", type=Path, help="our wheel of detectory-ops")
    parser.add_argument("theirs", type=Path, help="the wheel to compare it with")
    parser.add_argument("--name", default="", help="source of the other wheel (a commit), stored in the JSON")
    parser.add_argument("--pairs", type=int, default=20, help="pairs per operator, at least 6")
    parser.add_argument("--seconds", type=float, default=0.05, help="seconds per half of a pair, at least one call")
    parser.add_argument("--only", default="", help="only operators with this text in their name")
    parser.add_argument("--json", type=Path, default=Path("benchmark.json"), help="output file")
    arguments = parser.parse_args()
    if arguments.pairs < 6:
        parser.error(f"--pairs must be at least 6 for an interval of 95 %, got {arguments.pairs}")
    results: dict[str, Any] = {}
    print(f"{'operator':<60} {'ours':>12} {arguments.name or 'theirs':>12} {'ratio':>6}  95 % interval")
    with (
        tempfile.TemporaryDirectory() as folder,
        Build(arguments.ours, Path(folder, "ours")) as ours,
        Build(arguments.theirs, Path(folder, "theirs")) as theirs,
    ):
        for operator in (name for name in OPERATORS if arguments.only in name):
            results[operator] = compare(ours, theirs, operator, arguments.pairs, arguments.seconds)
            print(line(operator, results[operator]), flush=True)
    stored = {
        "machine_info": {**description(), "threads": 2},
        "commit_info": get_commit_info(),
        "against": arguments.name,
    }
    arguments.json.write_text(json.dumps({**stored, "operators": results}, indent=1), encoding="utf-8")
    slower = [operator for operator, result in results.items() if verdict(result) == "SLOWER"]
    if slower:
        print(f"slower than {arguments.name or 'theirs'} by more than {SLOWER}: {', '.join(slower)}")
    return 1 if slower or any(result.get("error", "").startswith("ours") for result in results.values()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
