"""Classes of datasets are matched by name."""

import json
import logging

import pytest

from detectory.data import DatasetCatalog, DatasetError, MetadataCatalog, register_coco_instances, registration
from detectory.data.classes import ClassList, align_classes, match_by_name
from detectory.data.formats.coco.categories import flip_pairs, keypoint_metadata
from detectory.data.validation import check_dataset


@pytest.fixture
def register(tmp_path):
    """Return a function that registers a dataset of one image with one object per class, from {id: name}."""
    names = []

    def write(name, categories, annotated=None):
        content = {
            "images": [{"id": 1, "file_name": "1.jpg", "height": 8, "width": 8}],
            "categories": [{"id": key, "name": value} for key, value in categories.items()],
            "annotations": [
                {"id": key + 1, "image_id": 1, "category_id": key, "bbox": [1, 1, 2 + key, 2], "iscrowd": 0, "area": 4}
                for key in (categories if annotated is None else annotated)
            ],
        }
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(content))
        names.append(name)
        register_coco_instances(name, {}, path, tmp_path)
        return name

    yield write
    for name in names:
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)


def classes_by_box_width(name):
    """Return {original category id: class index}; the boxes of category `k` have width `k + 2`."""
    return {int(item["bbox"][2]) - 2: item["category_id"] for item in DatasetCatalog.get(name)[0]["annotations"]}


def test_swapped_ids_are_matched_by_name(register):
    align_classes(["mug", "pen"], [register("swapped", {1: "pen", 2: "mug"})])
    assert classes_by_box_width("swapped") == {1: 1, 2: 0}
    assert MetadataCatalog.get("swapped").thing_dataset_id_to_contiguous_id == {1: 1, 2: 0}


def test_a_subset_of_the_classes_keeps_its_names(register):
    align_classes(["cap", "mug", "pen"], [register("subset", {5: "pen"})])
    assert classes_by_box_width("subset") == {5: 2}
    assert MetadataCatalog.get("subset").thing_classes == ["cap", "mug", "pen"]


def test_large_files_are_matched_by_name(register, monkeypatch):
    monkeypatch.setattr(registration, "INDEX_MIN_BYTES", 1)
    align_classes(["mug", "pen"], [register("indexed", {1: "pen", 2: "mug"})])
    records = DatasetCatalog.get("indexed")
    assert not isinstance(records, list)
    assert classes_by_box_width("indexed") == {1: 1, 2: 0}
    assert records.without_empty().category_counts() == {0: 1, 1: 1}


@pytest.mark.parametrize("minimum", [1, 1 << 30], ids=["index", "list"])
def test_rejects_annotations_of_an_unknown_class(register, monkeypatch, minimum):
    monkeypatch.setattr(registration, "INDEX_MIN_BYTES", minimum)
    with pytest.raises(DatasetError, match=r"do not have: cup\. Classes in common: pen"):
        align_classes(["mug", "pen"], [register("extra", {1: "pen", 2: "cup"})])


def test_unknown_classes_without_annotations_are_ignored(register):
    align_classes(["mug", "pen"], [register("unused", {1: "pen", 2: "cup"}, annotated=[1])])
    assert classes_by_box_width("unused") == {1: 1}


def test_rejects_datasets_without_a_common_class(register):
    with pytest.raises(ValueError, match=r"no class in common .* classes of other: fork, cup; .*model: mug, pen"):
        align_classes(["mug", "pen"], [register("other", {1: "fork", 2: "cup"})])


def test_names_that_a_user_sets_rename_the_classes_of_the_file(register, caplog):
    name = register("renamed", {1: "klass_1", 2: "klass_2"})
    MetadataCatalog.get(name).thing_classes = ["Mug", "Pen"]
    with caplog.at_level(logging.WARNING):
        assert classes_by_box_width(name) == {1: 0, 2: 1}
    assert "matched by position. the metadata: Mug, Pen; the file: klass_1, klass_2" in caplog.text


def test_datasets_of_other_loaders_keep_their_order_with_a_warning(caplog):
    DatasetCatalog.register("own_loader", lambda: [{"annotations": []}])
    MetadataCatalog.get("own_loader").thing_classes = ["pen", "mug"]
    align_classes(["mug", "pen"], ["own_loader"])
    DatasetCatalog.remove("own_loader")
    MetadataCatalog.remove("own_loader")
    assert "classes of own_loader: pen, mug; classes of the model: mug, pen" in caplog.text


def test_match_by_name_prefers_the_first_of_equal_names():
    assert match_by_name(["b", "a"], ["a", "b", "b"]) == [1, 0]


def test_class_list_survives_a_checkpoint_and_reports_other_names(caplog):
    trained = ClassList(("mug", "pen"), (7, 9), ("tip",))
    assert ClassList.from_state(json.loads(json.dumps(trained.state_dict()))) == trained
    ClassList(("pen", "cup"), (1, 2)).load_state_dict(trained.state_dict())
    (record,) = caplog.records
    assert "Checkpoint: mug, pen. Dataset: pen, cup. By name: kept: pen; new: cup; dropped: mug" in record.getMessage()


@pytest.mark.parametrize("state", [None, {}, {"names": []}, 3])
def test_checkpoints_without_classes_are_accepted(state, caplog):
    assert ClassList.from_state(state) is None
    ClassList(("mug",), (1,)).load_state_dict(state)
    assert not caplog.records


def test_ids_of_classes_without_an_original_id_are_unused_numbers(register):
    name = register("partial", {2: "pen"})
    align_classes(["mug", "pen", "cup"], [name])
    assert ClassList.from_metadata(MetadataCatalog.get(name)).ids == (1, 2, 3)


@pytest.mark.parametrize(
    ("names", "pairs"),
    [
        (["nose", "left_eye", "right_eye"], [("left_eye", "right_eye")]),
        (["tip", "left", "right", "mid", "end"], [("left", "right")]),
        (["R_hand", "L_hand"], [("L_hand", "R_hand")]),
        (["EarRight", "EarLeft"], [("EarLeft", "EarRight")]),
        (["left_only", "tail", "brightness"], []),
    ],
)
def test_flip_pairs_come_from_names(names, pairs):
    assert flip_pairs(names) == pairs


def test_keypoint_metadata_skips_invalid_edges():
    category = {"keypoints": ["a", "b"], "skeleton": [[1, 2], [1, 3], "x", [0, 1]]}
    metadata = keypoint_metadata([{"name": "none"}, category])
    assert [edge[:2] for edge in metadata["keypoint_connection_rules"]] == [("a", "b")]


@pytest.mark.parametrize(("names", "count"), [(("pen", "mug"), 0), (("mug", "cup"), 1)], ids=["reordered", "different"])
def test_check_reports_splits_with_other_class_names(tmp_path, names, count):
    for split, classes in (("train", ("mug", "pen")), ("val", names)):
        content = {"images": [], "annotations": []}
        content["categories"] = [{"id": number, "name": name} for number, name in enumerate(classes, start=1)]
        (tmp_path / "annotations").mkdir(exist_ok=True)
        (tmp_path / "annotations" / f"instances_{split}.json").write_text(json.dumps(content))
    problems = [problem for problem in check_dataset(tmp_path) if problem.rule == "split-classes"]
    assert len(problems) == count
    assert all("classes mug, cup, but" in str(problem) and "has mug, pen" in str(problem) for problem in problems)
