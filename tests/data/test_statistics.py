import math

import numpy as np
import pytest

from detectory.data.sources import find_sources, load_source
from detectory.data.statistics import dataset_statistics, sample_records
from detectory.structures import BoxMode


def box(category, width, height, **more):
    return {"category_id": category, "bbox": [2, 2, width, height], "bbox_mode": BoxMode.XYWH_ABS, **more}


RECORDS = [
    {"file_name": "a", "height": 200, "width": 400, "annotations": [box(0, 10, 10), box(0, 100, 100), box(1, 40, 40)]},
    {"file_name": "b", "height": 100, "width": 100, "annotations": [box(1, 50, 9, iscrowd=1)]},
    {"file_name": "c", "annotations": [box(0, 32, 32, segmentation=[[0, 0, 4, 0, 4, 5, 0, 5]])]},
]


def test_statistics_count_objects_per_class():
    cat, dog, cow = dataset_statistics(RECORDS, ["cat", "dog", "cow"]).classes
    assert (cat.images, cat.objects, cat.small, cat.medium, cat.large, cat.median_area) == (2, 3, 2, 0, 1, 100)
    assert (dog.objects, dog.crowds, dog.medium) == (1, 1, 1)
    assert cow.objects == 0
    assert math.isnan(cow.median_area)


def test_statistics_count_the_whole_dataset():
    statistics = dataset_statistics(RECORDS, ["cat", "dog", "cow"])
    assert (statistics.images, statistics.objects, statistics.crowds, statistics.empty_images) == (3, 4, 1, 1)
    assert (statistics.imbalance, statistics.missing_classes) == (3, ["cow"])
    assert statistics.image_sizes.tolist() == [[200, 400], [100, 100]]
    assert statistics.areas.tolist() == [100, 10000, 1600, 20]
    assert statistics.box_centers[0].tolist() == [7 / 400, 7 / 200]
    assert statistics.objects_with == {"mask": 1, "keypoints": 0}


def test_rejects_a_category_without_a_name():
    with pytest.raises(ValueError, match=r"a \(image id None\): category_id must be in \[0, 1\), got 1"):
        dataset_statistics(RECORDS, ["cat"])


def test_statistics_of_empty_dataset():
    statistics = dataset_statistics([], ["cat"])
    assert (statistics.images, statistics.objects) == (0, 0)
    assert math.isnan(statistics.imbalance)


def test_samples_contain_every_class_before_random_ones():
    records = [{"file_name": "a", "annotations": [box(0, 4, 4)]} for _ in range(60)]
    records[41] = {"file_name": "b", "annotations": [box(1, 4, 4)]}
    statistics = dataset_statistics(records, ["cat", "dog"])
    for seed in range(5):
        chosen = sample_records(statistics, 6, seed)
        assert 41 in chosen
        assert len(set(chosen)) == 6
    assert sample_records(statistics, 100) == list(range(60))


def test_statistics_of_real_images_agree_with_the_file(test_data):
    records, metadata = load_source(find_sources(test_data / "coco/annotations/instances_val2017.json")[0])
    statistics = dataset_statistics(records, metadata.thing_classes)
    assert statistics.objects + statistics.crowds == sum(len(record["annotations"]) for record in records)
    assert np.bincount(statistics.categories, minlength=80).tolist() == [one.objects for one in statistics.classes]
