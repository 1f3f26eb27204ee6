"""`detectory train` in two processes, with DDP and with FSDP."""

import json
import subprocess
import sys

import pytest
import torch


def train(folder, dataset, tiny, *overrides):
    recipe = "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.py"
    options = ["--data", str(dataset), "--output", str(folder), "--device", "cpu", "--processes", "2"]
    settings = ["train.max_iter=2", "train.eval_period=0", "+train.seed=1", *overrides]
    command = [sys.executable, "-m", "detectory.cli", "train", recipe, *options, *tiny, *settings]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    "override",
    ["+train.ddp.static_graph=false", "+train.fsdp={}", "+train.fsdp={param_dtype:bfloat16}"],
    ids=["ddp", "fsdp", "fsdp-bfloat16"],
)
def test_training_and_evaluation_in_two_processes(coco_folder, tmp_path, tiny, override):
    result = train(tmp_path / "run", coco_folder, tiny, override)
    assert result.returncode == 0, result.stderr[-2000:]
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.json").read_text().splitlines()]
    assert "bbox/AP" in lines[-1]
    saved = torch.load(tmp_path / "run" / "model_final.pth")["model"]
    assert all(type(value) is torch.Tensor for value in saved.values())


@pytest.mark.slow
def test_failed_process_is_reported_in_one_line(coco_folder, tmp_path, tiny):
    result = train(tmp_path / "run", coco_folder, tiny, "+train.fsdp={}", "+train.nan_finder={}")
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert "of 2 ended the training: ValueError: train: train.nan_finder does not work with train.fsdp" in last
