"""The notebook in examples/ runs with few images and short training."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "examples" / "train_shapes.ipynb"


@pytest.fixture(scope="module")
def run_notebook():
    """Return the module tools/run_notebook.py."""
    spec = importlib.util.spec_from_file_location("run_notebook", ROOT / "tools" / "run_notebook.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_notebook_trains_and_shows_predictions(run_notebook, tmp_path):
    pytest.importorskip("skimage")
    parameters = {"folder": tmp_path, "train_images": 8, "val_images": 4, "epochs": 1}
    notebook, variables = run_notebook.run(NOTEBOOK, parameters)
    run = variables["run"]
    assert run.summary.end == "finished"
    assert (run.report.is_file(), run.plan.epochs.value) == (True, 1)
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", ())]
    assert sum("image/jpeg" in output.get("data", ()) for output in outputs) == 3
