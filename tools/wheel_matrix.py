"""Build the wheel of the operators once, then import and test it with several versions of torch.

usage: wheel_matrix.py [--wheel FILE] [--tests PATH ...]

The rows are the oldest supported torch, the newest one on the index, and a CPU-only build, which must be able to load a
wheel that was built with CUDA. uv creates a fresh environment for each row. The exit code is 0 if all rows pass.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TESTS = ["tests/ops"]


@dataclass(frozen=True)
class Row:
    """One environment: the requirement for torch, and whether it must be a CPU-only build."""

    name: str
    torch: str
    cpu_only: bool = False


ROWS = (Row("oldest", "torch==2.10.*"), Row("newest", "torch"), Row("cpu-only", "torch==2.13.0", cpu_only=True))


def build(folder: Path) -> Path:
    """Build the wheel in isolation, as pip does."""
    subprocess.run(["uv", "build", "--wheel", "--out-dir", folder, ROOT / "packages" / "ops"], check=True)
    return next(folder.glob("detectory_ops-*.whl"))


def passes(row: Row, wheel: Path, folder: Path, tests: list[str]) -> bool:
    """Create the environment of a row, import the wheel there, run the tests and return whether they passed."""
    environment = folder / row.name
    subprocess.run(["uv", "venv", "--quiet", "--seed", "--python", sys.executable, environment], check=True)
    python = environment / "bin" / "python"
    # pip rather than uv for the CPU-only build: pip's configured index or find-links provides that build.
    tool = [python, "-m", "pip", "install"] if row.cpu_only else ["uv", "pip", "install", "--python", environment]
    install = [*tool, "--quiet", row.torch, "--group", "packages/ops/pyproject.toml:test", wheel]
    if subprocess.run(install, cwd=ROOT, check=False).returncode:
        return False
    is_cpu_only = [python, "-c", "import sys, torch; sys.exit(torch.version.cuda is not None)"]
    if row.cpu_only and subprocess.run(is_cpu_only, check=False).returncode:
        print("wheel_matrix: pip installed a torch with CUDA: set PIP_EXTRA_INDEX_URL to the index of CPU-only builds")
        return False
    report = "import torch, detectory.ops as o; print(torch.__version__, torch.version.cuda, len(o.__all__))"
    command = [python, "-m", "pytest", "-q", "-m", "not slow", "-p", "no:cacheprovider", *tests]
    # PYTHONPATH could replace the installed wheel by a folder of the source tree.
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    steps = ([python, "-c", report], command)
    return all(subprocess.run(step, cwd=ROOT, env=clean, check=False).returncode == 0 for step in steps)


def main() -> int:
    """Run the rows, print their results and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheel", type=Path, help="an existing wheel")
    parser.add_argument("--tests", nargs="*", default=TESTS, help="tests to run in each environment")
    arguments = parser.parse_args()
    if shutil.which("uv") is None:
        print("wheel_matrix: uv is not on the PATH; install it with `python3 -m pip install uv`", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        wheel = arguments.wheel.resolve() if arguments.wheel else build(folder)
        results = {row.name: passes(row, wheel, folder, arguments.tests) for row in ROWS}
    for row in ROWS:
        print(f"{row.name:<10} {row.torch:<16} {'passed' if results[row.name] else 'FAILED'}")
    return 0 if all(results.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
