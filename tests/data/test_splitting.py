"""Random splits and unions of datasets."""

from collections import Counter

import pytest

from detectory.data.combination import union_of_classes, with_classes
from detectory.data.splitting import split_records


def records(count=100):
    """Return images of ten folders; every tenth has an object of the rare class 1, all have one of class 0."""
    return [
        {
            "file_name": f"{index // 10}/{index}.jpg",
            "image_id": index,
            "annotations": [{"category_id": 0}] + [{"category_id": 1}] * (index % 10 == 0),
        }
        for index in range(count)
    ]


@pytest.mark.parametrize("method", ["image", "class", "folder"])
def test_splits_contain_every_image_once_with_the_requested_fractions(method):
    splits = split_records(records(), {"train": 0.7, "val": 0.2, "test": 0.1}, method, seed=1)
    assert {name: len(part) for name, part in splits.items()} == {"train": 70, "val": 20, "test": 10}
    assert sorted(record["image_id"] for part in splits.values() for record in part) == list(range(100))


def test_stratified_splits_keep_the_fractions_of_rare_classes():
    splits = split_records(records(), {"train": 0.8, "val": 0.2}, "class")
    rare = {name: sum(len(record["annotations"]) - 1 for record in part) for name, part in splits.items()}
    assert rare == {"train": 8, "val": 2}


@pytest.mark.parametrize("count", [3, 12, 20])
def test_stratified_splits_of_few_images_with_many_rare_classes_keep_the_number_of_images(count):
    rare = [
        {"file_name": str(index), "annotations": [{"category_id": (7 * index + part) % 80} for part in range(6)]}
        for index in range(count)
    ]
    splits = split_records(rare, {"train": 0.8, "val": 0.2}, "class")
    assert abs(len(splits["val"]) - 0.2 * count) <= 1


def test_images_of_a_folder_stay_together():
    splits = split_records(records(), {"train": 0.5, "val": 0.5}, "folder")
    folders = [{record["file_name"].split("/")[0] for record in part} for part in splits.values()]
    assert folders[0].isdisjoint(folders[1])


def test_the_seed_determines_the_splits():
    fractions = {"train": 0.5, "val": 0.5}
    first, again, other = (split_records(records(), fractions, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    ("fractions", "method", "message"),
    [
        ({"train": 0.5, "val": 0.4}, "image", "their sum must be 1"),
        ({"train": 1.5, "val": -0.5}, "image", "must be positive"),
        ({"train": 0.5, "val": 0.5}, "size", "method must be one of image, class, folder, got 'size'"),
        ({str(part): 1 / 11 for part in range(11)}, "folder", "11 splits need as many folders, got 10"),
    ],
    ids=["sum", "negative", "method", "too few folders"],
)
def test_rejects_invalid_splits(fractions, method, message):
    with pytest.raises(ValueError, match=message):
        split_records(records(), fractions, method)


def test_classes_are_matched_by_name():
    names = union_of_classes([["cat", "dog"], ["dog", "cow"]])
    assert names == ["cat", "dog", "cow"]
    (record,) = with_classes([{"annotations": [{"category_id": 0}, {"category_id": 1}]}], ["dog", "cow"], names)
    assert Counter(annotation["category_id"] for annotation in record["annotations"]) == {1: 1, 2: 1}
