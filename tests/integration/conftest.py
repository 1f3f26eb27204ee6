"""Fixtures: a small COCO dataset and overrides for a small model."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

CLASSES = ("block", "bar")


def write_coco_folder(folder: Path, images: int = 6, size: int = 64) -> Path:
    """Write `train` and `val` splits of bright rectangles on noise in COCO layout, and return the folder."""
    for split in ("train", "val"):
        rng = np.random.default_rng(len(split))
        content = {
            "images": [],
            "annotations": [],
            "categories": [{"id": i + 1, "name": n} for i, n in enumerate(CLASSES)],
        }
        (folder / split).mkdir(parents=True)
        for image_id in range(1, images + 1):
            pixels = rng.integers(0, 90, (size, size, 3), dtype=np.uint8)
            content["images"].append({"id": image_id, "file_name": f"{image_id}.jpg", "height": size, "width": size})
            for label, (width, height) in enumerate([(24, 24), (36, 12)]):
                x, y = int(rng.integers(2, size - width - 2)), int(rng.integers(2, size - height - 2))
                pixels[y : y + height, x : x + width] = (230, 60, 60) if label else (60, 60, 230)
                content["annotations"].append(
                    {
                        "id": len(content["annotations"]) + 1,
                        "image_id": image_id,
                        "category_id": label + 1,
                        "bbox": [x, y, width, height],
                        "area": width * height,
                        "iscrowd": 0,
                        "segmentation": [[x, y, x + width, y, x + width, y + height, x, y + height]],
                    }
                )
            Image.fromarray(pixels).save(folder / split / f"{image_id}.jpg", quality=95)
        (folder / "annotations").mkdir(exist_ok=True)
        (folder / "annotations" / f"instances_{split}.json").write_text(json.dumps(content))
    return folder


@pytest.fixture(scope="session")
def make_coco_folder() -> Callable[[Path], Path]:
    """Return `write_coco_folder`."""
    return write_coco_folder


@pytest.fixture
def coco_folder(tmp_path: Path) -> Path:
    """Return a dataset folder that a test may modify."""
    return write_coco_folder(tmp_path / "boxes")


_TINY = (
    "model.backbone.bottom_up.stages.depth=18",
    "model.backbone.bottom_up.stages.stride_in_1x1=False",
    "model.backbone.bottom_up.stages.norm=BN",
    "model.backbone.bottom_up.stem.norm=BN",
    "model.backbone.bottom_up.freeze_at=0",
    "model.backbone.out_channels=32",
    "model.proposal_generator.head.in_channels=32",
    "model.proposal_generator.batch_size_per_image=32",
    "model.roi_heads.box_head.input_shape.channels=32",
    "model.roi_heads.box_head.fc_dims=[64]",
    "model.roi_heads.box_predictor.input_shape.channels=64",
    "model.roi_heads.mask_head.input_shape.channels=32",
    "model.roi_heads.mask_head.conv_dims=[32,32]",
    "model.roi_heads.batch_size_per_image=16",
    "dataloader.train.total_batch_size=2",
    "dataloader.train.num_workers=0",
    "dataloader.test.num_workers=0",
    "dataloader.train.mapper.augmentations.0.short_edge_length=[64]",
    "dataloader.test.mapper.augmentations.0.short_edge_length=64",
    "train.init_checkpoint=",
    "train.log_period=1",
)


@pytest.fixture(scope="session")
def tiny() -> tuple[str, ...]:
    """Return overrides that make the zoo's Mask R-CNN R-50-FPN recipe small enough to train in a test."""
    return _TINY
