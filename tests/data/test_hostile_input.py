"""Invalid images, annotations and files: each is reported with its cause, or skipped and counted."""

import json
import os
import re
import signal
from itertools import islice

import numpy as np
import pytest
from PIL import Image

from detectory.data import (
    DatasetError,
    DatasetMapper,
    SkipBadSamples,
    build_detection_train_loader,
    transforms,
)
from detectory.data.formats import open_coco_index, read_coco
from detectory.data.images import ImageReadError, read_image
from detectory.data.images import reading as images_module
from detectory.data.registration import load_coco_json
from detectory.data.validation import check_dataset


def npy_header(shape):
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + bytes(64)


@pytest.mark.parametrize("shape", [(10**9, 10**9), (10**6, 10**4, 3)], ids=str)
def test_rejects_npy_header_larger_than_the_file(tmp_path, shape):
    (tmp_path / "a.npy").write_bytes(npy_header(shape))
    with pytest.raises(ImageReadError, match=r"a\.npy: not a NumPy array file"):
        read_image(tmp_path / "a.npy")


def test_rejects_npy_file_above_the_pixel_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(images_module, "MAX_PIXELS", 50)
    np.save(tmp_path / "a.npy", np.zeros((6, 10, 2), np.uint8))
    with pytest.raises(ImageReadError, match="at most 50 pixels, got 10 x 6"):
        read_image(tmp_path / "a.npy")


def test_multichannel_16_bit_tiff_is_read_or_rejected_if_damaged(tmp_path):
    tifffile = pytest.importorskip("tifffile", reason="pip install 'detectory-data[tiff]'")
    array = np.random.default_rng(0).integers(0, 60000, (20, 30, 5)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="minisblack", planarconfig="contig")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), array)
    (tmp_path / "b.tif").write_bytes((tmp_path / "a.tif").read_bytes()[:700])
    with pytest.raises(ImageReadError, match=r"b\.tif: the image is damaged"):
        read_image(tmp_path / "b.tif")


def test_rejects_tiff_decompression_bomb(tmp_path, monkeypatch):
    tifffile = pytest.importorskip("tifffile", reason="pip install 'detectory-data[tiff]'")
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((20, 30, 5), np.uint16), photometric="minisblack")
    monkeypatch.setattr(images_module, "MAX_PIXELS", 100)
    with pytest.raises(ImageReadError, match="must have at most 100 pixels"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("mode", "name"),
    [("L", "a.jpg"), ("RGB", "a.jpg"), ("CMYK", "a.jpg"), ("P", "a.png"), ("RGBA", "a.png"), ("L", "a.png")],
)
@pytest.mark.parametrize("orientation", [1, 6])
def test_all_image_modes_match_pillow_within_one_grey_level(tmp_path, mode, name, orientation):
    smooth = np.add.outer(np.arange(48) * 2, np.arange(64) * 2).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.stack([smooth, smooth.T[:48, :48].repeat(2, 1)[:, :64], 255 - smooth], -1)).convert(mode).save(
        tmp_path / name, exif=exif
    )
    upright = Image.open(tmp_path / name)
    upright = upright.transpose(Image.Transpose.ROTATE_270) if orientation == 6 else upright
    expected = np.asarray(upright.convert("RGB")).astype(int)
    assert np.abs(read_image(tmp_path / name, "RGB").astype(int) - expected).max() <= 1


MAPPER = DatasetMapper(True, augmentations=[transforms.Resize((32, 32))], image_format="RGB", use_instance_mask=True)


