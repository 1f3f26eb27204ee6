"""The demo from a folder to its page, with too few iterations to learn anything."""

import json

import pytest

from detectory.cli.demo.pipeline import run_demo


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The folder that the demo wrote; its dataset is the generated one, made small."""
    from detectory.cli.demo import pipeline

    folder = tmp_path_factory.mktemp("demo")
    patch = pytest.MonkeyPatch()
    patch.setattr(pipeline, "_TRAIN_IMAGES", 16)
    patch.setattr(pipeline, "_VAL_IMAGES", 6)
    run_demo(folder, coco=None, iterations=12)
    patch.undo()
    return folder


@pytest.mark.slow
def test_the_demo_ends_with_a_page_that_holds_its_pictures_and_curves(page):
    text = (page / "index.html").read_text()
    assert text.count("data:image/") >= 12
    assert [
        part for part in ("textured shapes", "Average precision", "ground truth", "exported model") if part not in text
    ] == []


@pytest.mark.slow
def test_the_demo_stores_figures_from_before_and_after_and_of_the_export(page):
    results = json.loads((page / "results.json").read_text())
    assert set(results) == {"before", "after", "export"}
    assert set(results["before"]) == set(results["after"]) == {"bbox", "segm"}
    assert results["export"]["held-out images compared"] == 4


@pytest.mark.slow
def test_the_demo_leaves_the_run_that_train_leaves(page):
    assert {"config.yaml", "metrics.json", "model_final.pth", "last_checkpoint", "model.onnx"} <= {
        path.name for path in (page / "run").iterdir()
    }


def test_the_demo_refuses_a_folder_that_holds_no_dataset(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises((FileNotFoundError, ValueError), match="empty"):
        run_demo(tmp_path / "output", coco=tmp_path / "empty", iterations=1)
