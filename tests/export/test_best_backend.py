"""The stored backend of a run."""

import pytest
import torch

from detectory.engine import Predictor
from detectory.export import export
from detectory.export.best_backend import load_best, store_best, stored_best


@pytest.fixture
def run(tmp_path):
    """A run folder with a checkpoint."""
    folder = tmp_path / "run"
    folder.mkdir()
    torch.save({"model": {"weight": torch.zeros(3)}}, folder / "model_final.pth")
    (folder / "last_checkpoint").write_text("model_final.pth")
    return folder


def test_run_without_measurement_is_optimized(run):
    assert load_best(run) == ("optimized", None)


def test_stored_backend_without_a_file_is_returned_by_name(run):
    store_best(run, "optimized:bfloat16", [], 0.1)
    assert load_best(run) == ("optimized:bfloat16", None)


def test_stored_file_becomes_the_predictor(run, model, inputs, tmp_path):
    file = tmp_path / "model.ts"
    export(model("semantic FPN"), file, inputs("semantic FPN", (160, 224)))
    store_best(run, "torchscript", [file], 0.1)
    name, predictor = load_best(run)
    assert name == "torchscript"
    assert isinstance(predictor, Predictor)
    assert isinstance(Predictor.from_run(run, backend="auto"), Predictor)


def test_measurement_of_an_older_checkpoint_is_ignored(run):
    store_best(run, "eager", [], 0.1)
    assert stored_best(run)["backend"] == "eager"
    torch.save({"model": {"weight": torch.zeros(4000)}}, run / "model_final.pth")
    assert stored_best(run) is None


def test_predictor_rejects_unknown_backends(run):
    with pytest.raises(ValueError, match="backend must be one of eager, optimized, compile, auto, got 'fast'"):
        Predictor.from_run(run, backend="fast")
