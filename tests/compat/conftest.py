"""A small dataset and a config that trains on it in a second."""

import json

import numpy as np
import pytest
from PIL import Image

from detectory.compat.detectron2 import model_zoo
from detectory.compat.detectron2.data import DatasetCatalog, MetadataCatalog
from detectory.compat.detectron2.data.datasets import register_coco_instances


@pytest.fixture
def dataset(tmp_path):
    """A COCO dataset of four images with one bright rectangle each, registered as "rectangles"."""
    images, annotations = [], []
    for i in range(1, 5):
        image = np.zeros((64, 96, 3), np.uint8)
        image[8 * i : 8 * i + 24, 10 : 10 + 12 * i] = 255
        Image.fromarray(image).save(tmp_path / f"{i}.png")
        images.append({"id": i, "file_name": f"{i}.png", "height": 64, "width": 96})
        box = [10, 8 * i, 12 * i, 24]
        annotations.append({"id": i, "image_id": i, "category_id": 1, "bbox": box, "area": box[2] * 24, "iscrowd": 0})
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "rectangle"}]}
    (tmp_path / "rectangles.json").write_text(json.dumps(content))
    register_coco_instances("rectangles", {}, str(tmp_path / "rectangles.json"), str(tmp_path))
    yield "rectangles"
    DatasetCatalog.remove("rectangles")
    MetadataCatalog.remove("rectangles")


@pytest.fixture
def cfg(dataset, tmp_path):
    cfg = model_zoo.get_config("COCO-Detection/faster_rcnn_R_50_FPN_1x.yaml")
    cfg.MODEL.DEVICE, cfg.MODEL.WEIGHTS, cfg.MODEL.ROI_HEADS.NUM_CLASSES = "cpu", "", 1
    cfg.MODEL.RESNETS.DEPTH, cfg.MODEL.RESNETS.RES2_OUT_CHANNELS = 18, 64
    cfg.MODEL.FPN.OUT_CHANNELS, cfg.MODEL.ROI_BOX_HEAD.FC_DIM = 16, 16
    cfg.MODEL.RPN.PRE_NMS_TOPK_TRAIN = cfg.MODEL.RPN.POST_NMS_TOPK_TRAIN = 20
    cfg.MODEL.RPN.POST_NMS_TOPK_TEST = 10
    cfg.INPUT.MIN_SIZE_TRAIN, cfg.INPUT.MIN_SIZE_TEST = (64,), 64
    cfg.DATASETS.TRAIN = cfg.DATASETS.TEST = (dataset,)
    cfg.DATALOADER.NUM_WORKERS = 0
    cfg.SOLVER.IMS_PER_BATCH, cfg.SOLVER.MAX_ITER, cfg.SOLVER.CHECKPOINT_PERIOD = 2, 3, 2
    cfg.SOLVER.STEPS, cfg.SOLVER.BASE_LR = (), 0.001
    cfg.OUTPUT_DIR = str(tmp_path / "output")
    return cfg
