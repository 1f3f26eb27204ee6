"""Panoptic files: unrelated fields are ignored, invalid entries are reported."""

import json

import pytest
from panoptic_segmentations import CATEGORIES, random_pair, save

from detectory.evaluation import panoptic_quality


@pytest.fixture
def files(tmp_path):
    """Paths of a ground truth and of predictions, and the arguments of `panoptic_quality`."""
    ground_truths, predictions = random_pair(8)
    ground_truth, ground_truth_folder = save(tmp_path / "ground_truth", ground_truths, CATEGORIES)
    predicted, predicted_folder = save(tmp_path / "predictions", predictions, CATEGORIES)
    return ground_truth, predicted, (ground_truth, predicted, ground_truth_folder, predicted_folder)


def change(path, edit):
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def use_string_ids(content):
    for image in content["images"]:
        image["id"] = f"frankfurt_{image['id']}"
    for entry in content["annotations"]:
        entry["image_id"] = f"frankfurt_{entry['image_id']}"


def test_image_ids_may_be_strings_as_in_cityscapes(files):
    ground_truth, predictions, arguments = files
    expected = panoptic_quality(*arguments)
    change(ground_truth, use_string_ids), change(predictions, use_string_ids)
    assert panoptic_quality(*arguments) == pytest.approx(expected, nan_ok=True)


def test_ignores_unrelated_fields(files):
    ground_truth, _, arguments = files
    expected = panoptic_quality(*arguments)
    change(ground_truth, lambda content: content.update(info=[1], licenses=[{"id": "none"}]))
    change(ground_truth, lambda content: content["annotations"][0]["segments_info"][0].update(bbox=None, area="?"))
    assert panoptic_quality(*arguments) == pytest.approx(expected, nan_ok=True)


PROBLEMS = {
    "image_id": (lambda c: c["annotations"][1].update(image_id=[2]), r"annotations\[1\]: image_id: must be an integer"),
    "unknown image": (
        lambda c: c["annotations"][1].update(image_id=77),
        "annotation of image 77: image_id: not an image",
    ),
    "segments_info": (lambda c: c["annotations"][0].update(segments_info=3), "image 1: segments_info: must be a list"),
    "segment": (
        lambda c: c["annotations"][0]["segments_info"].insert(0, 5),
        r"image 1: segments_info\[0\]: must be an",
    ),
    "id": (
        lambda c: c["annotations"][0]["segments_info"][0].update(id=[]),
        r"segments_info\.id: must be an integer in",
    ),
    "category_id": (
        lambda c: c["annotations"][0]["segments_info"][0].update(category_id={}),
        r"segments_info\.category_id: segment \d+: no category has the id {}",
    ),
    "iscrowd": (
        lambda c: c["annotations"][0]["segments_info"][0].update(iscrowd="no"),
        r"segments_info\.iscrowd: segment \d+: must be 0 or 1, got 'no'",
    ),
    "isthing": (lambda c: c["categories"][0].update(isthing="yes"), "category 2: isthing: must be 0 or 1, got 'yes'"),
}


@pytest.mark.parametrize("problem", PROBLEMS)
def test_rejects_invalid_fields_by_file_and_field(files, problem):
    edit, message = PROBLEMS[problem]
    change(files[0], edit)
    with pytest.raises(ValueError, match=rf"ground_truth/all\.json: .*{message}"):
        panoptic_quality(*files[2])