@pytest.mark.parametrize("mask_format", ["polygon", "bitmask"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bbox": [1, 1, float("nan"), 3]}, "bbox must be finite"),
        ({"segmentation": [[1, 1, float("nan"), 1, 6, 6]]}, "coordinates of polygons must be finite"),
        ({"segmentation": [[1, 2, 3]]}, "cannot reshape"),
        (
            {"segmentation": {"size": [10**6, 10**6], "counts": "0"}},
            "at most 178956970 pixels, got 1000000 x 1000000",
        ),
        (
            {"segmentation": {"size": [40, 64], "counts": [2**40]}},
            r"'counts'\] must .*, got \[1099",
        ),
        ({"segmentation": np.ones((5, 5), bool)}, "expected an image of 64x40"),
    ],
    ids=["box", "polygon", "short polygon", "RLE of a huge size", "RLE of huge counts", "mask of another size"],
)
def test_rejects_invalid_annotation_of_custom_dataset(coco, change, message, mask_format):
    record = load_coco_json(coco.file, coco.images)[1]
    record["annotations"][0].update(change)
    mapper = DatasetMapper(
        True,
        augmentations=[transforms.Resize((32, 32))],
        image_format="RGB",
        use_instance_mask=True,
        instance_mask_format=mask_format,
    )
    with pytest.raises(ValueError, match=rf"2\.jpg \(image id 2\): invalid annotation .*{message}") as caught:
        mapper(record)
    assert "\n" not in str(caught.value)


def test_rejects_invalid_proposals_and_label_images(coco):
    record = load_coco_json(coco.file, coco.images)[1]
    Image.new("L", (5, 5)).save(coco.images / "labels.png")
    with pytest.raises(ValueError, match=r"labels\.png: the label image must be .*got \(5, 5\)"):
        MAPPER({**record, "sem_seg_file_name": coco.images / "labels.png"})
    mapper = DatasetMapper(True, augmentations=[], image_format="RGB", precomputed_proposal_topk=9)
    with pytest.raises(ValueError, match=r"2\.jpg: boxes must be finite and have one logit each, got 1 boxes"):
        mapper({**record, "proposal_boxes": [[1, 2, 3, 4]], "proposal_objectness_logits": [1, 2]})


def batches(coco, mapper, workers):
    records = load_coco_json(coco.file, coco.images, "hostile")
    loader = build_detection_train_loader(
        records, mapper=mapper, total_batch_size=2, num_workers=workers, seed=1, aspect_ratio_grouping=False
    )
    return list(islice(loader, 8))


def spoil(coco, kind):
    path = coco.images / "2.jpg"
    if kind == "missing":
        path.unlink()
    elif kind == "truncated":
        path.write_bytes(path.read_bytes()[:700])
    elif kind == "other size":
        Image.new("RGB", (10, 10)).save(path)
    else:
        path.write_bytes(b"GIF89a" + bytes(20))


CAUSES = {
    "missing": "No such file or directory: .*2.jpg",
    "truncated": "2.jpg: the image is damaged",
    "other size": "2.jpg: the image is 10 x 10 .* its record of image id 2 says 40 x 64",
    "no image": "2.jpg: ",
}


@pytest.mark.parametrize(("kind", "workers"), [*((kind, 0) for kind in CAUSES), ("truncated", 1)])
def test_invalid_image_stops_the_training_with_its_cause(coco, kind, workers):
    spoil(coco, kind)
    with pytest.raises((OSError, ValueError), match=CAUSES[kind]):
        batches(coco, MAPPER, workers)


@pytest.mark.parametrize("workers", [0, 2])
def test_skip_bad_samples_skips_and_counts_invalid_images(coco, workers):
    spoil(coco, "other size")
    mapper = SkipBadSamples(MAPPER)
    seen = [sample["image_id"] for batch in batches(coco, mapper, workers) for sample in batch]
    assert len(seen) == 16
    assert 2 not in seen
    assert mapper.skipped >= 3


def test_too_many_invalid_images_stop_the_training(coco):
    spoil(coco, "missing")
    with pytest.raises(RuntimeError, match=r"more than 1 invalid samples; the last error is: .*2\.jpg"):
        batches(coco, SkipBadSamples(MAPPER, max_skipped=1), 0)


def killing_mapper(record):
    os.kill(os.getpid(), signal.SIGKILL)


def test_reports_killed_worker_with_its_signal(coco):
    with pytest.raises(RuntimeError, match="a worker process was killed by SIGKILL, usually because the system"):
        batches(coco, killing_mapper, 1)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e309, "12", None, True])
