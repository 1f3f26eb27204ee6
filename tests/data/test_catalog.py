import os
import subprocess
import sys

import pytest

from detectory.data import DatasetCatalog, Metadata, MetadataCatalog


def test_get_calls_the_registered_function_every_time():
    calls = []
    DatasetCatalog.register("mine", lambda: calls.append(1) or [{"file_name": "a.jpg"}])
    assert DatasetCatalog.get("mine") == DatasetCatalog.get("mine") == [{"file_name": "a.jpg"}]
    assert len(calls) == 2


def test_rejects_registered_names():
    DatasetCatalog.register("mine", list)
    with pytest.raises(ValueError, match="'mine' is already registered"):
        DatasetCatalog.register("mine", list)


def test_rejects_functions_that_are_not_callable():
    with pytest.raises(TypeError, match="func must be callable, got list"):
        DatasetCatalog.register("mine", [])


def test_unknown_datasets_suggest_similar_names():
    with pytest.raises(KeyError, match="did you mean 'coco_2017_train'"):
        DatasetCatalog.get("coco_2017_trian")


def test_remove_unregisters_a_dataset():
    DatasetCatalog.register("mine", list)
    DatasetCatalog.remove("mine")
    assert "mine" not in DatasetCatalog


@pytest.mark.parametrize("name", ["coco_2017_train", "keypoints_coco_2017_val", "coco_2014_minival"])
def test_built_in_datasets_are_registered(name):
    assert name in DatasetCatalog.list()
    assert name in DatasetCatalog


def test_registered_datasets_take_precedence_over_built_in_datasets(monkeypatch):
    monkeypatch.setattr(DatasetCatalog, "_loaders", {})
    monkeypatch.setattr(DatasetCatalog, "_providers", [lambda: {"coco_2017_train": list}])
    DatasetCatalog.register("coco_2017_train", lambda: ["mine"])
    assert DatasetCatalog.get("coco_2017_train") == ["mine"]


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({"DETECTORY_DATASETS": "/a", "DETECTRON2_DATASETS": "/b"}, "/a/coco"),
        ({"DETECTRON2_DATASETS": "/b"}, "/b/coco"),
        ({}, "datasets/coco"),
    ],
    ids=["detectory", "detectron2", "default"],
)
def test_environment_variables_set_the_root_of_built_in_datasets(monkeypatch, variables, folder):
    for name in ("DETECTORY_DATASETS", "DETECTRON2_DATASETS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(MetadataCatalog, "data", {})
    assert MetadataCatalog.get("coco_2017_val").image_root == os.path.join(folder, "val2017")


def test_built_in_datasets_are_not_created_on_import():
    code = "import detectory.data as d; print(len(d.DatasetCatalog._loaders), len(d.MetadataCatalog.data))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "0"]


def test_metadata_are_shared_by_name():
    MetadataCatalog.get("mine").thing_classes = ["person", "dog"]
    assert MetadataCatalog.get("mine").thing_classes == ["person", "dog"]
    assert MetadataCatalog.get("mine").get("missing", 5) == 5


def test_rejects_changes_of_metadata():
    metadata = Metadata(name="mine").set(thing_classes=["a"])
    metadata.thing_classes = ["a"]
    with pytest.raises(ValueError, match=r"'mine': attribute 'thing_classes' is already set to \['a'\]"):
        metadata.thing_classes = ["b"]


def test_unknown_attributes_suggest_similar_names():
    metadata = Metadata(name="mine").set(thing_classes=["a"])
    with pytest.raises(AttributeError, match="'mine' has no attribute 'thing_class': did you mean 'thing_classes'"):
        _ = metadata.thing_class


def test_coco_has_80_classes_with_colors():
    metadata = MetadataCatalog.get("coco_2017_train")
    assert len(metadata.thing_classes) == len(metadata.thing_colors) == 80
    assert metadata.thing_classes[0] == "person"
    assert metadata.thing_colors[0] == (220, 20, 60)
    assert metadata.thing_dataset_id_to_contiguous_id[90] == 79


def test_coco_keypoints_have_left_and_right_pairs():
    metadata = MetadataCatalog.get("keypoints_coco_2017_train")
    assert len(metadata.keypoint_names) == 17
    assert ("left_eye", "right_eye") in metadata.keypoint_flip_map
    names = {name for start, end, _ in metadata.keypoint_connection_rules for name in (start, end)}
    assert names <= set(metadata.keypoint_names)


def test_catalogs_behave_like_dictionaries():
    DatasetCatalog.register("small_set", list)
    assert DatasetCatalog["small_set"]() == []
    assert {"small_set", "coco_2017_val"} <= set(DatasetCatalog)
    assert dict(DatasetCatalog.items())["small_set"] is DatasetCatalog.pop("small_set")
    assert "small_set" not in DatasetCatalog
    assert DatasetCatalog.pop("small_set", None) is None


def test_an_unused_builtin_dataset_can_be_replaced():
    DatasetCatalog.list()
    DatasetCatalog.register("ade20k_panoptic_val", lambda: ["mine"])
    assert DatasetCatalog.get("ade20k_panoptic_val") == ["mine"]
    with pytest.raises(ValueError, match="already registered"):
        DatasetCatalog.register("ade20k_panoptic_val", list)


def test_metadata_of_a_replaceable_builtin_dataset_can_be_set_once():
    metadata = MetadataCatalog.get("ade20k_panoptic_val").set(thing_classes=["a"])
    assert metadata.thing_classes == ["a"]
    with pytest.raises(AssertionError, match="already"):
        metadata.thing_classes = ["b"]
    assert "_defaults" not in metadata.as_dict()
