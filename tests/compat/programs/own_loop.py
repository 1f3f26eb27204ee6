"""A training loop without trainer, in the way of plain_train_net, with checkpoints, writers and a predictor."""

import logging
import os
import sys
from collections import OrderedDict

import numpy as np
import torch
from detectron2.checkpoint import DetectionCheckpointer, PeriodicCheckpointer
from detectron2.data import MetadataCatalog, build_detection_test_loader, build_detection_train_loader
from detectron2.engine import DefaultPredictor, default_setup, default_writers
from detectron2.evaluation import COCOEvaluator, inference_context, inference_on_dataset, print_csv_format
from detectron2.modeling import build_model
from detectron2.solver import build_lr_scheduler, build_optimizer
from detectron2.solver.build import get_default_optimizer_params, maybe_add_gradient_clipping
from detectron2.utils import comm
from detectron2.utils.env import seed_all_rng
from detectron2.utils.events import EventStorage
from detectron2.utils.logger import log_every_n, setup_logger
from detectron2.utils.visualizer import ColorMode, Visualizer
from torch.nn.parallel import DistributedDataParallel

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from small_setup import register, small_config, start

logger = logging.getLogger("detectron2")


def do_test(cfg, model):
    results = OrderedDict()
    for name in cfg.DATASETS.TEST:
        evaluator = COCOEvaluator(name, output_dir=os.path.join(cfg.OUTPUT_DIR, "inference", name))
        results[name] = inference_on_dataset(model, build_detection_test_loader(cfg, name), evaluator)
        if comm.is_main_process():
            print_csv_format(results[name])
    return next(iter(results.values()))


def do_train(cfg, model, resume=False):
    model.train()
    optimizer = build_optimizer(cfg, model)
    params = get_default_optimizer_params(model, base_lr=1e-5, overrides={"bias": {"lr": 1e-6}})
    clipped = maybe_add_gradient_clipping(cfg, torch.optim.AdamW)(params, lr=1e-5)
    assert isinstance(clipped, torch.optim.AdamW)
    scheduler = build_lr_scheduler(cfg, optimizer)
    checkpointer = DetectionCheckpointer(model, cfg.OUTPUT_DIR, optimizer=optimizer, scheduler=scheduler)
    start_iter = checkpointer.resume_or_load(cfg.MODEL.WEIGHTS, resume=resume).get("iteration", -1) + 1
    max_iter = cfg.SOLVER.MAX_ITER
    periodic = PeriodicCheckpointer(checkpointer, cfg.SOLVER.CHECKPOINT_PERIOD, max_iter=max_iter)
    writers = default_writers(cfg.OUTPUT_DIR, max_iter) if comm.is_main_process() else []
    loader = build_detection_train_loader(cfg)
    with EventStorage(start_iter) as storage:
        for data, iteration in zip(loader, range(start_iter, max_iter), strict=False):
            storage.iter = iteration
            loss_dict = model(data)
            losses = sum(loss_dict.values())
            assert torch.isfinite(losses).all(), loss_dict
            reduced = {k: v.item() for k, v in comm.reduce_dict(loss_dict).items()}
            if comm.is_main_process():
                storage.put_scalars(total_loss=sum(reduced.values()), **reduced)
            optimizer.zero_grad()
            losses.backward()
            optimizer.step()
            storage.put_scalar("lr", optimizer.param_groups[0]["lr"], smoothing_hint=False)
            scheduler.step()
            for writer in writers:
                writer.write()
            periodic.step(iteration)
            log_every_n(logging.INFO, "step", 1)
    return start_iter


def main(args):
    register(args.root)
    cfg = small_config(args.root)
    cfg.SOLVER.CLIP_GRADIENTS.ENABLED = True
    default_setup(cfg, args)
    setup_logger(name="own")
    seed_all_rng(3)
    model = build_model(cfg)
    if comm.get_world_size() > 1:
        model = DistributedDataParallel(model, broadcast_buffers=False)
    assert do_train(cfg, model) == 0
    comm.synchronize()  # the main process writes the last checkpoint
    assert do_train(cfg, model, resume=True) == 2
    results = do_test(cfg, model)
    with inference_context(model), torch.no_grad():
        assert not model.training
    if comm.is_main_process():
        assert "AP" in results["bbox"]
        cfg.defrost()
        cfg.MODEL.WEIGHTS = os.path.join(cfg.OUTPUT_DIR, "model_final.pth")
        image = np.zeros((64, 96, 3), np.uint8)
        outputs = DefaultPredictor(cfg)(image)
        metadata = MetadataCatalog.get(cfg.DATASETS.TEST[0])
        visualizer = Visualizer(image[:, :, ::-1], metadata, scale=1.2, instance_mode=ColorMode.IMAGE_BW)
        drawn = visualizer.draw_instance_predictions(outputs["instances"].to("cpu"))
        assert drawn.get_image().dtype == np.uint8


if __name__ == "__main__":
    start(main)
