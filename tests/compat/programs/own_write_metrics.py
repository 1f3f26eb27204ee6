"""A SimpleTrainer with gradient accumulation, its own metrics, hooks and a moving average of the weights."""

import copy
import os
import sys
import time

import torch
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.data import build_detection_train_loader
from detectron2.engine import HookBase, SimpleTrainer, create_ddp_model, hooks
from detectron2.modeling import build_model
from detectron2.solver import build_lr_scheduler, build_optimizer
from detectron2.utils import comm
from detectron2.utils.events import CommonMetricPrinter, JSONWriter, get_event_storage

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from small_setup import register, small_config, start


class MovingAverage(HookBase):
    def __init__(self, model, decay=0.5):
        self.average, self.decay = copy.deepcopy(model), decay

    def before_train(self):
        self.trainer.average = self.average

    def after_step(self):
        with torch.no_grad():
            for mean, value in zip(self.average.parameters(), self.trainer.model.parameters(), strict=True):
                mean.mul_(self.decay).add_(value, alpha=1 - self.decay)


class Accumulating(SimpleTrainer):
    def run_step(self):
        assert self.model.training
        self.optimizer.zero_grad()
        for _ in range(2):
            start = time.perf_counter()
            data = next(self._data_loader_iter)
            data_time = time.perf_counter() - start
            loss_dict = self.model(data)
            (sum(loss_dict.values()) / 2).backward()
        self._write_metrics(loss_dict, data_time)
        self.optimizer.step()

    def _write_metrics(self, loss_dict, data_time, prefix=""):
        metrics = {k: v.detach().cpu().item() for k, v in loss_dict.items()}
        metrics["data_time"] = data_time
        gathered = comm.gather(metrics)
        if comm.is_main_process():
            storage = get_event_storage()
            storage.put_scalar("data_time", max(m.pop("data_time") for m in gathered))
            means = {prefix + k: sum(m[k] for m in gathered) / len(gathered) for k in gathered[0]}
            storage.put_scalars(total_loss=sum(means.values()), workers=len(gathered), **means)


def main(args):
    register(args.root)
    cfg = small_config(args.root)
    torch.manual_seed(0)
    model = build_model(cfg)
    optimizer = build_optimizer(cfg, model)
    scheduler = build_lr_scheduler(cfg, optimizer)
    average = MovingAverage(model)
    trainer = Accumulating(
        create_ddp_model(model, broadcast_buffers=False), build_detection_train_loader(cfg), optimizer
    )
    checkpointer = DetectionCheckpointer(model, args.root, trainer=trainer)
    writers = [CommonMetricPrinter(2), JSONWriter(os.path.join(args.root, "metrics.json"))]
    trainer.register_hooks(
        [
            hooks.IterationTimer(),
            average,
            hooks.LRScheduler(optimizer, scheduler),
            hooks.PeriodicCheckpointer(checkpointer, 1) if comm.is_main_process() else None,
            hooks.PeriodicWriter(writers, period=1) if comm.is_main_process() else None,
        ]
    )
    trainer.train(0, 2)
    if comm.is_main_process():
        assert trainer.storage.latest()["workers"][0] == comm.get_world_size()
        assert trainer.average is average.average
        assert os.path.isfile(os.path.join(args.root, "model_final.pth"))
        with open(os.path.join(args.root, "metrics.json")) as file:
            assert "total_loss" in file.read()


if __name__ == "__main__":
    start(main)
