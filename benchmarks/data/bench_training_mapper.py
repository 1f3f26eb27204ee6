"""Throughput of the default training mapper: resize to 640-800, flip, boxes and polygons.

The peer is a plain version of Detectron2's mapper: Pillow decodes and resizes, NumPy flips and swaps channels, and the
annotations are transformed one by one.
"""

import copy
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from detectory.data import DatasetMapper, build_detection_train_loader
from detectory.data import transforms as T
from detectory.data.registration import load_coco_json
from detectory.data.samplers import TrainingSampler
from detectory.structures import Boxes, BoxMode, Instances, PolygonMasks

SIZES, LONGEST, IMAGES = (640, 672, 704, 736, 768, 800), 1333, 80
DATA = Path(os.environ.get("DETECTORY_TEST_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")) / "coco"


def plain_annotation(annotation: dict, scale_x: float, scale_y: float, width: int, flipped: bool) -> dict:
    """Scale and flip one box and its polygons."""
    x1, y1, x2, y2 = BoxMode.convert(annotation["bbox"], annotation["bbox_mode"], BoxMode.XYXY_ABS)
    corners = np.array([[x1, y1], [x2, y1], [x1, y2], [x2, y2]]) * [scale_x, scale_y]
    polygons = [np.asarray(polygon).reshape(-1, 2) * [scale_x, scale_y] for polygon in annotation["segmentation"]]
    if flipped:
        corners[:, 0] = width - corners[:, 0]
        for polygon in polygons:
            polygon[:, 0] = width - polygon[:, 0]
    annotation["bbox"] = np.concatenate([corners.min(axis=0), corners.max(axis=0)]).clip(min=0)
    annotation["segmentation"] = [polygon.reshape(-1) for polygon in polygons]
    return annotation


def plain_mapper(record: dict) -> dict:
    """Read, resize and flip an image with its annotations as Detectron2 does."""
    record = copy.deepcopy(record)
    with Image.open(record["file_name"]) as opened:
        image = np.asarray(opened.convert("RGB"))[:, :, ::-1]
    height, width = image.shape[:2]
    new_h, new_w = T.ResizeShortestEdge.get_output_shape(height, width, int(np.random.choice(SIZES)), LONGEST)
    image = np.asarray(Image.fromarray(image).resize((new_w, new_h), Image.Resampling.BILINEAR))
    flipped = np.random.uniform() < 0.5
    if flipped:
        image = np.flip(image, axis=1)
    record["image"] = torch.as_tensor(np.ascontiguousarray(image.transpose(2, 0, 1)))
    annotations = [
        plain_annotation(annotation, new_w / width, new_h / height, new_w, flipped)
        for annotation in record.pop("annotations")
        if not annotation.get("iscrowd", 0)
    ]
    instances = Instances((new_h, new_w))
    instances.gt_boxes = Boxes(torch.tensor(np.array([annotation["bbox"] for annotation in annotations])).float())
    instances.gt_classes = torch.tensor([annotation["category_id"] for annotation in annotations])
    instances.gt_masks = PolygonMasks([annotation["segmentation"] for annotation in annotations])
    record["instances"] = instances[instances.gt_boxes.nonempty() & instances.gt_masks.nonempty()]
    return record


class Mapped(Dataset):
    def __init__(self, records: list[dict]):
        self.records = records

    def __len__(self):
        return len(self.records)

    def __getitem__(self, index):
        return plain_mapper(self.records[index])


def as_list(batch):
    return batch


@pytest.fixture(scope="module")
def records() -> list[dict]:
    if not DATA.is_dir():
        pytest.skip(f"{DATA} does not exist: set DETECTORY_TEST_DATA to a folder that contains coco/")
    loaded = load_coco_json(DATA / "annotations/instances_train2017.json", DATA / "train2017", "bench_coco")
    kept = [record for record in loaded if any(not one["iscrowd"] for one in record["annotations"])]
    for record in kept:
        record["annotations"] = [one for one in record["annotations"] if not one["iscrowd"]]
    return kept


def batches(records: list[dict], implementation: str, workers: int):
    """Return an infinite iterator of batches of four images."""
    if implementation == "detectory":
        augmentations = [T.ResizeShortestEdge(SIZES, LONGEST, "choice"), T.RandomFlip()]
        mapper = DatasetMapper(True, augmentations=augmentations, image_format="BGR", use_instance_mask=True)
        return iter(
            build_detection_train_loader(records, mapper=mapper, total_batch_size=4, num_workers=workers, seed=0)
        )
    sampler = TrainingSampler(len(records), seed=0)
    return iter(DataLoader(Mapped(records), 4, sampler=sampler, num_workers=workers, collate_fn=as_list))


@pytest.mark.parametrize("implementation", ["detectory", "pillow and numpy"])
@pytest.mark.parametrize("workers", [0, 2])
def test_default_training_mapper(benchmark, records, implementation, workers):
    benchmark.group = f"{IMAGES} images, {workers} workers"
    if workers:
        torch.set_num_threads(1)
    iterator = batches(records, implementation, workers)
    next(iterator)
    served = benchmark(lambda: [next(iterator) for _ in range(IMAGES // 4)])
    assert all(len(item["instances"]) > 0 for batch in served for item in batch)
    assert all(max(item["image"].shape) <= LONGEST for batch in served for item in batch)
