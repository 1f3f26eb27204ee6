"""Environments for libraries that need another version of torch, and what is sent to them."""

import sys

import numpy as np
import pytest
import torch

from detectory.core.storage import cache_dir
from detectory.export.dense_scores import DenseScores
from detectory.export.environments import Environment, Worker, environment, save_portable
from detectory.export.environments.convert import Graph
from detectory.export.inference_graph import InferenceGraph

#: A program that doubles the array of each message, like `run_executorch.py`.
DOUBLE = """
import io, sys
import numpy as np
arrays = []
while True:
    answer = io.BytesIO()
    np.savez(answer, *arrays)
    sys.stdout.buffer.write(len(answer.getvalue()).to_bytes(8, "little") + answer.getvalue())
    sys.stdout.buffer.flush()
    header = sys.stdin.buffer.read(8)
    if not header:
        break
    received = np.load(io.BytesIO(sys.stdin.buffer.read(int.from_bytes(header, "little"))))
    arrays = [received["arr_0"] * 2, np.array(3)]
"""


def test_portable_graph_computes_the_candidates_of_the_model(model, inputs, tmp_path):
    scores, (item,) = DenseScores(InferenceGraph(model("RetinaNet"))).eval(), inputs("RetinaNet", (96, 128))
    save_portable(scores, (item["image"],), tmp_path / "graph.pt")
    content = torch.load(tmp_path / "graph.pt", weights_only=True)
    with torch.no_grad():
        expected, results = scores(item["image"]), Graph(content)(*content["inputs"])
    for result, reference in zip(results, expected, strict=True):
        torch.testing.assert_close(result, reference, atol=1e-3, rtol=1e-4)


def test_portable_graph_rejects_own_operators(tmp_path):
    class Selection(torch.nn.Module):
        def forward(self, boxes):
            return torch.ops.detectory.pairwise_iou(boxes, boxes)

    with pytest.raises(ValueError, match=r"detectory\.ops\.pairwise_iou does not exist outside of torch"):
        save_portable(Selection().eval(), (torch.rand(2, 4),), tmp_path / "graph.pt")


def test_worker_returns_the_arrays_of_its_process():
    worker = Worker([sys.executable, "-c", DOUBLE], "double")
    doubled, number = worker(np.arange(3))
    assert (doubled.tolist(), int(number)) == ([0, 2, 4], 3)


def test_worker_reports_a_process_that_ends():
    with pytest.raises(RuntimeError, match=r"model\.pte: the process ended with exit code 3"):
        Worker([sys.executable, "-c", "raise SystemExit(3)"], "model.pte")


def test_environment_needs_uv(monkeypatch, tmp_path):
    monkeypatch.setenv("DETECTORY_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(environment.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ImportError, match="litert needs an environment with another version of torch: pip install uv"):
        Environment("litert", ("missing==1.0",)).python()


def test_failed_installation_is_reported_with_the_reason(monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("DETECTORY_CACHE", str(tmp_path / "cache"))
    uv = tmp_path / "uv"
    uv.write_text('#!/bin/sh\n[ "$1" = venv ] || { echo "No solution found" >&2; exit 1; }\n')
    uv.chmod(0o755)
    monkeypatch.setattr(environment.shutil, "which", lambda _: str(uv))
    with pytest.raises(RuntimeError, match=r"missing==1.0 could not be installed in .*: No solution found"):
        Environment("litert", ("missing==1.0",)).python()
    assert f"installing missing==1.0 in the separate environment {cache_dir()}" in caplog.text


def test_programs_run_in_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("DETECTORY_CACHE", str(tmp_path))
    chosen = Environment("litert", ("torch==1.0",))
    python = chosen.folder / environment._PYTHON
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "operator unknown" >&2\nexit 1\n')
    python.chmod(0o755)
    (chosen.folder / "complete").touch()
    with pytest.raises(RuntimeError, match="export: litert could not convert the model: operator unknown"):
        chosen.run("convert.py", "litert")
