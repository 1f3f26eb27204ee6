import io
import json
import multiprocessing
import os
import pickle

import numpy as np
import pytest

from detectory.data import (
    DatasetError,
    DatasetMapper,
    build_detection_train_loader,
    get_detection_dataset_dicts,
    register_coco_instances,
)
from detectory.data.formats import open_coco_index
from detectory.data.formats.coco.json_pieces import JsonPieces
from detectory.data.lists import JoinedList
from detectory.data.registration import load_coco_json


@pytest.fixture
def rich(coco):
    """Polygons, a run-length code, keypoints, a crowd, an annotation without mask, an image without annotations."""
    coco.content["annotations"][1]["segmentation"] = {"size": [64, 40], "counts": [10, 20, 64 * 40 - 30]}
    coco.content["annotations"][2]["keypoints"] = [3, 4, 2, 0, 0, 0]
    coco.content["annotations"][2].pop("segmentation")
    coco.content["annotations"][3]["iscrowd"] = 1
    coco.content["images"].append({"id": 9, "file_name": "4.jpg", "height": 60, "width": 48})
    coco.write()
    return coco


@pytest.mark.parametrize("name", ["mine", None])
def test_an_index_gives_the_records_of_the_file(rich, name):
    expected = load_coco_json(rich.file, rich.images, name)
    for _ in range(2):
        index = open_coco_index(rich.file, rich.images, contiguous_ids=name is not None)
        assert len(index) == 5
        assert list(index) == expected


@pytest.mark.parametrize("order", [("annotations", "categories", "images"), ("categories", "images", "annotations")])
def test_parts_and_records_of_a_file_may_come_in_any_order(rich, order):
    expected = [record["annotations"] for record in load_coco_json(rich.file, rich.images, "mine")]
    rich.content = {"info": {"year": 2017}} | {key: rich.content[key][::-1] for key in order} | {"end": 12}
    assert [record["annotations"] for record in open_coco_index(rich.write(), rich.images)] == expected


def test_a_large_file_without_problems_is_never_in_memory_as_a_whole(rich, monkeypatch):
    monkeypatch.setattr("detectory.data.formats.coco.index.read_json", None)
    assert len(open_coco_index(rich.file, rich.images)) == 5


PIECES = {"a": [1, {"b": [2.5, -3e5]}, "x\u00fc\\n"], "none": [], "number": 12345, "c": {"d": None}, "e": [True, 123]}


@pytest.mark.parametrize("indent", [None, 3])
@pytest.mark.parametrize("piece", [1, 2, 7, 10_000])
def test_json_read_in_pieces_is_json(piece, indent):
    pieces, found = JsonPieces(io.StringIO(json.dumps(PIECES, indent=indent) + "\n"), piece), {}
    for key in pieces.members():
        found[key] = list(pieces.elements()) if isinstance(PIECES[key], list) else pieces.value()
    assert found == PIECES


BROKEN = ["", "[1]", '{"a"', '{"a": [1', '{"a": [1,]}', '{"a": [1]} 2', "{3: [1]}", '{"a": [1 2]}']


@pytest.mark.parametrize("text", BROKEN)
def test_what_is_no_json_object_is_refused_in_pieces(text):
    def read():
        pieces = JsonPieces(io.StringIO(text), 2)
        return [list(pieces.elements()) for _ in pieces.members()]

    with pytest.raises(ValueError, match=r"expect|Expect|must be|behind"):
        read()


def test_the_second_time_the_file_is_not_parsed(rich, monkeypatch):
    first = open_coco_index(rich.file, rich.images)
    monkeypatch.setattr("detectory.data.formats.coco.index._build", None)
    assert open_coco_index(rich.file, rich.images).path == first.path


def test_a_changed_file_gets_a_new_index_and_the_old_one_goes(rich):
    first = open_coco_index(rich.file, rich.images)
    rich.content["annotations"].pop()
    second = open_coco_index(rich.write(), rich.images)
    assert [len(record["annotations"]) for record in second] == [1, 1, 1, 0, 0]
    assert second.path != first.path
    assert not os.path.exists(first.path)


