"""Differences from Detectron2 that remain.

The docstrings of the tests are the rows of a table in `docs/from-detectron2.md`: subject, Detectron2 and Detectory,
separated by bars. `python tools/write_differences.py` writes the table.
"""

import importlib
import pickle
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch

from detectory.compat.detectron2.checkpoint import DetectionCheckpointer
from detectory.compat.detectron2.config import get_cfg
from detectory.compat.detectron2.export import Caffe2Tracer
from detectory.compat.detectron2.utils.visualizer import VisImage
from detectory.compat.fvcore.nn import FlopCountAnalysis
from detectory.core.checkpoint import CheckpointError

ROOT = Path(__file__).parents[2]


def test_yaml_tags_are_refused(tmp_path):
    """YAML with `!!python` tags | executed after a warning | refused, unless `allow_unsafe=True` is passed"""
    path = tmp_path / "a.yaml"
    path.write_text("SEED: !!python/object/apply:os.getpid []\n")
    with pytest.raises(ValueError, match="getpid"):
        get_cfg().merge_from_file(str(path))
    cfg = get_cfg()
    cfg.merge_from_file(str(path), allow_unsafe=True)
    assert cfg.SEED > 0


def test_integers_become_floats():
    """an integer for a float setting | an error in command-line overrides | converted to a float"""
    cfg = get_cfg()
    cfg.merge_from_list(["SOLVER.BASE_LR", "1"])
    assert isinstance(cfg.SOLVER.BASE_LR, float)


def test_unknown_keys_have_suggestions():
    """unknown keys | an error | an error with the nearest name"""
    with pytest.raises(KeyError, match="BASE_LR"):
        get_cfg().merge_from_list(["SOLVER.BASE_LT", 1.0])


class Harmful:
    def __reduce__(self):
        return eval, ("1 + 1",)


def test_checkpoints_do_not_execute_code(tmp_path):
    """pickled checkpoints | unpickled, which can execute code | only tensors, arrays and plain values are read"""
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps({"model": {"weight": np.zeros((1, 1), np.float32)}, "more": Harmful()}))
    with pytest.raises(CheckpointError, match="eval"):
        DetectionCheckpointer(torch.nn.Linear(1, 1)).load(str(path))


def test_drawn_images_have_a_figure_on_request():
    """`VisImage.fig`, `VisImage.ax` | the figure of all drawings | a figure on top of the drawings made with Pillow"""
    pytest.importorskip("matplotlib")
    image = VisImage(np.zeros((4, 5, 3), np.uint8))
    image.get_image()
    assert "fig" not in vars(image)
    assert image.ax.get_xlim() == (0, 5)
    assert not image.ax.images


def test_caffe2_is_not_available():
    """Caffe2 export | deprecated | `Caffe2Tracer` raises an error; the modules `export.caffe2_*` do not exist"""
    with pytest.raises(Exception, match="Caffe2"):
        Caffe2Tracer(get_cfg(), torch.nn.Linear(1, 1), [])
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("detectory.compat.detectron2.export.caffe2_export")


def test_the_compiled_extension_is_not_available():
    """`detectron2._C` | the compiled operators | missing; the operators are `torch.ops.detectory`"""
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("detectory.compat.detectron2._C")


def test_projects_are_separate_distributions():
    """`detectron2.projects`, `densepose`, `tensormask`, … | folders of the repository | distributions such as
    `detectory-point-rend`; MeshRCNN and others are not available
    """
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("detectory.compat.detectron2.projects.mesh_rcnn")


def test_operation_counts_have_no_unsupported_operators():
    """`FlopCountAnalysis` | counts nodes of a traced graph and warns about others | counts executed operators;
    op handles apply to the whole model only
    """
    analysis = FlopCountAnalysis(torch.nn.Tanh(), torch.zeros(2))
    assert analysis.total() == 0
    assert not analysis.unsupported_ops()


def test_the_table_in_the_documentation_is_current():
    updated = runpy.run_path(str(ROOT / "tools" / "write_differences.py"))["updated"]
    page = (ROOT / "docs" / "from-detectron2.md").read_text(encoding="utf-8")
    assert updated(page) == page
