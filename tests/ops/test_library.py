"""Dependencies of the compiled libraries, and errors if a library is missing."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import detectory.ops
from detectory.ops import _library, pairwise_iou
from detectory.ops._checks import arguments

LIBRARIES = [path for stem in ("_C", "_C_cuda") if (path := _library.find_library(stem, detectory.ops.__path__))]
SANITIZED = os.environ.get("DETECTORY_SANITIZE") == "ON"


def tool(name):
    return shutil.which(name) or pytest.skip(f"needs {name} (GNU binutils)")


def needed_symbols(path):
    lines = subprocess.run([tool("nm"), "-D", "--undefined-only", path], capture_output=True, text=True, check=True)
    return {line.split()[-1].split("@")[0] for line in lines.stdout.splitlines()}


@pytest.mark.parametrize("path", LIBRARIES, ids=lambda path: path.stem)
def test_uses_only_symbols_exported_by_torch_2_10(path, golden):
    allowed = set((golden / "ops_torch_2_10_symbols.txt").read_text(encoding="utf-8").split())
    of_torch = {name for name in needed_symbols(path) if re.match(r"(aoti_)?torch_", name)}
    assert of_torch
    assert of_torch - allowed == set()


@pytest.mark.parametrize("path", LIBRARIES, ids=lambda path: path.stem)
def test_does_not_use_cpp_symbols_of_torch_or_python_symbols(path):
    names = needed_symbols(path)
    assert [name for name in names if re.match(r"_?Py[A-Z_]", name)] == []
    assert [name for name in names if re.match(r"_Z\w*(2at|3c10|5torch|6caffe2)", name)] == []


@pytest.mark.parametrize("path", LIBRARIES, ids=lambda path: path.stem)
def test_depends_on_torch_only_and_has_no_rpath(path):
    dynamic = subprocess.run([tool("readelf"), "-d", path], capture_output=True, text=True, check=True).stdout
    needed = re.findall(r"Shared library: \[(.*?)\]", dynamic)
    expected = {"_C": "libtorch_cpu.so", "_C_cuda": "libtorch.so"}[path.stem]
    assert [name for name in needed if "torch" in name or "c10" in name or "cuda" in name] == [expected]
    assert "RPATH" not in dynamic
    assert "RUNPATH" not in dynamic


@pytest.mark.skipif(SANITIZED, reason="sanitizers write paths into the library: run with the ordinary wheel")
@pytest.mark.parametrize("path", LIBRARIES, ids=lambda path: path.stem)
def test_does_not_contain_paths_of_the_build_machine(path):
    assert re.findall(rb"/[\w./-]*/csrc/\w+\.(?:cpp|h|cu)", path.read_bytes()) == []


SCRIPT = """
import torch, detectory.ops as o
torch.manual_seed(0)
boxes, features = torch.rand(3000, 4) * 50, torch.rand(1, 40, 20, 20)
boxes[:, 2:] += boxes[:, :2]
rois = torch.cat([torch.zeros(99, 1), boxes[:99]], 1)
print(o.nms(boxes, torch.rand(3000), 0.4).tolist(), o.pairwise_iou(boxes[:50], boxes).double().sum().item())
print(round(o.roi_align(features, rois, 7, 0.2).double().sum().item(), 1))
"""


@pytest.fixture(scope="module")
def with_instruction_set():
    """Return the output of the script with the kernels limited to an instruction set."""

    def run(name):
        environment = {**os.environ, "DETECTORY_CPU_ISA": name}
        command = [sys.executable, "-c", SCRIPT]
        return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout

    return run


def test_all_instruction_sets_return_the_same_boxes(with_instruction_set):
    assert len({with_instruction_set(name) for name in ("default", "avx2", "avx512")}) == 1


def test_error_names_the_missing_library_and_the_searched_folders(tmp_path):
    assert _library.find_library("_C", [str(tmp_path)]) is None
    with pytest.raises(ImportError, match=re.escape(str(tmp_path))):
        _library._load([str(tmp_path)])


def test_finds_a_library_in_any_folder_of_the_package(tmp_path):
    (tmp_path / "_C.so").touch()
    assert _library.find_library("_C", ["/nowhere", str(tmp_path)]) == Path(tmp_path / "_C.so")


def test_error_states_why_cuda_kernels_are_unavailable(monkeypatch):
    class OnCuda(torch.Tensor):
        is_cuda = True

    monkeypatch.setattr(arguments, "cuda_absence", "this torch is a CPU-only build")
    with pytest.raises(RuntimeError, match=r"boxes1 is on .*, but CUDA kernels are unavailable: this torch is a CPU"):
        pairwise_iou(torch.zeros(1, 4).as_subclass(OnCuda), torch.zeros(1, 4))
