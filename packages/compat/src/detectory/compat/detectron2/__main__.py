"""Command line that runs programs written for Detectron2: `python -m detectory.compat.detectron2 SCRIPT …`."""

import os
import runpy
import sys
from pathlib import Path
from types import TracebackType

from detectory.compat.detectron2._install import install, stand_in_folders

_USAGE = """usage: python -m detectory.compat.detectron2 SCRIPT [ARGUMENT …]
       python -m detectory.compat.detectron2 -m MODULE [ARGUMENT …]
       python -m detectory.compat.detectron2 --path
       python -m detectory.compat.detectron2 --check PROJECT_DIR

Runs a program that imports detectron2; the imports resolve to Detectory.
--path prints folders that have the same effect for any command if they are in PYTHONPATH.
--check lists the names and overridden methods of a project that are not covered, without importing the project.
"""
# Packages that are installed together with Detectron2, so that its users import them without declaring them.
_BROUGHT_BY_DETECTRON2 = (
    *("cloudpickle", "hydra", "matplotlib", "packaging", "pydot"),
    *("scipy", "tabulate", "tensorboard", "termcolor", "tqdm"),
)


def main() -> None:
    """Run the script or module named on the command line with its own arguments."""
    arguments = sys.argv[1:]
    if arguments == ["--path"]:
        sys.stdout.write(os.pathsep.join(stand_in_folders()) + "\n")
        return
    if len(arguments) == 2 and arguments[0] == "--check":
        raise SystemExit(_check(arguments[1]))
    if not arguments or arguments[0] in ("-h", "--help") or arguments == ["-m"]:
        sys.stdout.write(_USAGE)
        raise SystemExit(0 if arguments and arguments[0] != "-m" else 2)
    install()
    sys.excepthook = _report
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


def _check(folder: str) -> int:
    """Print what a project uses that is not covered; return the exit code."""
    from detectory.compat.detectron2._check_project import check_project

    try:
        count, problems = check_project(folder)
    except FileNotFoundError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write("".join(f"{problem}\n" for problem in problems))
    sys.stdout.write(f"{count} uses of Detectron2 and fvcore, {len(problems)} not covered\n")
    return 1 if problems else 0


def _report(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """Print the traceback, and how to install a missing package that Detectron2 would have brought."""
    sys.__excepthook__(kind, error, traceback)
    name = (getattr(error, "name", None) or "").partition(".")[0] if isinstance(error, ImportError) else ""
    if name in _BROUGHT_BY_DETECTRON2:
        sys.stderr.write(
            f"{name} is installed together with Detectron2, but not required by detectory-compat. "
            "Install it with: pip install 'detectory-compat[projects]'\n"
        )


if __name__ == "__main__":
    main()
