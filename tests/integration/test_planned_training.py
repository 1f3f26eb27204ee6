"""Trainings that are planned for datasets of many sizes, from the plan to the run folder."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from detectory.cli import main
from detectory.engine.plan import PLAN_FILE, PlanRequest, TrainingPlan, plan_training
from detectory.engine.run import planned as planned_module
from detectory.engine.run import train_planned

BOXES = "COCO-Detection/faster_rcnn_R_18_FPN_small"


@pytest.fixture(autouse=True)
def _short(monkeypatch, tmp_path):
    monkeypatch.setattr(planned_module, "_SECONDS", 0.0)
    monkeypatch.setenv("DETECTORY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DETECTORY_OFFLINE", "1")


def write_dataset(folder, images, *, size=64, classes=1, objects=2, mode="RGB", splits=("train", "val")):
    """Write a COCO dataset of boxes; with `size=None`, without image files."""
    generator = np.random.default_rng(0)
    categories = [{"id": index + 1, "name": f"class {index}"} for index in range(classes)]
    side = size or 480
    for split in splits:
        count = images if split == "train" else max(images // 10, 1)
        content = {"images": [], "annotations": [], "categories": categories}
        (folder / split).mkdir(parents=True)
        for image_id in range(count):
            name = f"{image_id}.{'png' if mode == 'I;16' else 'jpg'}"
            content["images"].append({"id": image_id, "file_name": name, "height": side, "width": side})
            for _ in range(objects):
                x, y = (float(value) for value in generator.uniform(0, side * 0.7, 2))
                box = [x, y, side * 0.25, side * 0.25]
                content["annotations"].append(
                    {"id": len(content["annotations"]) + 1, "image_id": image_id, "bbox": box, "iscrowd": 0}
                    | {"category_id": int(generator.integers(classes)) + 1, "area": box[2] * box[3]}
                )
            if size is not None:
                shape = (side, side, 3) if mode == "RGB" else (side, side)
                pixels = generator.integers(0, 255 if mode == "RGB" else 65535, shape)
                Image.fromarray(pixels.astype(np.uint8 if mode == "RGB" else np.uint16)).save(folder / split / name)
        (folder / "annotations").mkdir(exist_ok=True)
        (folder / "annotations" / f"instances_{split}.json").write_text(json.dumps(content))
    return folder


DATASETS = {
    "1 image": ({"images": 1, "splits": ("train",)}, {"batch": 1, "val_images": 1}),
    "2 images": ({"images": 2, "splits": ("train",)}, {"batch": 1, "images": 1, "val_images": 1}),
    "10 images": ({"images": 10, "splits": ("train",)}, {"batch": 4, "images": 8, "val_images": 2}),
    "300 classes": ({"images": 8, "classes": 300, "objects": 40}, {"batch": 4}),
    "32 pixels": ({"images": 4, "size": 32}, {"image_size": (128, 205)}),
    "500 objects": ({"images": 4, "objects": 500}, {"batch": 4}),
    "16-bit gray": ({"images": 4, "mode": "I;16"}, {"batch": 4}),
}


@pytest.mark.parametrize("name", DATASETS)
def test_every_dataset_has_a_plan(tmp_path, name):
    arguments, expected = DATASETS[name]
    plan = plan_training(write_dataset(tmp_path / "data", **arguments), device="cpu").plan
    assert plan.recipe.value == BOXES
    assert {key: choice.value for key, choice in plan.choices()}.items() >= expected.items()


@pytest.mark.parametrize(
    "name", [name if name == "16-bit gray" else pytest.param(name, marks=pytest.mark.slow) for name in DATASETS]
)
def test_every_training_starts(tmp_path, name):
    arguments, expected = DATASETS[name]
    data = write_dataset(tmp_path / "data", **arguments)
    request = PlanRequest(iterations=1, image_size=None if "image_size" in expected else 64)
    planned = plan_training(data, request=request, device="cpu", output=tmp_path / "run")
    assert train_planned(planned, show=lambda _: None).summary.iterations == 1


@pytest.mark.parametrize("images", [5000])
def test_large_datasets_have_a_plan(tmp_path, images):
    data = write_dataset(tmp_path / "data", images, size=None)
    plan = plan_training(data, device="cpu").plan
    assert (plan.images.value, plan.epochs.value, plan.iterations.value) == (images, 12, 12 * images // 4)
    assert plan.evaluations == 12


@pytest.mark.slow
def test_images_of_6000_pixels_are_resized_to_the_size_of_the_recipe(tmp_path):
    data = write_dataset(tmp_path / "data", 2, size=6000, splits=("train", "val"))
    planned = plan_training(data, request=PlanRequest(iterations=1), device="cpu", output=tmp_path / "run")
    assert planned.plan.image_size.value == (320, 512)
    assert train_planned(planned, show=lambda _: None).summary.iterations == 1


@pytest.mark.parametrize("key", ["augmentations[0].max_size", "augmentations.0.max_size"])
def test_augmentations_of_the_user_are_kept(coco_folder, key):
    planned = plan_training(coco_folder, BOXES, overrides=[f"dataloader.train.mapper.{key}=77"], device="cpu")
    assert planned.config.dataloader.train.mapper.augmentations[0].max_size == 77


def test_a_dataset_without_objects_is_refused(tmp_path):
    data = write_dataset(tmp_path / "data", 3, objects=0)
    with pytest.raises(ValueError, match="3 images, but no object to train on"):
        plan_training(data, device="cpu")


def test_a_run_has_the_plan_the_best_model_and_limited_checkpoints(coco_folder, tmp_path):
    run = tmp_path / "run"
    arguments = ["train", "--data", str(coco_folder), "--output", str(run), "--image-size", "64", "--eval-every", "1"]
    result = CliRunner().invoke(
        main, [*arguments, "--epochs", "3", "model.roi_heads.box_predictor.test_score_thresh=0"]
    )
    assert result.exit_code == 0, result.output
    assert "3 epochs = 5 iterations of 4 images" in result.output
    plan = TrainingPlan.from_dict(json.loads((run / PLAN_FILE).read_text()))
    assert (plan.iterations.value, plan.seconds > 0) == (5, True)
    assert plan.settings == {"model.roi_heads.box_predictor.test_score_thresh": "0"}
    checkpoints = {path.name for path in run.glob("*.pth")}
    assert checkpoints >= {"model_best.pth", "model_final.pth"}
    assert len(checkpoints) <= 5
    repeated = CliRunner().invoke(main, [*arguments, "--resume", "--epochs", "4"])
    assert repeated.exit_code == 0, repeated.output
    assert "4 epochs = 6 iterations" in repeated.output
    evaluated = CliRunner().invoke(main, ["eval", "--run", str(run)])
    assert evaluated.exit_code == 0, evaluated.output
    assert f"weights: {run}/model_best.pth (the best mask AP of the run" in evaluated.output


def test_heads_of_a_checkpoint_are_adapted_by_class_name(coco_folder, tmp_path, caplog):
    first = tmp_path / "first"
    arguments = ["train", "--data", str(coco_folder), "--image-size", "64", "train.max_iter=1"]
    assert CliRunner().invoke(main, [*arguments, "--output", str(first)]).exit_code == 0
    for split in ("train", "val"):
        path = coco_folder / "annotations" / f"instances_{split}.json"
        content = json.loads(path.read_text())
        content["categories"] = [{"id": 1, "name": "ball"}, {"id": 2, "name": "Bar"}, {"id": 3, "name": "cone"}]
        path.write_text(json.dumps(content))
    weights = ["--from", str(first / "model_final.pth"), "--output", str(tmp_path / "second")]
    with caplog.at_level("INFO", "detectory"):
        result = CliRunner().invoke(main, [*arguments, *weights])
    assert result.exit_code == 0, result.output
    assert "classes of the initial weights: kept Bar; new ball, cone; dropped block" in caplog.text + result.output
