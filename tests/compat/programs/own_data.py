"""Catalogs, samplers, spawned workers, checkpoints and lazy configs."""

import multiprocessing
import os
import sys

import torch
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.config import LazyCall as L
from detectron2.config import LazyConfig, instantiate
from detectron2.data import DatasetCatalog, DatasetFromList, MapDataset, MetadataCatalog
from detectron2.data.build import check_metadata_consistency
from detectron2.data.common import AspectRatioGroupedDataset
from detectron2.data.samplers import TrainingSampler
from detectron2.utils.file_io import PathManager
from fvcore.common.checkpoint import _strip_prefix_if_present
from fvcore.common.file_io import file_lock

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from small_setup import register


class Tag:
    def __call__(self, record):
        from detectron2.structures import BoxMode

        return {"file_name": record["file_name"], "mode": int(BoxMode.XYXY_ABS), "height": 1, "width": 2}


class Prefixed(DetectionCheckpointer):
    def _load_model(self, checkpoint):
        _strip_prefix_if_present(checkpoint["model"], "wrapped.")
        return super()._load_model(checkpoint)


def main(root):
    register(root)
    names = ["ade20k_panoptic_train", "rectangles"]
    assert "rectangles" in DatasetCatalog.list()
    DatasetCatalog.register(names[0], lambda: DatasetCatalog.get("rectangles"))
    MetadataCatalog.get(names[0]).set(thing_classes=["rectangle"], evaluator_type="coco")
    DatasetCatalog.get(names[0])
    check_metadata_consistency("thing_classes", names)
    dataset = MapDataset(DatasetFromList(DatasetCatalog["rectangles"]()), Tag())
    loader = torch.utils.data.DataLoader(
        dataset,
        sampler=TrainingSampler(len(dataset)),
        num_workers=1,
        batch_size=None,
        multiprocessing_context=multiprocessing.get_context("spawn"),
    )
    batch = next(iter(AspectRatioGroupedDataset(loader, 2)))
    assert [item["mode"] for item in batch] == [0, 0]
    path = os.path.join(root, "model.pth")
    with file_lock(path), PathManager.open(path, "wb") as file:
        torch.save({"model": {"wrapped.weight": torch.ones(1, 2), "wrapped.bias": torch.ones(1)}}, file)
    cfg = LazyConfig.apply_overrides(
        {"layer": L(torch.nn.Linear)(in_features=3, out_features=1)}, ["layer.in_features=2"]
    )
    model = instantiate(cfg["layer"])
    Prefixed(model).load(path)
    assert model.weight.tolist() == [[1.0, 1.0]]
    print("loaded in a spawned worker")


if __name__ == "__main__":
    main(sys.argv[1])
