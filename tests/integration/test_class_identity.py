"""Classes keep their names and ids from the annotations to the results."""

import copy
import json
import os
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from detectory.cli import main
from detectory.core.checkpoint import load_checkpoint_file
from detectory.data import DatasetCatalog, MetadataCatalog
from detectory.data.classes import ClassList, align_classes
from detectory.data.dataset_folder import DatasetFolder
from detectory.engine import Predictor
from detectory.engine.inference.trained_classes import trained_classes
from detectory.evaluation import COCOEvaluator
from detectory.structures import Boxes, BoxMode, Instances

RECIPE = "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.py"
# A folder with the collected cases of users' files; the tests of these cases are skipped without it.
CASES = Path(os.environ.get("DETECTORY_CASES", "no-cases"))


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def edit(folder: Path, split: str, change) -> None:
    path = folder / "annotations" / f"instances_{split}.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def swap_ids(content: dict) -> None:
    """Swap the ids of the two classes in categories and annotations."""
    for category in content["categories"]:
        category["id"] = 3 - category["id"]
    for annotation in content["annotations"]:
        annotation["category_id"] = 3 - annotation["category_id"]


def evaluate_perfect_predictions(folder: Path, split: str = "val") -> float:
    """Return the box AP of predictions that have the class indices of the training split."""
    dataset = DatasetFolder.find(folder)
    dataset.register("perfect")
    align_classes(dataset.classes, ["perfect_val"])
    evaluator = COCOEvaluator(f"perfect_{split}", distributed=False)
    evaluator.reset()
    content = json.loads((folder / "annotations" / f"instances_{split}.json").read_text())
    names = {category["id"]: category["name"] for category in content["categories"]}
    for image in content["images"]:
        own = [annotation for annotation in content["annotations"] if annotation["image_id"] == image["id"]]
        instances = Instances((image["height"], image["width"]))
        boxes = [BoxMode.convert(item["bbox"], BoxMode.XYWH_ABS, BoxMode.XYXY_ABS) for item in own]
        instances.pred_boxes = Boxes(torch.tensor(boxes, dtype=torch.float32))
        instances.pred_classes = torch.tensor([dataset.classes.index(names[item["category_id"]]) for item in own])
        instances.scores = torch.ones(len(own))
        evaluator.process([{"image_id": image["id"]}], [{"instances": instances}])
    return evaluator.evaluate()["bbox"]["AP"]


def test_validation_split_with_swapped_ids_has_the_same_ap(coco_folder):
    edit(coco_folder, "val", swap_ids)
    assert evaluate_perfect_predictions(coco_folder) == pytest.approx(100)


def test_validation_split_with_a_subset_of_the_classes_evaluates_these(coco_folder):
    def keep_second(content):
        content["categories"] = [{"id": 1, "name": "bar"}]
        content["annotations"] = [{**a, "category_id": 1} for a in content["annotations"] if a["category_id"] == 2]

    edit(coco_folder, "val", keep_second)
    assert evaluate_perfect_predictions(coco_folder) == pytest.approx(100)


def test_training_reports_classes_that_only_the_validation_split_has(coco_folder, tmp_path, tiny):
    edit(coco_folder, "val", lambda content: content["categories"][1].update(name="pole"))
    code, output = run("train", RECIPE, "--data", coco_folder, "--output", tmp_path / "run", *tiny)
    assert code == 1
    message = output.strip().splitlines()[-1]
    assert "do not have: pole. Classes in common: block" in message
    assert not list((tmp_path / "run").glob("*.pth"))


def test_training_with_too_few_classes_stops_before_the_first_step(coco_folder, tmp_path, tiny):
    arguments = ("--data", coco_folder, "--output", tmp_path / "run", *tiny, "model.roi_heads.num_classes=1")
    code, output = run("train", RECIPE, *arguments)
    assert code == 1
    assert "Set model.roi_heads.num_classes=2" in output.strip().splitlines()[-1]


