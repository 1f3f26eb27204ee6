"""The demo from dataset to result page, with a few iterations only."""

import json

import pytest

from detectory.cli.demo.pipeline import run_demo


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Run the demo with a small generated dataset and return the output folder."""
    from detectory.cli.demo import pipeline

    folder = tmp_path_factory.mktemp("demo")
    patch = pytest.MonkeyPatch()
    patch.setattr(pipeline, "_TRAIN_IMAGES", 16)
    patch.setattr(pipeline, "_VAL_IMAGES", 6)
    run_demo(folder, coco=None, iterations=12)
    patch.undo()
    return folder


@pytest.mark.slow
def test_demo_writes_a_page_with_images_and_curves(page):
    text = (page / "index.html").read_text()
    assert text.count("data:image/") >= 12
    assert [
        part for part in ("textured shapes", "Average precision", "ground truth", "ONNX export") if part not in text
    ] == []


@pytest.mark.slow
def test_demo_stores_metrics_before_and_after_training_and_of_the_export(page):
    results = json.loads((page / "results.json").read_text())
    assert set(results) == {"before", "after", "export"}
    assert set(results["before"]) == set(results["after"]) == {"bbox", "segm"}
    assert results["export"]["validation images"] == 4


@pytest.mark.slow
def test_demo_writes_the_files_of_a_training_run(page):
    assert {"config.yaml", "metrics.json", "model_final.pth", "last_checkpoint", "model.onnx"} <= {
        path.name for path in (page / "run").iterdir()
    }


def test_demo_rejects_a_folder_without_dataset(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises((FileNotFoundError, ValueError), match="empty"):
        run_demo(tmp_path / "output", coco=tmp_path / "empty", iterations=1)
