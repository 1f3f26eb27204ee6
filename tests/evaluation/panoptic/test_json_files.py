"""Panoptic files as people and tools write them: what does not matter is not looked at, what is broken is named."""

import json

import pytest
from panoptic_segmentations import CATEGORIES, random_pair, save

from detectory.evaluation import panoptic_quality


@pytest.fixture
def files(tmp_path):
    """The paths of a truth and of predictions, and the arguments of `panoptic_quality`."""
    truths, predictions = random_pair(8)
    truth, found = save(tmp_path / "truth", truths, CATEGORIES), save(tmp_path / "found", predictions, CATEGORIES)
    return truth[0], found[0], (truth[0], found[0], truth[1], found[1])


def change(path, edit):
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def name_by_text(content):
    for image in content["images"]:
        image["id"] = f"frankfurt_{image['id']}"
    for entry in content["annotations"]:
        entry["image_id"] = f"frankfurt_{entry['image_id']}"


def test_images_may_be_named_by_text_as_in_cityscapes(files):
    truth, found, arguments = files
    expected = panoptic_quality(*arguments)
    change(truth, name_by_text), change(found, name_by_text)
    assert panoptic_quality(*arguments) == pytest.approx(expected, nan_ok=True)


def test_fields_that_no_figure_depends_on_may_hold_anything(files):
    truth, _, arguments = files
    expected = panoptic_quality(*arguments)
    change(truth, lambda content: content.update(info=[1], licenses=[{"id": "none"}]))
    change(truth, lambda content: content["annotations"][0]["segments_info"][0].update(bbox=None, area="?"))
    assert panoptic_quality(*arguments) == pytest.approx(expected, nan_ok=True)


PROBLEMS = {
    "image_id": (lambda c: c["annotations"][1].update(image_id=[2]), r"annotations\[1\]: image_id: expected a number"),
    "unknown image": (lambda c: c["annotations"][1].update(image_id=77), "annotation of image 77: image_id: no image"),
    "segments_info": (lambda c: c["annotations"][0].update(segments_info=3), "image 1: segments_info: expected a list"),
    "segment": (
        lambda c: c["annotations"][0]["segments_info"].insert(0, 5),
        r"image 1: segments_info\[0\]: expected an",
    ),
    "id": (
        lambda c: c["annotations"][0]["segments_info"][0].update(id=[]),
        r"segments_info\.id: expected a new number",
    ),
    "category_id": (
        lambda c: c["annotations"][0]["segments_info"][0].update(category_id={}),
        r"segments_info\.category_id: segment \d+: no category has the id {}",
    ),
    "iscrowd": (
        lambda c: c["annotations"][0]["segments_info"][0].update(iscrowd="no"),
        r"segments_info\.iscrowd: segment \d+: expected 0 or 1, got 'no'",
    ),
    "isthing": (lambda c: c["categories"][0].update(isthing="yes"), "category 2: isthing: expected 0 or 1, got 'yes'"),
}


@pytest.mark.parametrize("problem", PROBLEMS)
def test_a_broken_entry_is_named_with_its_file_and_field(files, problem):
    edit, message = PROBLEMS[problem]
    change(files[0], edit)
    with pytest.raises(ValueError, match=rf"truth/all\.json: .*{message}"):
        panoptic_quality(*files[2])