def test_a_folder_that_cannot_be_written_is_left_alone(rich, monkeypatch, tmp_path):
    monkeypatch.setattr("detectory.data.formats.coco.index_file.cache_dir", lambda: tmp_path / "cache")
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert str(tmp_path / "cache") in open_coco_index(rich.file, rich.images).path


def test_a_damaged_index_is_made_anew(rich):
    path = open_coco_index(rich.file, rich.images).path
    with open(path, "r+b") as file:
        file.truncate(os.path.getsize(path) // 2)
    assert len(open_coco_index(rich.file, rich.images)) == 5


def counted(arguments):
    return len(open_coco_index(*arguments))


def test_several_processes_may_start_at_once(rich):
    with multiprocessing.get_context("fork").Pool(4) as pool:
        assert pool.map(counted, [(rich.file, rich.images)] * 8, chunksize=1) == [5] * 8
    assert len([name for name in os.listdir(rich.file.parent) if ".index" in name]) == 1


@pytest.mark.parametrize(
    "change", [lambda number: f"photo {number}", lambda number: number + 2**70], ids=["text", "large"]
)
def test_images_may_have_ids_of_any_kind(rich, change):
    for record in rich.content["images"]:
        record["id"] = change(record["id"])
    for annotation in rich.content["annotations"]:
        annotation["image_id"] = change(annotation["image_id"])
    records = load_coco_json(rich.write(), rich.images, "mine")
    assert [record["image_id"] for record in open_coco_index(rich.file, rich.images)] == [
        record["image_id"] for record in records
    ]


def test_problems_stop_the_index_and_leave_nothing(rich):
    rich.content["annotations"][0]["bbox"] = [1, 2, -3, 4]
    before = sorted(os.listdir(rich.file.parent))
    with pytest.raises(DatasetError, match="annotation 1: bbox"):
        open_coco_index(rich.write(), rich.images)
    assert sorted(os.listdir(rich.file.parent)) == before


def test_an_index_crosses_to_other_processes_as_a_path(rich):
    index = open_coco_index(rich.file, rich.images)
    message = pickle.dumps(index)
    assert len(message) < 1000
    assert list(pickle.loads(message)) == list(index)


def test_slices_and_filters_stay_indices(rich):
    index = open_coco_index(rich.file, rich.images)
    assert [record["image_id"] for record in index[1:3]] == [2, 3]
    assert [record["image_id"] for record in index.without_empty()] == [1, 2, 3]
    assert index.without_empty().category_counts() == {0: 0, 1: 3}


def test_large_registered_files_are_indexed_and_train(rich, monkeypatch):
    monkeypatch.setattr("detectory.data.registration.INDEX_MIN_BYTES", 0)
    register_coco_instances("mine", {}, str(rich.file), str(rich.images))
    register_coco_instances("other", {}, str(rich.file), str(rich.images))
    records = get_detection_dataset_dicts(["mine", "other"])
    assert isinstance(records, JoinedList)
    assert [record["image_id"] for record in records] == [1, 2, 3] * 2
    mapper = DatasetMapper(True, augmentations=[], image_format="RGB")
    batch = next(iter(build_detection_train_loader(records, mapper=mapper, total_batch_size=2, num_workers=1)))
    assert len(batch) == 2


def test_a_file_that_is_no_index_is_named(tmp_path):
    from detectory.data.formats.coco.index_file import MappedIndex, write_index

    write_index(tmp_path / "a.index", {"x": np.arange(3), "none": np.zeros((0, 4))}, {"fact": 1})
    index = MappedIndex(tmp_path / "a.index")
    assert (index.arrays["x"].tolist(), index.arrays["none"].shape, index.facts) == ([0, 1, 2], (0, 4), {"fact": 1})
    (tmp_path / "b.index").write_bytes(b"something else")
    with pytest.raises(ValueError, match=r"b\.index: not an index file"):
        MappedIndex(tmp_path / "b.index")
