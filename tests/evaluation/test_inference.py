"""Running a model over a dataset."""

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
    """Counts what it sees, after the example of the documentation."""

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


def test_every_batch_reaches_the_evaluator_in_eval_mode_without_gradients():
    model = Doubling().train()
    assert inference_on_dataset(model, [[1, 2], [3]], Counter()) == {"count": 12}
    assert model.training


@pytest.mark.parametrize("kind", [list, DatasetEvaluators], ids=["list", "DatasetEvaluators"])
def test_several_evaluators_join_their_results(kind):
    evaluators = kind([Counter("a"), Counter("b")])
    assert inference_on_dataset(Doubling(), [[1]], evaluators) == {"a": 2, "b": 2}


def test_no_evaluator_and_no_length_are_fine():
    assert inference_on_dataset(lambda batch: batch, (b for b in [[1], [2]]), None) == {}


def test_callbacks_come_in_their_order():
    calls = []
    names = ("on_start", "before_inference", "after_inference", "on_end")
    inference_on_dataset(Doubling(), [[1], [2]], None, {name: lambda name=name: calls.append(name) for name in names})
    assert calls == ["on_start", *["before_inference", "after_inference"] * 2, "on_end"]


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still, as a list of its time."""
    clock = [0.0]
    monkeypatch.setattr("detectory.evaluation.inference.time", SimpleNamespace(perf_counter=lambda: clock[0]))
    return clock


def test_the_summary_tells_the_seconds_of_each_part(caplog, clock):
    def slow(batch):
        clock[0] += 0.01
        return batch

    with caplog.at_level(logging.INFO):
        inference_on_dataset(slow, [[1]] * 8, Counter())
    line = next(m for m in caplog.messages if m.startswith("Total inference time"))
    assert "(data 0.000000, compute 0.010000, eval 0.000000 s / img per device" in line


@pytest.mark.usefixtures("clock")
def test_progress_tells_the_remaining_time(caplog, monkeypatch):
    monkeypatch.setattr("detectory.evaluation.inference._SECONDS_BETWEEN_MESSAGES", -1)
    with caplog.at_level(logging.INFO):
        inference_on_dataset(Doubling(), [[1]] * 3, None)
    assert any(m.startswith("Inference done 2/3.") and "ETA=0:00:00" in m for m in caplog.messages)


def test_the_mode_is_restored_after_an_error():
    model = Doubling().train()
    with torch.no_grad(), pytest.raises(TypeError), inference_context(model):
        model(None)
    assert model.training


def test_rejects_two_results_of_one_name():
    with pytest.raises(ValueError, match="Counter gives 'count', which another evaluator gave already"):
        inference_on_dataset(Doubling(), [[1]], [Counter(), Counter()])


def test_main_metrics_are_printed_for_pasting(caplog):
    with caplog.at_level(logging.INFO):
        print_csv_format({"bbox": {"AP": 12.345, "AP50": 30.0, "AP-cat": 1.0}, "loss": 0.5})
    assert caplog.messages == [
        "copypaste: Task: bbox",
        "copypaste: AP,AP50",
        "copypaste: 12.3450,30.0000",
        "copypaste: loss=0.5",
    ]


@pytest.mark.parametrize(
    ("value", "good"), [(38.6, True), (38.3, False), (float("nan"), False), (None, False)], ids=str
)
def test_results_are_compared_with_a_tolerance(value, good):
    results = {"bbox": {} if value is None else {"AP": value}}
    assert verify_results([("bbox", "AP", 38.5, 0.15)], results) is good


def test_nested_results_become_flat():
    assert flatten_results_dict({"bbox": {"AP": 1, "x": {"y": 2}}, "n": 3}) == {"bbox/AP": 1, "bbox/x/y": 2, "n": 3}


def test_a_models_boxes_and_a_counter_are_evaluated_in_one_pass(registered, tmp_path):
    """The example of the documentation: COCO's figures and one's own from one pass over the data."""
    from coco_datasets import random_set, write
    from coco_outputs import CLASSES, model_outputs

    truth, results = random_set(50)
    name = registered(json_file=str(write(tmp_path / "truth.json", truth)), **CLASSES)
    inputs, outputs = model_outputs(truth, results, "bbox")
    answers = {record["image_id"]: output for record, output in zip(inputs, outputs, strict=True)}

    class CountInstances(DatasetEvaluator):
        def reset(self):
            self.count = 0

        def process(self, inputs, outputs):
            self.count += sum(len(output["instances"]) for output in outputs)

        def evaluate(self):
            return {"count": self.count}

    both = DatasetEvaluators([COCOEvaluator(name), CountInstances()])
    figures = inference_on_dataset(
        lambda batch: [answers[r["image_id"]] for r in batch], [inputs[:4], inputs[4:]], both
    )
    assert figures["count"] == len(results)
    assert figures["bbox"]["AP"] > 0
