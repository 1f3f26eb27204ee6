"""`detectory data split` and `detectory data merge`."""

import json

import pytest
from click.testing import CliRunner
from PIL import Image

from detectory.cli import main
from detectory.data.validation import check_dataset


def run(*arguments, code=0):
    result = CliRunner().invoke(main, ["data", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


def write_dataset(folder, names, images=4):
    """Write `images` images, each with an object of every class."""
    (folder / "annotations").mkdir(parents=True)
    (folder / "train").mkdir()
    content = {"images": [], "annotations": [], "categories": [{"id": i + 1, "name": n} for i, n in enumerate(names)]}
    for image_id in range(1, images + 1):
        Image.new("RGB", (40, 30), (20 * image_id, 0, 0)).save(folder / "train" / f"{image_id}.jpg")
        content["images"].append({"id": image_id, "file_name": f"{image_id}.jpg", "width": 40, "height": 30})
        for category in range(1, len(names) + 1):
            box = [category, 2, 10 + image_id, 12]
            content["annotations"].append(
                {"id": len(content["annotations"]) + 1, "image_id": image_id, "category_id": category, "bbox": box}
            )
    (folder / "annotations/instances_train.json").write_text(json.dumps(content))
    return folder


def content_of(folder, split):
    return json.loads((folder / f"annotations/instances_{split}.json").read_text())


@pytest.mark.parametrize("method", ["image", "class"])
def test_split_writes_disjoint_splits_of_a_valid_dataset(tmp_path, method):
    folder = write_dataset(tmp_path / "a", ["cat", "dog"])
    run("split", folder, tmp_path / "out", "train=0.75", "val=0.25", "--by", method)
    assert [problem for problem in check_dataset(tmp_path / "out") if "duplicate" not in problem.rule] == []
    train, val = (content_of(tmp_path / "out", split) for split in ("train", "val"))
    assert (len(train["images"]), len(val["images"])) == (3, 1)
    assert {i["id"] for i in train["images"]}.isdisjoint({i["id"] for i in val["images"]})
    assert run("split", folder, tmp_path / "out", "train=0.5", "val=0.5", code=1).stderr.count("is not empty")


def test_split_rejects_invalid_fractions(tmp_path):
    folder = write_dataset(tmp_path / "a", ["cat"])
    assert "expected NAME=FRACTION" in run("split", folder, tmp_path / "b", "train", code=2).stderr
    assert "their sum must be 1" in run("split", folder, tmp_path / "b", "train=0.5", code=1).stderr


def test_merge_matches_classes_by_name_and_keeps_all_images(tmp_path):
    first = write_dataset(tmp_path / "a", ["cat", "dog"])
    second = write_dataset(tmp_path / "b", ["dog", "cow"])
    run("merge", first, second, tmp_path / "out")
    content = content_of(tmp_path / "out", "train")
    assert [category["name"] for category in content["categories"]] == ["cat", "dog", "cow"]
    assert [image["id"] for image in content["images"]] == list(range(1, 9))
    assert len({image["file_name"] for image in content["images"]}) == 8
    assert all((tmp_path / "out/train" / image["file_name"]).is_file() for image in content["images"])
    counts = [sum(a["category_id"] == category for a in content["annotations"]) for category in (1, 2, 3)]
    assert counts == [4, 8, 4]
