"""A lazy config file, overrides from the command line, and the training loop of lazyconfig_train_net."""

import logging
import os
import sys

import torch
from detectron2 import model_zoo
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.config import LazyCall as L
from detectron2.config import LazyConfig, instantiate
from detectron2.data import get_detection_dataset_dicts
from detectron2.engine import AMPTrainer, SimpleTrainer, create_ddp_model, default_setup, default_writers, hooks
from detectron2.evaluation import COCOEvaluator, inference_on_dataset, print_csv_format
from detectron2.utils import comm

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from small_setup import register, start

logger = logging.getLogger("detectron2")
CONFIG = """
from detectron2 import model_zoo
from detectron2.config import LazyCall as L
from detectron2.solver import WarmupParamScheduler
from fvcore.common.param_scheduler import MultiStepParamScheduler

from .parts import make_evaluator

model = model_zoo.get_config("common/models/mask_rcnn_fpn.py").model
model.backbone.bottom_up.stem.norm = model.backbone.bottom_up.stages.norm = "BN"
model.backbone.bottom_up.stages.depth = 18
model.backbone.bottom_up.freeze_at = 0
model.roi_heads.num_classes = 1
dataloader = model_zoo.get_config("common/data/coco.py").dataloader
dataloader.train.dataset.names = dataloader.test.dataset.names = "rectangles"
dataloader.train.total_batch_size = 2
dataloader.train.num_workers = dataloader.test.num_workers = 0
dataloader.evaluator = L(make_evaluator)(dataset_name="rectangles")
optimizer = model_zoo.get_config("common/optim.py").SGD
optimizer.lr = 0.00001
lr_multiplier = L(WarmupParamScheduler)(
    scheduler=L(MultiStepParamScheduler)(values=[1.0, 0.1], milestones=[1, 2]), warmup_length=0.5, warmup_factor=0.1
)
train = model_zoo.get_config("common/train.py").train
train.init_checkpoint, train.device, train.max_iter, train.amp.enabled = "", "cpu", 1, False
"""
PARTS = """
from detectron2.evaluation import COCOEvaluator


def make_evaluator(dataset_name):
    return COCOEvaluator(dataset_name)
"""


def do_test(cfg, model):
    if "evaluator" in cfg.dataloader:
        found = inference_on_dataset(model, instantiate(cfg.dataloader.test), instantiate(cfg.dataloader.evaluator))
        print_csv_format(found)
        return found
    return None


def do_train(args, cfg):
    model = instantiate(cfg.model)
    logger.info("Model:\n%s", model)
    model.to(cfg.train.device)
    cfg.optimizer.params.model = model
    optimizer = instantiate(cfg.optimizer)
    loader = instantiate(cfg.dataloader.train)
    model = create_ddp_model(model, **cfg.train.ddp)
    trainer = (AMPTrainer if cfg.train.amp.enabled else SimpleTrainer)(model, loader, optimizer)
    checkpointer = DetectionCheckpointer(model, cfg.train.output_dir, trainer=trainer)
    main_process = comm.is_main_process()
    trainer.register_hooks(
        [
            hooks.IterationTimer(),
            hooks.LRScheduler(scheduler=instantiate(cfg.lr_multiplier)),
            hooks.PeriodicCheckpointer(checkpointer, **cfg.train.checkpointer) if main_process else None,
            hooks.EvalHook(cfg.train.eval_period, lambda: do_test(cfg, model)),
            hooks.PeriodicWriter(default_writers(cfg.train.output_dir, cfg.train.max_iter), 1)
            if main_process
            else None,
        ]
    )
    checkpointer.resume_or_load(cfg.train.init_checkpoint, resume=args.resume)
    start_iter = trainer.iter + 1 if args.resume and checkpointer.has_checkpoint() else 0
    trainer.train(start_iter, cfg.train.max_iter)
    return trainer


def main(args):
    register(args.root)
    folder = os.path.join(args.root, f"configs_{os.getpid()}")
    os.makedirs(folder, exist_ok=True)
    for name, text in (("mine", CONFIG), ("parts", PARTS)):
        with open(os.path.join(folder, f"{name}.py"), "w") as file:
            file.write(text)
    cfg = LazyConfig.load(os.path.join(folder, "mine.py"))
    overrides = ["model.proposal_generator.post_nms_topk=[20,10]", f"train.output_dir={args.root}/lazy"]
    cfg = LazyConfig.apply_overrides(cfg, [*overrides, "dataloader.train.mapper.augmentations.0.short_edge_length=64"])
    default_setup(cfg, args)
    assert LazyConfig.to_py(cfg).startswith("cfg.")
    assert L(torch.nn.Linear)(in_features=2, out_features=3)._target_ is torch.nn.Linear
    assert len(get_detection_dataset_dicts("rectangles")) == 4
    assert callable(model_zoo.get)
    trainer = do_train(args, cfg)
    assert isinstance(instantiate(cfg.dataloader.evaluator), COCOEvaluator)
    if comm.is_main_process():
        assert "bbox/AP" in trainer.storage.latest()
        assert os.path.isfile(os.path.join(args.root, "lazy", "model_final.pth"))


if __name__ == "__main__":
    start(main)
