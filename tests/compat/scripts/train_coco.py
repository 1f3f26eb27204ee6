"""A training program as Detectron2's tutorials teach it; it knows nothing of Detectory."""

import os
import random
import sys

import cv2
from detectron2 import model_zoo
from detectron2.config import get_cfg
from detectron2.data import DatasetCatalog, MetadataCatalog, build_detection_test_loader
from detectron2.data.datasets import register_coco_instances
from detectron2.engine import DefaultPredictor, DefaultTrainer
from detectron2.evaluation import COCOEvaluator, inference_on_dataset
from detectron2.utils.logger import setup_logger
from detectron2.utils.visualizer import ColorMode, Visualizer


def main(root, output):
    setup_logger()
    for split in ("train", "val"):
        annotations = os.path.join(root, "annotations", f"instances_{split}2017.json")
        register_coco_instances(f"my_{split}", {}, annotations, os.path.join(root, f"{split}2017"))
    cfg = get_cfg()
    cfg.merge_from_file(model_zoo.get_config_file("COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x.yaml"))
    cfg.MODEL.WEIGHTS = ""
    cfg.MODEL.DEVICE = "cpu"
    cfg.MODEL.RESNETS.DEPTH = 18
    cfg.MODEL.RESNETS.RES2_OUT_CHANNELS = 64
    cfg.DATASETS.TRAIN = ("my_train",)
    cfg.DATASETS.TEST = ("my_val",)
    cfg.DATALOADER.NUM_WORKERS = 1
    cfg.INPUT.MIN_SIZE_TRAIN = (96,)
    cfg.INPUT.MIN_SIZE_TEST = 96
    cfg.SOLVER.IMS_PER_BATCH = 2
    cfg.SOLVER.BASE_LR = 0.00025
    cfg.SOLVER.MAX_ITER = 3
    cfg.SOLVER.STEPS = []
    cfg.MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE = 32
    cfg.OUTPUT_DIR = output
    os.makedirs(cfg.OUTPUT_DIR, exist_ok=True)
    trainer = DefaultTrainer(cfg)
    trainer.resume_or_load(resume=False)
    trainer.train()

    cfg.MODEL.WEIGHTS = os.path.join(cfg.OUTPUT_DIR, "model_final.pth")
    cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST = 0.0
    predictor = DefaultPredictor(cfg)
    record = random.Random(0).choice(DatasetCatalog.get("my_val"))
    image = cv2.imread(record["file_name"])
    outputs = predictor(image)
    visualizer = Visualizer(
        image[:, :, ::-1], metadata=MetadataCatalog.get("my_val"), scale=0.5, instance_mode=ColorMode.IMAGE_BW
    )
    drawn = visualizer.draw_instance_predictions(outputs["instances"].to("cpu"))
    cv2.imwrite(os.path.join(output, "drawn.png"), drawn.get_image()[:, :, ::-1])

    evaluator = COCOEvaluator("my_val", output_dir=output)
    results = inference_on_dataset(predictor.model, build_detection_test_loader(cfg, "my_val"), evaluator)
    print("tasks:", *sorted(results))


if __name__ == "__main__":
    main(*sys.argv[1:])
