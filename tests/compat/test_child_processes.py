"""The alias in child processes, and the distribution that it appears to be."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import multiprocessing, sys
from detectron2.config import get_cfg
from fvcore.common.registry import Registry
from torch.utils.data import DataLoader

class Squares:
    def __len__(self): return 4
    def __getitem__(self, index):
        from detectron2.structures import Boxes
        return index ** 2

def version(queue):
    queue.put(get_cfg().VERSION)

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    queue = context.Queue()
    child = context.Process(target=version, args=(queue,))
    child.start()
    print(queue.get(timeout=60), Registry("X")._name)
    child.join()
    loader = DataLoader(Squares(), batch_size=None, num_workers=1, multiprocessing_context=sys.argv[1])
    print(list(loader))
"""


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_child_processes_resolve_detectron2(tmp_path, method):
    (tmp_path / "program.py").write_text(PROGRAM)
    result = run("-m", "detectory.compat.detectron2", str(tmp_path / "program.py"), method)
    assert result.stdout == "2 X\n[0, 1, 4, 9]\n", result.stderr


def test_other_interpreters_started_by_the_program_resolve_detectron2(tmp_path):
    (tmp_path / "child.py").write_text("import detectron2.config.config; print(detectron2.__version__)\n")
    (tmp_path / "parent.py").write_text(
        f"import subprocess, sys\nsubprocess.run([sys.executable, {str(tmp_path / 'child.py')!r}], check=True)\n"
    )
    result = run("-m", "detectory.compat.detectron2", str(tmp_path / "parent.py"))
    assert result.stdout == "0.6\n", result.stderr


def test_torchrun_starts_unchanged_programs(tmp_path):
    (tmp_path / "program.py").write_text(
        "import os\nfrom detectron2.utils import comm\nprint('rank', os.environ['RANK'], comm.get_world_size())\n"
    )
    launcher = ["torch.distributed.run", "--nproc-per-node", "2", "--master-port", "0"]
    result = run("-m", "detectory.compat.detectron2", "-m", *launcher, str(tmp_path / "program.py"))
    assert sorted(result.stdout.splitlines()) == ["rank 0 1", "rank 1 1"], result.stderr


def test_printed_path_resolves_detectron2_without_install(tmp_path):
    path = run("-m", "detectory.compat.detectron2", "--path").stdout.strip()
    entries = os.pathsep.join([os.environ["PYTHONPATH"], path] if "PYTHONPATH" in os.environ else [path])
    result = run(
        "-c",
        "import yacs.config, fvcore.common.config, detectron2.engine, detectory.compat.detectron2.engine as engine\n"
        "assert detectron2.engine is engine\n"
        "assert yacs.config.CfgNode is fvcore.common.config.CfgNode",
        PYTHONPATH=entries,
    )
    assert result.returncode == 0, result.stderr


def test_metadata_reports_the_version():
    code = (
        "from detectory.compat.detectron2 import install; install()\n"
        "import importlib.metadata as m, detectron2; print(m.version('detectron2'), detectron2.__version__)"
    )
    assert run("-c", code).stdout == "0.6 0.6\n"


def test_missing_package_of_detectron2_is_explained(tmp_path):
    (tmp_path / "program.py").write_text(
        "import sys, detectron2\nsys.modules['termcolor'] = None\nfrom termcolor import colored\n"
    )
    result = run("-m", "detectory.compat.detectron2", str(tmp_path / "program.py"))
    assert "pip install 'detectory-compat[projects]'" in result.stderr
    assert result.returncode == 1
