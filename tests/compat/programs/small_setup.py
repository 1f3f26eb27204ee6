"""A small dataset and config shared by the programs, in the way projects write them."""

import json
import os
import sys

import numpy as np
from detectron2 import model_zoo
from detectron2.config import get_cfg
from detectron2.data.datasets import register_coco_instances
from detectron2.engine import default_argument_parser, launch
from PIL import Image


def register(root):
    images, annotations = [], []
    for i in range(1, 5):
        pixels = np.zeros((64, 96, 3), np.uint8)
        pixels[8 * i : 8 * i + 24, 10 : 10 + 12 * i] = 255
        path = os.path.join(root, f"{i}.png")
        if not os.path.exists(path):
            Image.fromarray(pixels).save(path)
        images.append({"id": i, "file_name": f"{i}.png", "height": 64, "width": 96})
        corners = [10, 8 * i, 10 + 12 * i, 8 * i, 10 + 12 * i, 8 * i + 24, 10, 8 * i + 24]
        annotation = {"id": i, "image_id": i, "category_id": 1, "bbox": [10, 8 * i, 12 * i, 24], "area": 288 * i}
        annotations.append({**annotation, "iscrowd": 0, "segmentation": [corners]})
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "rectangle"}]}
    json_file = os.path.join(root, f"rectangles_{os.getpid()}.json")
    with open(json_file, "w") as file:
        json.dump(content, file)
    register_coco_instances("rectangles", {}, json_file, root)


def small_config(root, name="COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.yaml"):
    cfg = get_cfg()
    cfg.merge_from_file(model_zoo.get_config_file(name))
    cfg.MODEL.DEVICE, cfg.MODEL.WEIGHTS = "cpu", ""
    cfg.MODEL.RESNETS.DEPTH, cfg.MODEL.RESNETS.RES2_OUT_CHANNELS = 18, 64
    cfg.MODEL.FPN.OUT_CHANNELS, cfg.MODEL.ROI_BOX_HEAD.FC_DIM, cfg.MODEL.ROI_MASK_HEAD.CONV_DIM = 16, 16, 16
    cfg.MODEL.RPN.PRE_NMS_TOPK_TRAIN = cfg.MODEL.RPN.POST_NMS_TOPK_TRAIN = 20
    cfg.MODEL.RPN.POST_NMS_TOPK_TEST = 10
    cfg.MODEL.ROI_HEADS.NUM_CLASSES, cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST = 1, 0.0
    cfg.INPUT.MIN_SIZE_TRAIN, cfg.INPUT.MIN_SIZE_TEST = (64,), 64
    cfg.DATASETS.TRAIN = cfg.DATASETS.TEST = ("rectangles",)
    cfg.DATALOADER.NUM_WORKERS, cfg.SOLVER.IMS_PER_BATCH, cfg.SOLVER.MAX_ITER = 0, 2, 2
    cfg.SOLVER.BASE_LR = 1e-5
    cfg.SOLVER.STEPS, cfg.OUTPUT_DIR = (), os.path.join(root, "output")
    return cfg


def start(main):
    """Parse the usual arguments and run `main(args)` in one or several processes, printing the name of the program."""
    parser = default_argument_parser()
    parser.add_argument("--root")
    args = parser.parse_args()
    launch(main, args.num_gpus, args.num_machines, args.machine_rank, args.dist_url, args=(args,))
    print("finished", os.path.basename(sys.argv[0]), "in", args.num_gpus or 1, "processes")
