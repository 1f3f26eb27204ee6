"""Fixtures: a small COCO dataset on disk, and catalogs that are restored after every test."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detectory.data import DatasetCatalog, MetadataCatalog


@pytest.fixture(autouse=True)
def _restored_catalogs(monkeypatch):
    monkeypatch.setattr(DatasetCatalog, "_loaders", dict(DatasetCatalog._loaders))
    monkeypatch.setattr(DatasetCatalog, "_providers", list(DatasetCatalog._providers))
    monkeypatch.setattr(MetadataCatalog, "data", dict(MetadataCatalog.data))


class CocoFolder:
    """Four images, two in landscape and two in portrait orientation, with one rectangular object each.

    Tests change `content` and call `write`.
    """

    def __init__(self, folder: Path):
        self.images, self.file = folder / "images", folder / "annotations.json"
        self.images.mkdir()
        sizes = {1: (40, 64), 2: (64, 40), 3: (48, 60), 4: (60, 48)}
        self.content = {
            "images": [],
            "annotations": [],
            "categories": [{"id": 7, "name": "cat"}, {"id": 3, "name": "dog"}],
        }
        for image_id, (height, width) in sizes.items():
            noise = np.random.default_rng(image_id).integers(0, 255, (height, width, 3), dtype=np.uint8)
            Image.fromarray(noise).save(self.images / f"{image_id}.jpg")
            self.content["images"].append(
                {"id": image_id, "file_name": f"{image_id}.jpg", "height": height, "width": width}
            )
            self.content["annotations"].append(
                {
                    "id": image_id,
                    "image_id": image_id,
                    "category_id": 7,
                    "bbox": [4, 6, 20, 10],
                    "iscrowd": 0,
                    "area": 200,
                    "segmentation": [[4, 6, 24, 6, 24, 16, 4, 16]],
                }
            )
        self.write()

    def write(self):
        self.file.write_text(json.dumps(self.content))
        return self.file


@pytest.fixture
def coco(tmp_path):
    return CocoFolder(tmp_path)
