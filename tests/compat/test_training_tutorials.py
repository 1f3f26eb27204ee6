"""Snippets of the tutorials "Training" and "Evaluation", and the documented hooks, with adapted module paths."""

import json
from pathlib import Path

import pytest
import torch

from detectory.compat.detectron2.checkpoint import DetectionCheckpointer, PeriodicCheckpointer
from detectory.compat.detectron2.data import build_detection_test_loader, build_detection_train_loader
from detectory.compat.detectron2.engine import (
    AMPTrainer,
    DefaultTrainer,
    HookBase,
    SimpleTrainer,
    default_writers,
    hooks,
)
from detectory.compat.detectron2.evaluation import (
    COCOEvaluator,
    DatasetEvaluator,
    DatasetEvaluators,
    inference_on_dataset,
)
from detectory.compat.detectron2.modeling import build_model
from detectory.compat.detectron2.solver import build_lr_scheduler, build_optimizer
from detectory.compat.detectron2.utils.events import EventStorage, get_event_storage


class HelloHook(HookBase):
    def after_step(self):
        if self.trainer.iter % 100 == 0:
            print(f"Hello at iteration {self.trainer.iter}!")


class Counter(DatasetEvaluator):
    def reset(self):
        self.count = 0

    def process(self, inputs, outputs):
        for output in outputs:
            self.count += len(output["instances"])

    def evaluate(self):
        return {"count": self.count}


def metrics(cfg):
    return [json.loads(line) for line in (Path(cfg.OUTPUT_DIR) / "metrics.json").read_text().splitlines()]


def test_custom_training_loop(cfg):
    model = build_model(cfg).train()
    optimizer = build_optimizer(cfg, model)
    scheduler = build_lr_scheduler(cfg, optimizer)
    checkpointer = DetectionCheckpointer(model, cfg.OUTPUT_DIR, optimizer=optimizer, scheduler=scheduler)
    start = checkpointer.resume_or_load(cfg.MODEL.WEIGHTS, resume=True).get("iteration", -1) + 1
    periodic = PeriodicCheckpointer(checkpointer, cfg.SOLVER.CHECKPOINT_PERIOD, max_iter=cfg.SOLVER.MAX_ITER)
    writers = default_writers(cfg.OUTPUT_DIR, cfg.SOLVER.MAX_ITER)
    with EventStorage(start) as storage:
        for data, iteration in zip(build_detection_train_loader(cfg), range(start, cfg.SOLVER.MAX_ITER), strict=False):
            storage.iter = iteration
            losses = model(data)
            optimizer.zero_grad()
            sum(losses.values()).backward()
            optimizer.step()
            storage.put_scalars(**{name: loss.item() for name, loss in losses.items()})
            scheduler.step()
            for writer in writers:
                writer.write()
            periodic.step(iteration)
    assert [line["iteration"] for line in metrics(cfg)] == [0, 1, 2]
    assert checkpointer.get_checkpoint_file().endswith("model_final.pth")


def test_custom_hook_is_called(cfg, capsys):
    trainer = DefaultTrainer(cfg)
    trainer.register_hooks([HelloHook()])
    trainer.train()
    assert "Hello at iteration 0!" in capsys.readouterr().out


def test_metrics_logged_by_the_model_reach_the_writers(cfg):
    class OwnTrainer(DefaultTrainer):
        @classmethod
        def build_model(cls, cfg):
            model = super().build_model(cfg)
            put = lambda *_: get_event_storage().put_scalar("some_accuracy", 0.5)  # noqa: E731
            model.backbone.register_forward_hook(put)
            return model

    OwnTrainer(cfg).train()
    assert metrics(cfg)[-1]["some_accuracy"] == 0.5


def test_manual_evaluation_loop(cfg):
    model, loader, evaluator = build_model(cfg).eval(), build_detection_test_loader(cfg, "rectangles"), Counter()
    evaluator.reset()
    with torch.no_grad():
        for inputs in loader:
            evaluator.process(inputs, model(inputs))
    assert evaluator.evaluate() == inference_on_dataset(model, loader, Counter())


def test_several_evaluators_share_one_pass(cfg):
    model, loader = build_model(cfg), build_detection_test_loader(cfg, "rectangles")
    evaluators = DatasetEvaluators([COCOEvaluator("rectangles", output_dir=cfg.OUTPUT_DIR), Counter()])
    results = inference_on_dataset(model, loader, evaluators)
    assert set(results) == {"bbox", "count"}


class Fit(torch.nn.Sequential):
    def __init__(self):
        super().__init__(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))

    def forward(self, batch):
        return {"loss": super().forward(batch).square().mean()}


def batches():
    while True:
        yield torch.rand(4, 2)


@pytest.mark.parametrize("task", [SimpleTrainer, AMPTrainer])
def test_the_documented_hooks_work_together(task, tmp_path):
    model, called = Fit(), []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    arguments = {"precision": torch.bfloat16} if task is AMPTrainer else {}
    trainer = task(model, batches(), optimizer, **arguments)
    checkpointer = DetectionCheckpointer(model, str(tmp_path), trainer=trainer)
    first = lambda trainer: trainer.iter == 1  # noqa: E731
    trainer.register_hooks(
        [
            hooks.IterationTimer(warmup_iter=0),
            hooks.LRScheduler(optimizer, torch.optim.lr_scheduler.StepLR(optimizer, 2)),
            hooks.CallbackHook(after_step=lambda trainer: called.append(trainer.iter)),
            hooks.PreciseBN(2, model, batches(), 3),
            hooks.EvalHook(2, lambda: {"accuracy": 0.25}),
            hooks.BestCheckpointer(2, checkpointer, "accuracy"),
            hooks.AutogradProfiler(first, str(tmp_path / "autograd"), use_cuda=False),
            hooks.TorchProfiler(lambda trainer: trainer.iter == 2, str(tmp_path / "torch")),
            hooks.PeriodicCheckpointer(checkpointer, 2),
            hooks.PeriodicWriter(default_writers(str(tmp_path), 4), period=2),
        ]
    )
    trainer.train(0, 4)
    assert called == [0, 1, 2, 3]
    assert {"model_0000001.pth", "model_best.pth", "model_final.pth"} <= {path.name for path in tmp_path.glob("*.pth")}
    written = [json.loads(line) for line in (tmp_path / "metrics.json").read_text().splitlines()]
    assert {"time", "data_time", "lr", "total_loss", "accuracy"} <= set().union(*written)
    assert all(list((tmp_path / task).iterdir()) for task in ("autograd", "torch"))