def test_rejects_invalid_numbers_in_every_field(coco, value):
    coco.content["annotations"][0]["bbox"][2] = value
    coco.content["annotations"][1]["segmentation"][0][3] = value
    coco.content["annotations"][2]["keypoints"] = [1, value, 2]
    found = {(problem.id, re.sub(r"\W.*", "", problem.field)) for problem in check_dataset(coco.write())}
    assert found == {("annotation 1", "bbox"), ("annotation 2", "segmentation"), ("annotation 3", "keypoints")}


def mutations(content, generator, count):
    """Replace values at random positions of nested lists and dicts."""
    strange = [None, -1, 1e300, float("nan"), "x", [], {}, [[]], True, 10**30, {"size": [1], "counts": "0"}]
    for _ in range(count):
        copied = json.loads(json.dumps(content))
        place = copied
        while isinstance(place, (dict, list)) and len(place):
            key = generator.choice(list(place)) if isinstance(place, dict) else generator.integers(len(place))
            if generator.random() < 0.3 or not isinstance(place[key], (dict, list)) or not place[key]:
                place[key] = strange[generator.integers(len(strange))]
                break
            place = place[key]
        yield copied


def test_check_survives_damaged_annotation_files(coco):
    for content in mutations(coco.content, np.random.default_rng(0), 150):
        coco.file.write_text(json.dumps(content))
        for problem in check_dataset(coco.file, image_root=coco.images):
            assert str(problem).count("\n") == 0


@pytest.mark.parametrize("load", [read_coco, open_coco_index])
@pytest.mark.parametrize("skip_invalid", [False, True])
def test_damaged_annotation_file_loads_or_raises_dataset_error(coco, load, skip_invalid):
    refused = 0
    for content in mutations(coco.content, np.random.default_rng(1), 150):
        coco.file.write_text(json.dumps(content))
        try:
            load(coco.file, coco.images, skip_invalid=skip_invalid)
        except DatasetError as error:
            refused += str(coco.file) in str(error)
    assert refused > (30 if skip_invalid else 100)


def outcome(load):
    """Return the records, with numbers rounded as in an index, or the error message."""
    try:
        records = list(load())
    except DatasetError as error:
        return str(error)
    for annotation in (annotation for record in records for annotation in record["annotations"]):
        if isinstance(polygons := annotation.get("segmentation"), list):
            annotation["segmentation"] = [rounded(polygon) for polygon in polygons]
        if "keypoints" in annotation:
            annotation["keypoints"] = rounded(annotation["keypoints"])
        annotation.setdefault("iscrowd", 0)
    return records


def rounded(numbers):
    with np.errstate(over="ignore"):
        return np.float32(numbers).tolist()


@pytest.mark.parametrize("skip_invalid", [False, True])
def test_index_reports_the_same_problem_as_the_list(coco, skip_invalid):
    coco.content["annotations"][2]["segmentation"] = {"size": [48, 60], "counts": [7, 9, 48 * 60 - 16]}
    coco.content["annotations"][3]["keypoints"] = [3, 4, 2, 0, 0, 0]
    for content in mutations(coco.content, np.random.default_rng(2), 200):
        coco.file.write_text(json.dumps(content))
        from_list = outcome(lambda: read_coco(coco.file, coco.images, skip_invalid=skip_invalid).records)
        assert outcome(lambda: open_coco_index(coco.file, coco.images, skip_invalid=skip_invalid)) == from_list


def test_rejects_number_with_ten_thousand_digits(tmp_path):
    (tmp_path / "a.json").write_text('{"images": ' + "9" * 10_000 + "}")
    with pytest.raises(DatasetError, match=r"a\.json: not valid JSON: Exceeds the limit"):
        load_coco_json(tmp_path / "a.json", "")


def test_box_outside_the_image_is_rejected_or_skipped(coco, caplog):
    coco.content["annotations"][1]["bbox"] = [100, 2, 5, 5]
    with pytest.raises(DatasetError, match=r"annotation 2: bbox: box \[100, 2, 5, 5\] is outside the image"):
        load_coco_json(coco.write(), coco.images)
    records = read_coco(coco.file, coco.images, skip_invalid=True).records
    assert sum(len(record["annotations"]) for record in records) == 3
    assert "skipped invalid records (problems: 1)" in caplog.text
