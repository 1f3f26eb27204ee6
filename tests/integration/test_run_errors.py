"""Errors around `detectory train`, with a recipe and a Detectron2 config: one clear line, and nothing is destroyed."""

import errno
import logging
import os
import re
import signal
import subprocess
import sys
import time

import pytest
import torch
from click.testing import CliRunner

from detectory.cli import main
from detectory.core.checkpoint import checkpointer
from detectory.data import DatasetCatalog, MetadataCatalog
from detectory.engine import SimpleTrainer

RECIPE = """
from detectory import zoo
from detectory.data import DatasetCatalog
from detectory.data.registration import register_coco_instances
from detectory.zoo.parts.resnet import resnet_18

for split in ("train", "val"):
    if f"errors_{split}" not in DatasetCatalog:
        annotations = f"DATA/annotations/instances_{split}.json"
        register_coco_instances(f"errors_{split}", {}, annotations, f"DATA/{split}")
config = zoo.get_config("COCO-Detection/retinanet_R_18_FPN_small")
model, dataloader, optimizer = config.model, config.dataloader, config.optimizer
lr_multiplier, train = config.lr_multiplier, config.train
model.num_classes = 2
model.backbone.bottom_up = resnet_18(out_features=("res3", "res4", "res5"), width=8)
model.backbone.top_block.in_channels = 64
dataloader.train.dataset.names, dataloader.test.dataset.names = "errors_train", "errors_val"
dataloader.train.total_batch_size = 1
dataloader.train.num_workers = dataloader.test.num_workers = 0
dataloader.train.mapper.augmentations[0].short_edge_length = [64]
dataloader.test.mapper.augmentations[0].short_edge_length = 64
train.max_iter, train.checkpointer.period, train.init_checkpoint = 4, 2, ""
train.amp.enabled = False
"""
YAML = """VERSION: 2
MODEL:
  META_ARCHITECTURE: RetinaNet
  WEIGHTS: ""
  BACKBONE: {NAME: build_retinanet_resnet_fpn_backbone, FREEZE_AT: 0}
  RESNETS:
    {STEM_OUT_CHANNELS: 8, RES2_OUT_CHANNELS: 16, WIDTH_PER_GROUP: 8, NORM: BN, OUT_FEATURES: [res3, res4, res5]}
  FPN: {IN_FEATURES: [res3, res4, res5], OUT_CHANNELS: 8}
  RETINANET: {NUM_CONVS: 1}
  ANCHOR_GENERATOR: {SIZES: [[8], [16], [32], [64], [128]]}
INPUT: {MIN_SIZE_TRAIN: [64], MIN_SIZE_TEST: 64, MAX_SIZE_TEST: 96}
DATALOADER: {NUM_WORKERS: 0}
SOLVER: {IMS_PER_BATCH: 1, STEPS: [], BASE_LR: 0.0001, CHECKPOINT_PERIOD: 2, MAX_ITER: 4}
"""
BATCH = {False: "dataloader.train.total_batch_size=2", True: "SOLVER.IMS_PER_BATCH=2"}
HOLD = """
import sys
from detectory.core.storage import FolderLock
with FolderLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


class FrontEnd:
    """`detectory train` of one front end, on a dataset, into a run folder."""

    def __init__(self, is_yaml, folder, data):
        self.is_yaml, self.data, self.run = is_yaml, data, folder / "run"
        self.recipe = folder / ("small.yaml" if is_yaml else "small.py")
        self.recipe.write_text(YAML if is_yaml else RECIPE.replace("DATA", str(data)))
        self.iterations = "SOLVER.MAX_ITER={}" if is_yaml else "train.max_iter={}"
        self.classes = "MODEL.RETINANET.NUM_CLASSES={}" if is_yaml else "model.num_classes={}"

    def arguments(self, *extra, output=None):
        options = ["--output", output or self.run, "--device", "cpu"]
        options += ["--data", self.data] if self.is_yaml else []
        return [str(item) for item in ("train", self.recipe, *options, *extra)]

    def train(self, *extra, output=None):
        """Train; return the exit code and the last line."""
        known = set(DatasetCatalog.list())
        result = CliRunner().invoke(main, self.arguments(*extra, output=output))
        for name in set(DatasetCatalog.list()) - known:
            DatasetCatalog.remove(name)
            MetadataCatalog.remove(name)
        assert "Traceback" not in result.output
        return result.exit_code, result.output.strip().splitlines()[-1] if result.output.strip() else ""

    def start(self, *extra):
        """Start a training in another process and wait for its first checkpoint."""
        command = [sys.executable, "-m", "detectory.cli", *self.arguments(*extra)]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        while not list(self.run.glob("*.pth")) and process.poll() is None:
            time.sleep(0.1)
        return process

    def contents(self):
        return {path.name: path.read_bytes() for path in self.run.iterdir() if path.name.endswith((".pth", "point"))}


@pytest.fixture(params=[False, True], ids=["recipe", "yaml"])
def end(request, tmp_path, make_coco_folder):
    return FrontEnd(request.param, tmp_path, make_coco_folder(tmp_path / "boxes"))


@pytest.fixture
def finished(end):
    """A front end with a finished run of four iterations."""
    code, line = end.train()
    assert code == 0, line
    return end


def test_a_finished_run_is_not_replaced(finished):
    before = finished.contents()
    code, line = finished.train()
    assert code == 1
    assert "Pass --resume to continue it, --overwrite to replace it, or another --output" in line
    assert finished.contents() == before


@pytest.mark.parametrize("tag", [None, ""], ids=["missing", "empty"])
def test_resume_needs_no_last_checkpoint_and_skips_a_truncated_one(finished, tag, caplog):
    newest = finished.run / "model_final.pth"
    newest.write_bytes(newest.read_bytes()[:-900])
    (finished.run / "last_checkpoint").unlink() if tag is None else (finished.run / "last_checkpoint").write_text(tag)
    caplog.set_level(logging.INFO)
    code, line = finished.train("--resume", finished.iterations.format(6))
    assert code == 0, line
    assert torch.load(newest)["iteration"] == 5
    assert "starting training from iteration 4 of 6" in caplog.text


def test_resume_with_another_number_of_classes_names_the_parameter(finished):
    before = finished.contents()
    code, line = finished.train("--resume", finished.iterations.format(6), finished.classes.format(7))
    assert code == 1
    assert "model_final.pth does not fit the current config" in line
    assert "has shape" in line
    assert finished.contents() == before


def test_a_full_disk_is_reported_and_older_checkpoints_stay_intact(end, monkeypatch):
    write = checkpointer._WatchedFile.write
    saved = []

    def fill_the_disk(self, data):
        if "model_final" in str(self._file.name) or saved:
            saved.append(self._file.name)
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(self, data)

    monkeypatch.setattr(checkpointer._WatchedFile, "write", fill_the_disk)
    code, line = end.train()
    assert code == 1
    assert re.search(r"run/model_final\.pth: cannot write: No space left on device", line)
    monkeypatch.undo()
    assert (end.run / "last_checkpoint").read_text() == "model_0000003.pth"
    assert not [path.name for path in end.run.iterdir() if "tmp" in path.name]
    code, line = end.train("--resume")
    assert code == 0, line


def test_outputs_that_cannot_be_written_are_named(end, tmp_path):
    (tmp_path / "file").write_text("mine")
    code, line = end.train(output=tmp_path / "file")
    assert (code, "file" in line) == (2, True)
    code, line = end.train(output=tmp_path / "file" / "below")
    assert code == 1
    assert "file/below" in line
    code, line = end.train(output="/proc/run")
    assert code == 1
    assert "/proc/run" in line
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_in_use_is_refused(end):
    end.run.mkdir()
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(end.run)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    holder.stdout.readline()
    code, line = end.train("--overwrite")
    holder.communicate("")
    assert code == 1
    assert f"run is in use by process {holder.pid} since " in line
    assert not list(end.run.glob("*.pth"))


def test_images_that_are_missing_or_vanish_are_named(end, monkeypatch):
    (end.data / "val" / "2.jpg").rename(end.data / "2.jpg")
    code, line = end.train()
    assert code == 1
    assert re.search(r"1 of 6 images of dataset (boxes|errors)_val do not exist: .*val/2\.jpg", line)
    (end.data / "2.jpg").rename(end.data / "val" / "2.jpg")
    step = SimpleTrainer.run_step

    def remove_images(self):
        step(self)
        for path in (end.data / "train").glob("*.jpg"):
            path.unlink()

    monkeypatch.setattr(SimpleTrainer, "run_step", remove_images)
    code, line = end.train("--overwrite")
    assert code == 1
    assert re.search(r"train/\d\.jpg", line)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_leaves_a_checkpoint_and_the_command_to_continue(end, monkeypatch, number):
    step, steps = SimpleTrainer.run_step, []

    def interrupt(self):
        step(self)
        steps.append(self.iter)
        if len(steps) == 1:
            os.kill(os.getpid(), number)

    monkeypatch.setattr(SimpleTrainer, "run_step", interrupt)
    code, line = end.train()
    assert code == 128 + number
    assert re.search(r"Stopped\. The checkpoint is .*run/model_0000000\.pth\. To continue: detectory .*--resume", line)
    code, line = end.train("--resume")
    assert code == 0, line
    assert steps == [0, 1, 2, 3]


@pytest.mark.slow
def test_a_signal_stops_two_processes_with_one_checkpoint(end):
    process = end.start("--processes", "2", end.iterations.format(100000), BATCH[end.is_yaml])
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 143, errors[-2000:]
    assert errors.count("Stopped. The checkpoint is") == 1
    name = (end.run / "last_checkpoint").read_text()
    last = torch.load(end.run / name)["iteration"]
    code, line = end.train("--resume", end.iterations.format(last + 2))
    assert code == 0, line
    assert torch.load(end.run / "model_final.pth")["iteration"] == last + 1


def test_a_read_only_dataset_is_only_read(end):
    before = {path: path.stat().st_mtime_ns for path in end.data.rglob("*")}
    code, line = end.train()
    assert code == 0, line
    assert {path: path.stat().st_mtime_ns for path in end.data.rglob("*")} == before
