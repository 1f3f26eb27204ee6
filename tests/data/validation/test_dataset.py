import json

import pytest
from PIL import Image

from detectory.data.validation import check_dataset


def test_valid_dataset_has_no_problems(coco):
    assert check_dataset(coco.file) == []


def test_all_problems_are_reported_in_one_run(coco):
    (coco.images / "1.jpg").unlink()
    cut = coco.images / "2.jpg"
    cut.write_bytes(cut.read_bytes()[:900])
    Image.new("RGB", (10, 10)).save(coco.images / "3.jpg")
    coco.content["annotations"][3].update(bbox=[0, 0, -1, 2], category_id=5, segmentation=[[1, 2, 3, 4]])
    found = {(problem.id, problem.field) for problem in check_dataset(coco.write())}
    images = {("image 1", "file_name"), ("image 2", ""), ("image 3", "width, height")}
    assert found == images | {("annotation 4", field) for field in ("bbox", "category_id", "segmentation[0]")}


def test_reports_boxes_outside_the_image(coco):
    coco.content["annotations"][0]["bbox"] = [100, 2, 5, 5]
    (problem,) = check_dataset(coco.write())
    assert str(problem).endswith("annotation 1: bbox: box [100, 2, 5, 5] is outside the image of 64 x 40 pixels")


def test_reports_one_problem_per_missing_list(tmp_path):
    (tmp_path / "x.json").write_text(json.dumps({"images": []}))
    assert [problem.field for problem in check_dataset(tmp_path / "x.json")] == ["annotations", "categories"]


def test_reports_decompression_bomb(coco, monkeypatch):
    monkeypatch.setattr("detectory.data.images.reading.MAX_PIXELS", 1000)
    problems = check_dataset(coco.file, decode=True)
    assert all("must have at most 1000 pixels" in problem.message for problem in problems)
    assert len(problems) == 4


def test_progress_reaches_the_total(coco):
    steps = []
    check_dataset(coco.file, progress=lambda done, total: steps.append((done, total)))
    assert steps[-1] == (10, 10)


def test_rejects_missing_path(tmp_path):
    with pytest.raises(FileNotFoundError, match="not a file, a folder or a registered dataset"):
        check_dataset(tmp_path / "nothing")


def test_real_coco_dataset_has_no_problems(test_data):
    assert check_dataset(test_data / "coco") == []
