"""Names and methods of Detectron2 and fvcore that public programs use resolve on the alias.

`compat_program_uses.json` lists uses of twenty programs with the number of programs; `compat_interfaces.json` lists
names and methods of Detectron2's modules and classes, private ones included.
"""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from detectory.compat.detectron2._check_project import check_project
from detectory.compat.detectron2._projects import SUBMODULES

GOLDEN = Path(__file__).parents[1] / "golden"
USES = json.loads((GOLDEN / "compat_program_uses.json").read_text())
INTERFACES = json.loads((GOLDEN / "compat_interfaces.json").read_text())
# Projects are separate distributions, which the isolated tests of this package do not install.
UNAVAILABLE = tuple(
    alias.removeprefix("detectory.compat.") for alias, project in SUBMODULES.items() if not project.is_installed()
)


def resolve(name):
    """Import the longest module of a dotted name and return the object, or raise AttributeError."""
    parts = f"detectory.compat.{name}".split(".")
    for length in range(len(parts), 0, -1):
        try:
            value = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            value = getattr(value, part)
        return value
    raise AttributeError(name)


def missing(names):
    unresolved = []
    for name in names:
        try:
            resolve(name)
        except AttributeError:
            unresolved.append(name)
    return unresolved


@pytest.mark.parametrize("group", ["names", "methods"])
def test_every_use_of_the_programs_resolves(group):
    assert [name for name in missing(USES[group]) if not name.startswith(UNAVAILABLE)] == []


@pytest.mark.parametrize("group", ["names", "methods"])
def test_interfaces_are_complete(group):
    names = [f"{owner}.{name}" for owner, members in INTERFACES[group].items() for name in members]
    assert len(names) > 300
    assert [name for name in missing(names) if not name.startswith(UNAVAILABLE)] == []


PROJECT = """
import detectron2.utils.comm as comm
from detectron2.engine import DefaultTrainer, hooks
from detectron2.evaluation import COCOEvaluator, COCOEvaluatr
from detectron2.layers.nms import batched_nms
from fvcore.common.nothing import x

class Trainer(DefaultTrainer):
    @classmethod
    def build_hooks(self):
        return [*super().build_hooks(), hooks.EvalHok(1, print)]

class Evaluator(COCOEvaluator):
    def _eval_predictions(self, predictions, img_ids=None):
        super()._eval_predictions(predictions)

    def _internal(self):
        super()._internal()

print(comm.get_rank(), comm.no_rank())
"""


def test_project_check_lists_what_is_not_covered(tmp_path):
    (tmp_path / "train.py").write_text(PROJECT)
    (tmp_path / "broken.py").write_text("def (")
    count, problems = check_project(tmp_path)
    assert count > 10
    assert [problem.split(" ")[0:2] for problem in problems] == [
        ["train.py:4:", "detectron2.evaluation.COCOEvaluatr"],
        ["train.py:6:", "fvcore.common.nothing.x"],
        ["train.py:11:", "detectron2.engine.hooks.EvalHok"],
        ["train.py:17:", "detectron2.evaluation.COCOEvaluator._internal"],
        ["train.py:20:", "detectron2.utils.comm.no_rank"],
    ]
    assert "'COCOEvaluator'" in problems[0]


def test_project_check_is_a_command(tmp_path):
    (tmp_path / "train.py").write_text("from detectron2.config import get_cfg\n")
    command = [sys.executable, "-m", "detectory.compat.detectron2", "--check", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, "1 uses of Detectron2 and fvcore, 0 not covered\n")


IMPORTED = """
import importlib.util, json, sys
from detectory.compat.detectron2 import install
from detectory.compat.detectron2._imported_names import _OPTIONAL, _origins

UNAVAILABLE = () if importlib.util.find_spec("matplotlib") else ("mpl", "mplc", "mplfigure", "plt")
install()
missing = []
for module, origins in _origins().items():
    for origin, entries in origins.items():
        for entry in entries:
            name = entry.rpartition(" as ")[2].partition(".")[0]
            optional = (origin or entry).partition(".")[0] in _OPTIONAL
            # An alias of a module, such as `mpl`, cannot be resolved if its library is not installed.
            if not optional and name not in UNAVAILABLE and not hasattr(importlib.import_module(module), name):
                missing.append(f"{module}.{name}")
from detectron2.evaluation.coco_evaluation import *
from detectron2.modeling.poolers import cat
print(json.dumps([missing, mask_util.__name__, cat.__module__, hasattr(sys.modules["detectron2"], "nothing")]))
"""


def test_names_that_detectron2_imports_elsewhere_resolve():
    result = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    missing, masks, function, has_nothing = json.loads(result.stdout.splitlines()[-1])
    assert missing == []
    assert masks == "pycocotools.mask"
    assert function.startswith("detectory.")
    assert not has_nothing
