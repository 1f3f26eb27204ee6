"""DefaultTrainer and DefaultPredictor on a small dataset."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from detectory.compat.detectron2.config import get_cfg
from detectory.compat.detectron2.data import (
    DatasetMapper,
    build_detection_train_loader,
)
from detectory.compat.detectron2.data.datasets import register_coco_instances
from detectory.compat.detectron2.engine import (
    DefaultPredictor,
    DefaultTrainer,
    HookBase,
    default_argument_parser,
    default_setup,
    launch,
)
from detectory.compat.detectron2.evaluation import COCOEvaluator
from detectory.compat.detectron2.utils.events import get_event_storage


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


class UndecidedTrainer(DefaultTrainer):
    @classmethod
    def build_evaluator(cls, cfg, dataset_name):
        raise NotImplementedError(f"no evaluator for {dataset_name}")


@pytest.mark.parametrize("trainer_class", [DefaultTrainer, UndecidedTrainer])
def test_a_test_dataset_without_evaluator_is_skipped_with_a_warning(cfg, caplog, trainer_class):
    name = cfg.DATASETS.TEST[0]
    with pytest.raises(NotImplementedError, match=name):
        trainer_class.build_evaluator(cfg, name)
    assert trainer_class.test(cfg, nn.Identity()) == {}
    assert any(f"{name} is not evaluated: " in record.message for record in caplog.records)


def trained(cfg, until, resume=False):
    np.random.seed(0)
    torch.manual_seed(0)
    trainer = DefaultTrainer(cfg)
    trainer.resume_or_load(resume=resume)
    trainer.max_iter = until
    trainer.train()
    return trainer.model.state_dict()


def test_resumed_training_equals_uninterrupted_training(cfg):
    whole = trained(cfg, until=3)
    cfg.OUTPUT_DIR += "_interrupted"
    trained(cfg, until=2)
    resumed = trained(cfg, until=3, resume=True)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_custom_augmentations_are_passed_through_a_mapper(cfg):
    from detectory.compat.detectron2.data import transforms as T

    class OwnTrainer(DefaultTrainer):
        @classmethod
        def build_train_loader(cls, cfg):
            mapper = DatasetMapper(cfg, is_train=True, augmentations=[T.Resize((32, 32))])
            return build_detection_train_loader(cfg, mapper=mapper)

    batch = next(iter(OwnTrainer.build_train_loader(cfg)))
    assert [tuple(item["image"].shape) for item in batch] == [(3, 32, 32)] * 2


def test_predictor_accepts_a_bgr_array(cfg):
    predictor = DefaultPredictor(cfg)
    instances = predictor(np.zeros((50, 70, 3), np.uint8))["instances"]
    assert instances.image_size == (50, 70)
    assert predictor.metadata.name == "rectangles"


def test_setup_saves_the_config(cfg, tmp_path):
    default_setup(cfg, default_argument_parser().parse_args([]))
    again = get_cfg()
    again.merge_from_file(f"{cfg.OUTPUT_DIR}/config.yaml")
    assert again.dump() == cfg.dump()


def test_argument_parser_collects_config_settings(cfg):
    arguments = default_argument_parser().parse_args(["--num-gpus", "2", "SOLVER.BASE_LR", "0.1"])
    cfg.merge_from_list(arguments.opts)
    assert (arguments.num_gpus, cfg.SOLVER.BASE_LR) == (2, 0.1)


def test_settings_are_scaled_with_the_number_of_workers(cfg):
    cfg.SOLVER.REFERENCE_WORLD_SIZE, cfg.SOLVER.IMS_PER_BATCH, cfg.SOLVER.MAX_ITER = 8, 16, 90
    scaled = DefaultTrainer.auto_scale_workers(cfg, 16)
    assert (scaled.SOLVER.IMS_PER_BATCH, scaled.SOLVER.BASE_LR, scaled.SOLVER.MAX_ITER) == (32, 0.002, 45)
    assert cfg.SOLVER.IMS_PER_BATCH == 16


def train_in_process(cfg, json_file, images):
    register_coco_instances("rectangles", {}, json_file, images)
    Trainer(cfg).train()


@pytest.mark.slow
def test_two_processes_train_and_evaluate_with_scaled_settings(cfg, tmp_path):
    cfg.SOLVER.REFERENCE_WORLD_SIZE, cfg.SOLVER.MAX_ITER, cfg.TEST.EVAL_PERIOD = 1, 4, 2
    launch(train_in_process, 2, dist_url="auto", args=(cfg, str(tmp_path / "rectangles.json"), str(tmp_path)))
    lines = [json.loads(line) for line in (tmp_path / "output" / "metrics.json").read_text().splitlines()]
    assert max(line["iteration"] for line in lines) == 2
    assert any("bbox/AP" in line for line in lines)