def test_boxes_without_masks_stop_the_training_of_a_mask_head(coco_folder, tmp_path, tiny):
    edit(
        coco_folder, "train", lambda content: [annotation.pop("segmentation") for annotation in content["annotations"]]
    )
    code, output = run("train", RECIPE, "--data", coco_folder, "--output", tmp_path / "run", *tiny)
    assert code == 1
    assert "12 of 12 objects of dataset boxes_train have boxes only" in output.strip().splitlines()[-1]


def test_ground_truth_that_cannot_be_evaluated_stops_the_training(coco_folder, tmp_path, tiny):
    def negative_ids(content):
        for item in content["categories"]:
            item["id"] -= 2
        for item in content["annotations"]:
            item["category_id"] -= 2

    edit(coco_folder, "val", negative_ids)
    code, output = run("train", RECIPE, "--data", coco_folder, "--output", tmp_path / "run", *tiny)
    assert code == 1
    assert "instances_val.json" in output.strip().splitlines()[-1]


def test_checkpoints_contain_class_names_and_original_ids(coco_folder, tmp_path, tiny):
    arguments = ("--data", coco_folder, "--output", tmp_path / "run", *tiny, "train.max_iter=1")
    code, output = run("train", RECIPE, *arguments)
    assert code == 0, output
    content = load_checkpoint_file(tmp_path / "run" / "model_final.pth")
    assert content["classes"] == {"names": ["block", "bar"], "ids": [1, 2], "keypoints": []}


def test_classes_are_read_from_a_run_a_checkpoint_a_model_and_a_predictor(sparse_run):
    predictor = Predictor.from_run(sparse_run)
    model = copy.deepcopy(predictor.model)
    for source in (sparse_run, sparse_run / "model_final.pth", model, predictor):
        assert trained_classes(source) == ClassList(("block", "bar"), (13, 23))


@pytest.mark.skipif(not CASES.is_dir(), reason="DETECTORY_CASES is not set")
def test_case_of_a_validation_split_with_renumbered_classes():
    assert evaluate_perfect_predictions(CASES / "val-renumbers-classes" / "ds") == pytest.approx(100)


@pytest.fixture(autouse=True)
def remove_datasets():
    """Remove the datasets that a test registers."""
    before = set(DatasetCatalog.list())
    yield
    for name in set(DatasetCatalog.list()) - before:
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)


@pytest.fixture
def sparse_run(coco_folder, tmp_path, tiny) -> Path:
    """Return a run on a dataset with scattered image and category ids."""

    def scatter(content):
        for item in content["categories"]:
            item["id"] = 10 * item["id"] + 3
        for image in content["images"]:
            image["id"] = 1000 - 7 * image["id"]
        for item in content["annotations"]:
            item["category_id"], item["image_id"] = 10 * item["category_id"] + 3, 1000 - 7 * item["image_id"]

    edit(coco_folder, "train", scatter)
    edit(coco_folder, "val", scatter)
    arguments = ("--data", coco_folder, "--output", tmp_path / "run", *tiny, "train.max_iter=30", "optimizer.lr=0.005")
    code, output = run("train", RECIPE, *arguments, "model.roi_heads.box_predictor.test_score_thresh=0.0")
    assert code == 0, output
    return tmp_path / "run"


def test_results_of_predict_have_the_metrics_of_the_run(sparse_run, coco_folder, tmp_path):
    code, output = run(
        "predict", coco_folder / "val", "--run", sparse_run, "--output", tmp_path / "p", "--threshold", 0
    )
    assert code == 0, output
    entries = json.loads((tmp_path / "p" / "results.json").read_text())
    assert {entry["category_id"] for entry in entries} <= {13, 23}
    assert {entry["image_id"] for entry in entries} == {1000 - 7 * number for number in range(1, 7)}
    annotations = coco_folder / "annotations" / "instances_val.json"
    metrics = []
    for options in (("--run", sparse_run), ("--predictions", tmp_path / "p" / "results.json")):
        extra = ("--annotations", annotations) if options[0] == "--predictions" else ()
        code, output = run("eval", *options, *extra, "--output", tmp_path / "m", "--json")
        assert code == 0, output
        metrics.append(json.loads((tmp_path / "m" / "metrics.json").read_text()))
    assert metrics[0]["bbox"] == pytest.approx(metrics[1]["bbox"], nan_ok=True)
    assert metrics[0]["segm"] == pytest.approx(metrics[1]["segm"], nan_ok=True)


