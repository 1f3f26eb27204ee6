"""DefaultTrainer and DefaultPredictor on a small dataset, as the tutorials use them."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from detectory.compat.detectron2 import model_zoo
from detectory.compat.detectron2.config import get_cfg
from detectory.compat.detectron2.data import (
    DatasetCatalog,
    DatasetMapper,
    MetadataCatalog,
    build_detection_train_loader,
)
from detectory.compat.detectron2.data.datasets import register_coco_instances
from detectory.compat.detectron2.engine import (
    DefaultPredictor,
    DefaultTrainer,
    HookBase,
    default_argument_parser,
    default_setup,
)
from detectory.compat.detectron2.evaluation import COCOEvaluator
from detectory.compat.detectron2.utils.events import get_event_storage


@pytest.fixture
def dataset(tmp_path):
    """A COCO dataset of four pictures with one bright rectangle each, registered as "rectangles"."""
    images, annotations = [], []
    for i in range(1, 5):
        picture = np.zeros((64, 96, 3), np.uint8)
        picture[8 * i : 8 * i + 24, 10 : 10 + 12 * i] = 255
        Image.fromarray(picture).save(tmp_path / f"{i}.png")
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


class Trainer(DefaultTrainer):
    @classmethod
    def build_evaluator(cls, cfg, dataset_name):
        return COCOEvaluator(dataset_name, output_dir=cfg.OUTPUT_DIR)


class HelloHook(HookBase):
    def __init__(self):
        self.said = []

    def after_step(self):
        self.said.append(self.trainer.iter)
        get_event_storage().put_scalar("hello", self.trainer.iter)


def test_trains_evaluates_and_saves(cfg):
    trainer = Trainer(cfg)
    hello = HelloHook()
    trainer.register_hooks([hello])
    trainer.resume_or_load(resume=False)
    results = trainer.train()
    assert hello.said == [0, 1, 2]
    assert set(results) == {"bbox"}
    files = {path.rsplit("/", 1)[-1] for path in trainer.checkpointer.get_all_checkpoint_files()}
    assert {"model_0000001.pth", "model_final.pth"} <= files


def trained(cfg, until, resume=False):
    np.random.seed(0)
    torch.manual_seed(0)
    trainer = DefaultTrainer(cfg)
    trainer.resume_or_load(resume=resume)
    trainer.max_iter = until
    trainer.train()
    return trainer.model.state_dict()


def test_resumes_to_the_weights_of_the_uninterrupted_training(cfg):
    whole = trained(cfg, until=3)
    cfg.OUTPUT_DIR += "_interrupted"
    trained(cfg, until=2)
    resumed = trained(cfg, until=3, resume=True)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_own_augmentations_through_a_mapper(cfg):
    from detectory.compat.detectron2.data import transforms as T

    class OwnTrainer(DefaultTrainer):
        @classmethod
        def build_train_loader(cls, cfg):
            mapper = DatasetMapper(cfg, is_train=True, augmentations=[T.Resize((32, 32))])
            return build_detection_train_loader(cfg, mapper=mapper)

    batch = next(iter(OwnTrainer.build_train_loader(cfg)))
    assert [tuple(item["image"].shape) for item in batch] == [(3, 32, 32)] * 2


def test_predictor_takes_an_array_in_bgr(cfg):
    predictor = DefaultPredictor(cfg)
    instances = predictor(np.zeros((50, 70, 3), np.uint8))["instances"]
    assert instances.image_size == (50, 70)
    assert predictor.metadata.name == "rectangles"


def test_setup_saves_the_config(cfg, tmp_path):
    default_setup(cfg, default_argument_parser().parse_args([]))
    again = get_cfg()
    again.merge_from_file(f"{cfg.OUTPUT_DIR}/config.yaml")
    assert again.dump() == cfg.dump()


def test_argument_parser_leaves_settings_to_the_config(cfg):
    arguments = default_argument_parser().parse_args(["--num-gpus", "2", "SOLVER.BASE_LR", "0.1"])
    cfg.merge_from_list(arguments.opts)
    assert (arguments.num_gpus, cfg.SOLVER.BASE_LR) == (2, 0.1)


def test_settings_scale_with_the_workers(cfg):
    cfg.SOLVER.REFERENCE_WORLD_SIZE, cfg.SOLVER.IMS_PER_BATCH, cfg.SOLVER.MAX_ITER = 8, 16, 90
    scaled = DefaultTrainer.auto_scale_workers(cfg, 16)
    assert (scaled.SOLVER.IMS_PER_BATCH, scaled.SOLVER.BASE_LR, scaled.SOLVER.MAX_ITER) == (32, 0.002, 45)
    assert cfg.SOLVER.IMS_PER_BATCH == 16
