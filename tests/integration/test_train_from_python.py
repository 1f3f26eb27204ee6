"""`detectory.engine.train` with the name of a recipe and a dataset folder, and the run that it returns."""

import json

import pytest
from omegaconf import OmegaConf

from detectory.engine import Run, train

RECIPE = "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.py"


@pytest.fixture(scope="module")
def trained(make_coco_folder, tiny, tmp_path_factory):
    """Return a run of two iterations and the lines that were shown."""
    folder, shown = tmp_path_factory.mktemp("python"), []
    overrides = [*tiny, "train.max_iter=2", "model.roi_heads.box_predictor.test_score_thresh=0.0"]
    data = make_coco_folder(folder / "data")
    options = {"overrides": overrides, "weights": "none", "device": "cpu", "show": shown.append}
    return train(RECIPE, data=data, output=folder / "run", eval_every=1, **options), shown


def test_training_writes_the_files_of_the_command(trained):
    run, shown = trained
    files = ("config.yaml", "log.txt", "metrics.json", "model_best.pth", "model_final.pth", "plan.json", "report.html")
    assert [name for name in (*files, "run.json") if not (run.folder / name).is_file()] == []
    assert run.plan.iterations.value == 2
    assert "images per iteration" in shown[0]


def test_run_has_the_metrics_of_every_evaluation_and_of_the_best_model(trained):
    run, _ = trained
    assert [one.iterations for one in run.summary.evaluations] == [1, 2]
    record = json.loads((run.folder / "model_best.json").read_text())
    assert run.metrics["segm"]["AP"] == pytest.approx(record["value"])
    assert run.summary.weights.name == "model_best.pth"


def test_run_predicts_with_class_names(trained, tmp_path):
    run, _ = trained
    image = next((run.folder.parent / "data" / "val").glob("*.jpg"))
    instances = Run.open(run.folder).predictor().predict(image)
    assert set(instances.pred_class_names) <= {"block", "bar"}


def test_report_contains_plan_errors_and_images(trained):
    page = trained[0].report.read_text()
    for title in ("Plan", "Curves", "Error examples", "Random test images", "Environment"):
        assert f"<h2>{title}" in page
    assert "data:image/jpeg" in page
    assert "is incomplete" not in page


def test_report_is_written_again_from_the_files_of_the_run(trained):
    run, _ = trained
    run.report.unlink()
    assert "Error examples" in run.write_report().read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "expected recipe or data"),
        ({"recipe": RECIPE, "epochs": 3}, "need data"),
        ({"recipe": OmegaConf.create(), "data": "folder"}, "must be a name or a file"),
        ({"recipe": "COCO-Detection/retinanet_R_50_FPN_1x.yaml"}, "got the Detectron2 config"),
    ],
    ids=["nothing", "epochs", "config", "yaml"],
)
def test_rejects_arguments_that_do_not_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        train(**arguments)
