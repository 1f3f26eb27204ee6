"""Resolution of `import detectron2` to the compat package, in child processes."""

import subprocess
import sys

import pytest


def run(*arguments, cwd=None):
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, cwd=cwd)


def run_installed(code):
    return run("-c", f"from detectory.compat.detectron2 import install; install()\n{code}")


@pytest.mark.parametrize(
    "code",
    [
        "import detectron2; print(detectron2.__name__)",
        "from detectron2 import model_zoo; import detectron2.model_zoo as m; assert m is model_zoo",
        "import detectron2.config.config as a, detectory.compat.detectron2.config.config as b; assert a is b",
        "from detectron2.config import CfgNode, get_cfg; assert isinstance(get_cfg(), CfgNode)",
        "from fvcore.common.config import CfgNode; from detectron2.config import get_cfg; "
        "assert isinstance(get_cfg(), CfgNode)",
        "from yacs.config import CfgNode; from detectron2.config import get_cfg; cfg = get_cfg(); "
        "cfg.EXTRA = CfgNode(); cfg.EXTRA.A = 1; assert cfg.clone().EXTRA.A == 1",
        "from detectory.compat.detectron2 import install; install(); import detectron2.utils.registry",
        "import importlib; importlib.reload(importlib.import_module('detectron2.utils.registry'))",
    ],
)
def test_imports_resolve(code):
    result = run_installed(code)
    assert result.returncode == 0, result.stderr


def test_a_missing_submodule_raises_module_not_found():
    result = run_installed("import detectron2.nothing")
    assert "No module named 'detectron2.nothing'" in result.stderr


def test_refuses_to_replace_an_imported_detectron2():
    result = run(
        "-c",
        "import sys, types; sys.modules['detectron2'] = types.ModuleType('detectron2')\n"
        "sys.modules['detectron2'].__file__ = 'elsewhere'\n"
        "from detectory.compat.detectron2 import install; install()",
    )
    assert "another detectron2 has already been imported from elsewhere" in result.stderr


def test_unchanged_script_runs_with_its_arguments(tmp_path):
    (tmp_path / "neighbour.py").write_text("NAME = 'neighbour'\n")
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, neighbour\nfrom detectron2.config import get_cfg\n"
        "if __name__ == '__main__':\n    print(neighbour.NAME, sys.argv[1:], get_cfg().VERSION)\n"
    )
    result = run("-m", "detectory.compat.detectron2", str(script), "--flag", "x")
    assert result.stdout == "neighbour ['--flag', 'x'] 2\n", result.stderr


@pytest.mark.parametrize(("arguments", "code"), [(["--help"], 0), ([], 2), (["absent.py"], 2)])
def test_command_line_prints_usage(arguments, code):
    assert run("-m", "detectory.compat.detectron2", *arguments).returncode == code


SAME_NAMES = [
    ("layers", "nms", "batched_nms"),
    ("layers", "roi_align", "ROIAlign"),
    ("layers", "roi_align_rotated", "ROIAlignRotated"),
    ("config", "instantiate", "dump_dataclass"),
    ("engine", "launch", "DEFAULT_TIMEOUT"),
]


@pytest.mark.parametrize(("package", "name", "other"), SAME_NAMES, ids=[f"{p}.{n}" for p, n, _ in SAME_NAMES])
@pytest.mark.parametrize("is_module_first", [True, False], ids=["module first", "function first"])
def test_functions_are_not_replaced_by_modules_of_the_same_name(package, name, other, is_module_first):
    imports = [f"from detectron2.{package}.{name} import {other}", f"from detectron2.{package} import {name}"]
    code = "\n".join(imports if is_module_first else reversed(imports))
    check = f"assert callable({name})\nimport detectron2.{package} as p\nassert callable(p.{name})"
    result = run_installed(f"{code}\nimport detectron2.{package}.{name}\n{check}")
    assert result.returncode == 0, result.stderr


def test_transforms_are_those_of_an_installed_fvcore(tmp_path):
    folder = tmp_path / "fvcore" / "transforms"
    folder.mkdir(parents=True)
    for package in (folder.parent, folder):
        (package / "__init__.py").touch()
    (folder / "transform.py").write_text("import abc\nclass Transform(metaclass=abc.ABCMeta): pass\n")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from detectory.compat.detectron2 import install; install()\n"
        "from detectron2.data import transforms as T\nimport fvcore.transforms.transform as f\n"
        f"assert f.__file__.startswith({str(tmp_path)!r})\nassert isinstance(T.HFlipTransform(6), f.Transform)"
    )
    result = run("-c", code)
    assert result.returncode == 0, result.stderr
