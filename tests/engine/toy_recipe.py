"""A recipe that trains in a second: noisy two-value regression with dropout and random augmentation."""

import os
import random
import signal
from pathlib import Path

import numpy as np
import torch
from torch import nn

from detectory.core.config import LazyCall
from detectory.core.events import get_event_storage
from detectory.data import build_detection_train_loader
from detectory.engine.optimizers import get_default_optimizer_params
from detectory.engine.schedules import CosineParamScheduler, WarmupParamScheduler


class Regressor(nn.Module):
    """Draws random numbers in its forward pass, as detectors do when they sample; writes its losses to a file.

    It can end its process after a number of written lines: `kill_after` at once, `alarm_after` a moment later, at any
    point of the training. Another process could not hit that moment reliably on a busy machine.
    """

    def __init__(self, fail_at=-1, log=None, kill_after=0, alarm_after=0, width=16, depth=0):
        super().__init__()
        self.log, self.kill_after, self.alarm_after, self.written = log, kill_after, alarm_after, 0
        self.layers = nn.Sequential(
            nn.Linear(2, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(0.3), nn.Linear(width, 2)
        )
        self.extra = nn.Sequential(*(nn.Linear(2, 2) for _ in range(depth)))
        self.fail_at = fail_at

    def forward(self, batch):
        x = torch.stack([sample["x"] for sample in batch])
        error = self.extra(self.layers(x)) - torch.stack([sample["y"] for sample in batch])
        iteration = get_event_storage().iter
        scale = float("nan") if iteration == self.fail_at else np.random.uniform(0.9, 1.1)
        losses = {"loss_a": error[:, 0].square().mean() * scale, "loss_b": error[:, 1].abs().mean()}
        if self.log is not None:
            with Path(self.log).open("a") as file:
                file.write(f"{iteration} {losses['loss_a'].item().hex()} {losses['loss_b'].item().hex()}\n")
            self.written += 1
            self.end_process()
        return losses

    def end_process(self):
        if self.written == self.kill_after:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.written == self.alarm_after:
            # SIGALRM has no handler: the kernel terminates the process like SIGKILL, within 4 ms.
            signal.setitimer(signal.ITIMER_REAL, 1e-6 + os.urandom(1)[0] / 64_000)


def augment(sample):
    noise = random.random() + np.random.rand() + torch.rand(2)
    x = torch.tensor(sample["x"]) + 0.1 * noise
    return {"x": x, "y": torch.tensor(sample["y"]), "width": sample["width"], "height": sample["height"]}


def make_dataset(size=23):
    shapes = [(4, 3), (3, 4)]
    return [
        {
            "x": [index / size, -index / size],
            "y": [float(index % 3), 1.0],
            "width": shapes[index % 3 == 0][0],
            "height": shapes[index % 3 == 0][1],
        }
        for index in range(size)
    ]


model = LazyCall(Regressor)(fail_at=-1)
dataloader = {
    "train": LazyCall(build_detection_train_loader)(
        dataset=LazyCall(make_dataset)(), mapper=augment, total_batch_size=4, num_workers=0
    )
}
optimizer = LazyCall(torch.optim.SGD)(
    params=LazyCall(get_default_optimizer_params)(weight_decay_norm=0.0), lr=0.05, momentum=0.9, weight_decay=1e-4
)
lr_multiplier = LazyCall(WarmupParamScheduler)(
    scheduler=LazyCall(CosineParamScheduler)(start_value=1.0, end_value=0.0), warmup_factor=0.01, warmup_length=0.1
)
train = {
    "output_dir": "./output",
    "init_checkpoint": "",
    "max_iter": 30,
    "amp": {"enabled": False},
    "ddp": {"broadcast_buffers": False},
    "checkpointer": {"period": 7, "max_to_keep": 3},
    "eval_period": 0,
    "log_period": 1,
    "device": "cpu",
    "seed": 3,
}
