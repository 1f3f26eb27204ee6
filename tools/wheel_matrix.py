"""Build the operators' wheel once, then import and test that one file under several versions of torch.

usage: wheel_matrix.py [--wheel FILE] [--tests PATH ...]

The rows are the oldest torch that the package supports, the newest that the index offers, and a CPU-only build, which
must be able to use a wheel that was built beside a CUDA one. Each gets a fresh environment made by uv; the exit code is
0 when every row passed.
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
    """One environment: what is installed, and whether torch's CPU build is asked for."""

    name: str
    torch: str
    cpu_only: bool = False


ROWS = (Row("oldest", "torch==2.10.*"), Row("newest", "torch"), Row("cpu-only", "torch==2.13.0", cpu_only=True))


def build(folder: Path) -> Path:
    """Build the wheel in isolation, as a user's pip would."""
    subprocess.run(["uv", "build", "--wheel", "--out-dir", folder, ROOT / "packages" / "ops"], check=True)
    return next(folder.glob("detectory_ops-*.whl"))


def passes(row: Row, wheel: Path, folder: Path, tests: list[str]) -> bool:
    """Make the row's environment, import the wheel there and run the tests."""
    environment = folder / row.name
    subprocess.run(["uv", "venv", "--quiet", "--seed", "--python", sys.executable, environment], check=True)
    python = environment / "bin" / "python"
    # pip, not uv, for the CPU-only build: the find-links and indices it is set to say where that is.
    tool = [python, "-m", "pip", "install"] if row.cpu_only else ["uv", "pip", "install", "--python", environment]
    install = [*tool, "--quiet", row.torch, "--group", "packages/ops/pyproject.toml:test", wheel]
    if subprocess.run(install, cwd=ROOT, check=False).returncode:
        return False
    asked = [python, "-c", "import sys, torch; sys.exit(torch.version.cuda is not None)"]
    if row.cpu_only and subprocess.run(asked, check=False).returncode:
        print("wheel_matrix: pip found no CPU-only torch: set PIP_EXTRA_INDEX_URL to torch's index of CPU builds")
        return False
    report = "import torch, detectory.ops as o; print(torch.__version__, torch.version.cuda, len(o.__all__))"
    command = [python, "-m", "pytest", "-q", "-m", "not slow", "-p", "no:cacheprovider", *tests]
    # Folders of the tree must not stand in for what the wheel installed.
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    steps = ([python, "-c", report], command)
    return all(subprocess.run(step, cwd=ROOT, env=clean, check=False).returncode == 0 for step in steps)


def main() -> int:
    """Parse the command line, run the rows, print which passed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheel", type=Path, help="a wheel that is built already")
    parser.add_argument("--tests", nargs="*", default=TESTS, help="what to run in each environment")
    arguments = parser.parse_args()
    if shutil.which("uv") is None:
        print("wheel_matrix: needs uv on the PATH: python3 -m pip install uv", file=sys.stderr)
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
