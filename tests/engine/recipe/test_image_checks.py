import itertools
import logging

import pytest

from detectory.data import DatasetCatalog
from detectory.engine.recipe import image_checks
from detectory.engine.recipe.image_checks import check_image_files


@pytest.fixture
def dataset(tmp_path):
    """Register a dataset of ten images, of which the files 3 and 7 are missing."""
    for index in (0, 1, 2, 4, 5, 6, 8, 9):
        (tmp_path / f"{index}.jpg").touch()
    records = [{"file_name": str(tmp_path / f"{index}.jpg")} for index in range(10)]
    DatasetCatalog.register("images_with_gaps", lambda: records)
    yield records
    DatasetCatalog.remove("images_with_gaps")


def test_names_missing_images_and_counts_them(dataset):
    with pytest.raises(FileNotFoundError, match=r"2 of 10 images of dataset images_with_gaps .* \S+3\.jpg, \S+7"):
        check_image_files(["images_with_gaps"])


def test_accepts_complete_datasets_and_urls(dataset):
    dataset[3]["file_name"] = "s3://bucket/3.jpg"
    del dataset[7]
    check_image_files(["images_with_gaps"])


def test_checks_a_sample_on_a_slow_file_system(dataset, caplog, monkeypatch):
    clock = itertools.count()
    monkeypatch.setattr(image_checks.time, "monotonic", lambda: next(clock))
    caplog.set_level(logging.INFO)
    for record in (dataset[3], dataset[7]):
        record["file_name"] = dataset[0]["file_name"]
    check_image_files(["images_with_gaps"], seconds=4)
    assert "checked 4 of 10 images of dataset images_with_gaps" in caplog.text
