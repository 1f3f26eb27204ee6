"""Run the benchmarks, store their JSON and print one table: ours, each peer, and the ratio.

usage: run.py [--short] [--json FILE] [PATH ...]

PATH is relative to this folder (`ops`, `ops/bench_nms.py`); none means all. `--short` measures each once or twice,
to prove that the benchmarks run and agree with their peers, not to tell how fast they are.

A benchmark names what it measures with `benchmark.group` and who does it with the parameter `implementation`; ours is
"detectory". The ratio is the peer's median time over ours: above 1 we are faster. Operators measured against their
floor (`ops/bench_operators.py`) make a second table: the floor, whether bytes or operations set it, and our time over
it. A comparison with another commit is `nox -s benchmark -- --against REF` (`against.py`).
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
    """Format pytest-benchmark's JSON as lines of: what, ours, peer, its time, ratio."""
    groups: dict[str, dict[str, float]] = defaultdict(dict)
    for entry in (entry for entry in results["benchmarks"] if "floor" not in entry["extra_info"]):
        implementation = (entry.get("params") or {}).get("implementation", OURS)
        groups[entry["group"] or entry["name"]][implementation] = entry["stats"]["median"]
    lines = [f"{'what':<58} {'ours':>12} {'peer':>20} {'its time':>12} {'ratio':>7}"]
    for name, times in sorted(groups.items()):
        ours = times.get(OURS)
        for peer, seconds in sorted(times.items()):
            if peer != OURS and ours:
                ratio = f"{seconds / ours:>6.2f}x"
                lines.append(f"{name:<58} {_duration(ours):>12} {peer:>20} {_duration(seconds):>12} {ratio}")
        if ours and len(times) == 1:
            lines.append(f"{name:<58} {_duration(ours):>12}")
    return "\n".join(lines)


def floors(results: dict) -> str:
    """Format the operators measured against their floor: what, ours, floor, what sets it, ours over the floor."""
    lines = [f"{'floor of':<58} {'ours':>12} {'floor':>12} {'moves':>10} {'operations':>11} {'ours/floor':>11}"]
    for entry in (entry for entry in results["benchmarks"] if "floor" in entry["extra_info"]):
        known, seconds = entry["extra_info"], entry["stats"]["median"]
        amounts = f"{known['bytes'] / 1e6:>7.3g} MB {known['operations'] / 1e9:>6.3g} Gflop"
        name, times = (
            entry["group"].removeprefix("floor of "),
            f"{_duration(seconds):>12} {_duration(known['floor']):>12}",
        )
        lines.append(f"{name:<58} {times} {amounts} {seconds / known['floor']:>10.3g}x")
    return "\n".join(lines) if len(lines) > 1 else ""


def _duration(seconds: float) -> str:
    for unit, scale in (("s", 1), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def main() -> int:
    """Parse the command line, measure, print; the exit code is pytest's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", help="files or folders below benchmarks/")
    parser.add_argument("--short", action="store_true", help="prove that all run; the figures mean nothing")
    parser.add_argument("--json", type=Path, default=Path("benchmark.json"), help="where the JSON goes")
    arguments = parser.parse_args()
    code = measure([str(FOLDER / path) for path in arguments.paths or ["."]], arguments.short, arguments.json)
    if arguments.json.exists():
        results = json.loads(arguments.json.read_text(encoding="utf-8"))
        print(table(results), floors(results), sep="\n\n")
    return code


if __name__ == "__main__":
    raise SystemExit(main())