def test_other_images_have_unused_ids_also_without_the_dataset(sparse_run, coco_folder, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "1.jpg").write_bytes((coco_folder / "val" / "1.jpg").read_bytes())
    inputs = (outside, coco_folder / "val" / "2.jpg")
    assert run("predict", *inputs, "--run", sparse_run, "--output", tmp_path / "p", "--threshold", 0)[0] == 0
    entries = json.loads((tmp_path / "p" / "results.json").read_text())
    assert {Path(entry["file_name"]).parent.name: entry["image_id"] for entry in entries} == {
        "outside": 994,
        "val": 986,
    }
    coco_folder.rename(tmp_path / "moved")
    code, output = run("predict", outside, "--run", sparse_run, "--output", tmp_path / "q", "--threshold", 0)
    assert code == 0, output
    assert {entry["category_id"] for entry in json.loads((tmp_path / "q" / "results.json").read_text())} <= {13, 23}


def test_predictor_loads_a_run_in_one_line(sparse_run, coco_folder):
    predictor = Predictor.from_run(sparse_run)
    instances = predictor.predict(coco_folder / "val" / "1.jpg")
    assert predictor.classes == ClassList(("block", "bar"), (13, 23))
    assert set(instances.pred_class_names) <= {"block", "bar"}
    with pytest.raises(FileNotFoundError, match=r"not a run folder: config\.yaml is missing"):
        Predictor.from_run(coco_folder)


def five_keypoints(content: dict) -> None:
    content["categories"] = [{"id": 4, "name": "bar", "keypoints": ["tip", "left", "right", "mid", "end"]}]
    for item in content["annotations"]:
        x, y, width, height = item["bbox"]
        item["category_id"], item["num_keypoints"] = 4, 5
        item["keypoints"] = [value for i in range(5) for value in (x + i * width // 5, y + i * height // 5, 2)]


def test_five_keypoints_need_no_setting_from_data_to_evaluation(coco_folder, tmp_path, tiny):
    for split in ("train", "val"):
        edit(coco_folder, split, five_keypoints)
    recipe = "COCO-Keypoints/keypoint_rcnn_R_50_FPN_1x.py"
    overrides = [override for override in tiny if "mask_head" not in override]
    keypoints = ["model.roi_heads.keypoint_head.input_shape.channels=32", "model.roi_heads.keypoint_head.conv_dims=[8]"]
    threshold = ["model.roi_heads.box_predictor.test_score_thresh=0.0", "train.max_iter=2"]
    arguments = ("--data", coco_folder, "--output", tmp_path / "run", *overrides, *keypoints, *threshold)
    code, output = run("train", recipe, *arguments)
    assert code == 0, output
    assert "swaps the keypoints left and right" in (tmp_path / "run" / "log.txt").read_text()
    code, output = run("eval", "--run", tmp_path / "run", "--output", tmp_path / "m")
    assert code == 0, output
    assert "keypoints" in json.loads((tmp_path / "m" / "metrics.json").read_text())
    results = tmp_path / "m" / "coco_instances_results.json"
    annotations = coco_folder / "annotations" / "instances_val.json"
    options = ("--predictions", results, "--annotations", annotations, "--output", tmp_path / "n")
    code, output = run("eval", *options, "--oks-sigmas", "0.1,0.1,0.1,0.1,0.1")
    assert code == 0, output
    assert {"bbox", "keypoints"} <= set(json.loads((tmp_path / "n" / "metrics.json").read_text()))
