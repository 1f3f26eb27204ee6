"""Command line that runs programs written for Detectron2: `python -m detectory.compat.detectron2 SCRIPT …`."""

import runpy
import sys
from pathlib import Path

from detectory.compat.detectron2._install import install

_USAGE = """usage: python -m detectory.compat.detectron2 SCRIPT [ARGUMENT …]
       python -m detectory.compat.detectron2 -m MODULE [ARGUMENT …]

Runs a program that imports detectron2; the imports resolve to Detectory.
"""


def main() -> None:
    """Run the script or module named on the command line with its own arguments."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help") or arguments == ["-m"]:
        sys.stdout.write(_USAGE)
        raise SystemExit(0 if arguments and arguments[0] != "-m" else 2)
    install()
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        return
    script = Path(arguments[0])
    if not script.is_file():
        sys.stderr.write(f"script not found: {script}\n")
        raise SystemExit(2)
    sys.argv = arguments
    sys.path[0] = str(script.parent)
    runpy.run_path(str(script), run_name="__main__")


if __name__ == "__main__":
    main()
