"""Run the benchmarks, store their JSON and print a table with our time, the peers' times and the ratios.

usage: run.py [--short] [--json FILE] [PATH ...]

PATH is relative to this folder (`ops`, `ops/bench_nms.py`); the default is all files. `--short` runs every benchmark
once or twice, to check that it runs and agrees with its peers; the times are then not meaningful.

`benchmark.group` names the measurement and the parameter `implementation` the library, "detectory" for ours. The ratio
is the peer's median time over ours: above 1 Detectory is faster. A second table compares operators with their lower
bounds (`ops/bench_operators.py`). To compare with another commit, see `against.py`.
"""

import argparse
import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
OURS = "detectory"


def measure(paths: list[str], short: bool, output: Path) -> int:
    """Run pytest-benchmark on the given files and return pytest's exit code."""
    command = [sys.executable, "-m", "pytest", "-q", "-o", "python_files=bench_*.py", "--benchmark-disable-gc"]
    command += [f"--benchmark-json={output}", "--benchmark-quiet", "-p", "no:cacheprovider"]
    if short:
        command += ["--benchmark-min-rounds=1", "--benchmark-max-time=0.05", "--benchmark-warmup=off"]
    else:
        command += ["--benchmark-min-rounds=7", "--benchmark-warmup=on", "--benchmark-warmup-iterations=2"]
    return subprocess.run([*command, *paths], check=False).returncode


def table(results: dict) -> str:
    """Return the table of benchmark, our time, peer, peer time and ratio for the JSON of pytest-benchmark."""
    groups: dict[str, dict[str, float]] = defaultdict(dict)
    for entry in (entry for entry in results["benchmarks"] if "lower_bound" not in entry["extra_info"]):
        implementation = (entry.get("params") or {}).get("implementation", OURS)
        groups[entry["group"] or entry["name"]][implementation] = entry["stats"]["median"]
    lines = [f"{'benchmark':<58} {'detectory':>12} {'peer':>20} {'peer time':>12} {'ratio':>7}"]
    for name, times in sorted(groups.items()):
        ours = times.get(OURS)
        for peer, seconds in sorted(times.items()):
            if peer != OURS and ours:
                ratio = f"{seconds / ours:>6.2f}x"
                lines.append(f"{name:<58} {_duration(ours):>12} {peer:>20} {_duration(seconds):>12} {ratio}")
        if ours and len(times) == 1:
            lines.append(f"{name:<58} {_duration(ours):>12}")
    return "\n".join(lines)


def lower_bounds(results: dict) -> str:
    """Return the table of operators with their lower bounds: time, bound, bytes, operations, time over bound."""
    lines = [f"{'operator':<58} {'detectory':>12} {'bound':>12} {'bytes':>10} {'operations':>11} {'time/bound':>11}"]
    for entry in (entry for entry in results["benchmarks"] if "lower_bound" in entry["extra_info"]):
        known, seconds = entry["extra_info"], entry["stats"]["median"]
        amounts = f"{known['bytes'] / 1e6:>7.3g} MB {known['operations'] / 1e9:>6.3g} Gflop"
        name, times = (
            entry["group"].removeprefix("lower bound of "),
            f"{_duration(seconds):>12} {_duration(known['lower_bound']):>12}",
        )
        lines.append(f"{name:<58} {times} {amounts} {seconds / known['lower_bound']:>10.3g}x")
    return "\n".join(lines) if len(lines) > 1 else ""


def _duration(seconds: float) -> str:
    for unit, scale in (("s", 1), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def main() -> int:
    """Measure, print the tables and return the exit code of pytest."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", help="files or folders below benchmarks/")
    parser.add_argument("--short", action="store_true", help="only check that the benchmarks run")
    parser.add_argument("--json", type=Path, default=Path("benchmark.json"), help="output file")
    arguments = parser.parse_args()
    code = measure([str(FOLDER / path) for path in arguments.paths or ["."]], arguments.short, arguments.json)
    if arguments.json.exists():
        results = json.loads(arguments.json.read_text(encoding="utf-8"))
        print(table(results), lower_bounds(results), sep="\n\n")
    return code


if __name__ == "__main__":
    raise SystemExit(main())
