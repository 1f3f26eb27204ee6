"""Module paths and configs of the research projects, which are separate distributions."""

import importlib
import subprocess
import sys

import pytest

from detectory.compat.detectron2 import _projects, model_zoo
from detectory.compat.detectron2._projects import PROJECTS, Project, ProjectFinder

MISSING = Project("detectory-no-such-project", "detectory.projects.no_such_project.detectron2", ())


@pytest.fixture
def missing_project(monkeypatch):
    """A project "NoSuchProject" that is not installed, with the top-level name `no_such_project`."""
    monkeypatch.setitem(PROJECTS, "NoSuchProject", MISSING)
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, ProjectFinder({"no_such_project": MISSING})])


def test_import_of_a_missing_project_names_its_distribution(missing_project):
    with pytest.raises(ModuleNotFoundError, match=r'pip install "detectory-no-such-project\[detectron2\]"') as caught:
        importlib.import_module("no_such_project")
    assert caught.value.name == "no_such_project"


def test_config_of_a_missing_project_names_its_distribution(missing_project):
    for name in ("NoSuchProject/a.yaml", "projects/NoSuchProject/configs/a.yaml"):
        with pytest.raises(ModuleNotFoundError, match=f"{name} is part of detectory-no-such-project"):
            model_zoo.get_config(name)


def test_other_configs_do_not_belong_to_a_project():
    assert _projects.find_project_config("COCO-Detection/retinanet_R_50_FPN_1x.yaml") is None


PROGRAM = """
from detectory.compat.detectron2 import install
install()
import point_rend, detectron2.projects.point_rend
import detectory.compat.detectron2.projects.point_rend.point_head
from detectron2.projects.point_rend.point_features import point_sample
assert point_rend is detectron2.projects.point_rend
assert detectron2.projects.point_rend.point_head.__name__ == "detectory.projects.point_rend.detectron2.point_head"
assert point_sample is point_rend.point_sample
"""


def test_module_paths_refer_to_the_installed_project():
    pytest.importorskip("detectory.projects.point_rend", reason="needs detectory-point-rend")
    result = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_a_programs_own_copy_of_a_project_is_used(tmp_path):
    (tmp_path / "densepose.py").write_text("OWN = True\n")
    program = "from detectory.compat.detectron2 import install; install(); import densepose; assert densepose.OWN"
    result = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("name", [name for name, project in PROJECTS.items() if project.is_installed()])
def test_configs_of_installed_projects_load(name):
    files = sorted(PROJECTS[name].configs().rglob("*.yaml"))
    assert files
    for file in files:
        config = model_zoo.get_config(f"{name}/{file.relative_to(PROJECTS[name].configs())}")
        assert config.VERSION == 2
