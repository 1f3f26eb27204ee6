"""Evaluation loop, groups of evaluators and results."""

import logging
from types import SimpleNamespace

import pytest
import torch

from detectory.evaluation import (
    COCOEvaluator,
    DatasetEvaluator,
    DatasetEvaluators,
    flatten_results_dict,
    inference_context,
    inference_on_dataset,
    print_csv_format,
    verify_results,
)


class Counter(DatasetEvaluator):
    """Sum of all outputs."""

    def __init__(self, name="count"):
        self.name = name

    def reset(self):
        self.count = 0

    def process(self, inputs, outputs):
        self.count += sum(outputs)

    def evaluate(self):
        return {self.name: self.count}


class Doubling(torch.nn.Module):
    def forward(self, batch):
        assert not self.training
        assert not torch.is_grad_enabled()
        return [2 * value for value in batch]


def test_runs_all_batches_in_eval_mode_without_gradients():
    model = Doubling().train()
    assert inference_on_dataset(model, [[1, 2], [3]], Counter()) == {"count": 12}
    assert model.training


@pytest.mark.parametrize("group", [list, DatasetEvaluators], ids=["list", "DatasetEvaluators"])
def test_merges_results_of_several_evaluators(group):
    evaluators = group([Counter("a"), Counter("b")])
    assert inference_on_dataset(Doubling(), [[1]], evaluators) == {"a": 2, "b": 2}


def test_accepts_no_evaluator_and_a_loader_without_length():
    assert inference_on_dataset(lambda batch: batch, (b for b in [[1], [2]]), None) == {}


def test_calls_callbacks_in_order():
    calls = []
    names = ("on_start", "before_inference", "after_inference", "on_end")
    inference_on_dataset(Doubling(), [[1], [2]], None, {name: lambda name=name: calls.append(name) for name in names})
    assert calls == ["on_start", *["before_inference", "after_inference"] * 2, "on_end"]


@pytest.fixture
def clock(monkeypatch):
    """A stopped clock, as a list with its time."""
    clock = [0.0]
    monkeypatch.setattr("detectory.evaluation.inference.time", SimpleNamespace(perf_counter=lambda: clock[0]))
    return clock


def test_logs_seconds_per_image(caplog, clock):
    def slow(batch):
        clock[0] += 0.01
        return batch

    with caplog.at_level(logging.INFO):
        inference_on_dataset(slow, [[1]] * 8, Counter())
    line = next(m for m in caplog.messages if m.startswith("Total inference time"))
    assert "(data 0.000000, compute 0.010000, eval 0.000000 s / img per device" in line


@pytest.mark.usefixtures("clock")
def test_logs_remaining_time(caplog, monkeypatch):
    monkeypatch.setattr("detectory.evaluation.inference._SECONDS_BETWEEN_MESSAGES", -1)
    with caplog.at_level(logging.INFO):
        inference_on_dataset(Doubling(), [[1]] * 3, None)
    assert any(m.startswith("Inference done 2/3.") and "ETA=0:00:00" in m for m in caplog.messages)


def test_restores_the_mode_after_an_error():
    model = Doubling().train()
    with torch.no_grad(), pytest.raises(TypeError), inference_context(model):
        model(None)
    assert model.training


def test_rejects_duplicate_task_names():
    with pytest.raises(ValueError, match="Counter returned 'count', as did an evaluator before it"):
        inference_on_dataset(Doubling(), [[1]], [Counter(), Counter()])


def test_logs_main_metrics_as_csv(caplog):
    with caplog.at_level(logging.INFO):
        print_csv_format({"bbox": {"AP": 12.345, "AP50": 30.0, "AP-cat": 1.0}, "loss": 0.5})
    assert caplog.messages == [
        "copypaste: Task: bbox",
        "copypaste: AP,AP50",
        "copypaste: 12.3450,30.0000",
        "copypaste: loss=0.5",
    ]


@pytest.mark.parametrize(
    ("value", "is_met"), [(38.6, True), (38.3, False), (float("nan"), False), (None, False)], ids=str
)
def test_compares_results_with_a_tolerance(value, is_met):
    results = {"bbox": {} if value is None else {"AP": value}}
    assert verify_results([("bbox", "AP", 38.5, 0.15)], results) is is_met


def test_flattens_nested_results():
    assert flatten_results_dict({"bbox": {"AP": 1, "x": {"y": 2}}, "n": 3}) == {"bbox/AP": 1, "bbox/x/y": 2, "n": 3}


def test_evaluates_boxes_and_a_custom_metric_in_one_pass(registered_coco):
    from coco_datasets import random_dataset
    from coco_outputs import model_outputs

    ground_truth, results = random_dataset(50)
    name = registered_coco(ground_truth)
    inputs, outputs = model_outputs(ground_truth, results, "bbox")
    output_of = {record["image_id"]: output for record, output in zip(inputs, outputs, strict=True)}

    class CountInstances(DatasetEvaluator):
        def reset(self):
            self.count = 0

        def process(self, inputs, outputs):
            self.count += sum(len(output["instances"]) for output in outputs)

        def evaluate(self):
            return {"count": self.count}

    both = DatasetEvaluators([COCOEvaluator(name), CountInstances()])
    metrics = inference_on_dataset(
        lambda batch: [output_of[r["image_id"]] for r in batch], [inputs[:4], inputs[4:]], both
    )
    assert metrics["count"] == len(results)
    assert metrics["bbox"]["AP"] > 0
