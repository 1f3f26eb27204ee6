"""`detectory predict` on images, videos and names of the zoo, with a model that finds one bright square."""

import json
import os
import signal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("av", reason="videos: pip install 'detectory[video]'")

from detectory.cli.lookup import models
from detectory.cli.prediction.prediction import find_inputs
from detectory.data.transforms import ResizeShortestEdge
from detectory.engine.inference.video import VideoReader, VideoWriter
from detectory.structures import Boxes, Instances


class BrightSquare(torch.nn.Module):
    """Finds the bright pixels as one object of class 0 with score 0.8, and says how many images came at once."""

    input_format = "RGB"

    def __init__(self):
        super().__init__()
        self.batches = []

    def forward(self, batch):
        self.batches.append(len(batch))
        return [{"instances": self._instances(item)} for item in batch]

    def _instances(self, item):
        found = Instances((item["height"], item["width"]))
        ys, xs = torch.nonzero(item["image"].mean(dim=0) > 150, as_tuple=True)
        box = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
        found.pred_boxes = Boxes(torch.tensor([box], dtype=torch.float32))
        found.scores, found.pred_classes = torch.tensor([0.8]), torch.tensor([0])
        return found


@pytest.fixture
def model(monkeypatch):
    """Let every name be that of the model that finds bright squares."""
    found = BrightSquare()
    loaded = models.NamedModel(found, ResizeShortestEdge(48, 64), SimpleNamespace(thing_classes=["square"]), "cpu")
    monkeypatch.setattr(models, "load_model", lambda *_, **__: loaded)
    return found


def picture(left=8):
    image = np.full((48, 64, 3), 40, np.uint8)
    image[16:32, left : left + 16] = 220
    return image


@pytest.fixture
def video(tmp_path):
    """A video of six frames in which a square moves to the right."""
    path = tmp_path / "square.mp4"
    with VideoWriter(path, 10) as writer:
        for index in range(6):
            writer.write(picture(8 + 2 * index))
    return path


def _entries(folder):
    return json.loads((folder / "results.json").read_text())


def test_a_video_becomes_a_video_and_results_of_every_frame(detectory, model, video, tmp_path):
    result = detectory("predict", video, "--model", "any", "--output", tmp_path / "out", "--batch-size", 4)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("6 images, 6 detections, ")
    assert model.batches == [4, 2]
    entries = _entries(tmp_path / "out")
    assert [entry["frame"] for entry in entries] == [0, 1, 2, 3, 4, 5]
    assert entries[5]["bbox"][0] == pytest.approx(18, abs=1)


def test_an_annotated_video_has_the_frames_and_the_rate_of_the_source(detectory, model, video, tmp_path):
    detectory("predict", video, "--model", "any", "--output", tmp_path / "out")
    with VideoReader(tmp_path / "out" / "square.mp4") as reader:
        frames = list(reader)
        assert float(reader.frames_per_second) == 10
    assert (len(frames), frames[0].shape) == (6, (48, 64, 3))


def test_an_object_keeps_its_colour_through_a_video(detectory, model, video, tmp_path):
    detectory("predict", video, "--model", "any", "--output", tmp_path / "out")
    with VideoReader(tmp_path / "out" / "square.mp4") as reader:
        edges = [frame[31, 8 + 2 * index : 24 + 2 * index].mean(axis=0) for index, frame in enumerate(reader)]
    assert np.abs(np.array(edges) - edges[0]).max() < 40


def test_input_may_be_an_option(detectory, model, tmp_path):
    Image.fromarray(picture()).save(tmp_path / "a.png")
    result = detectory("predict", "--input", tmp_path / "a.png", "--model", "any", "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "a.jpg").is_file()


def test_json_tells_what_was_done(detectory, model, tmp_path):
    Image.fromarray(picture()).save(tmp_path / "a.png")
    result = detectory("predict", tmp_path / "a.png", "--model", "any", "--output", tmp_path / "out", "--json")
    figures = json.loads(result.stdout)
    assert (figures["images"], figures["detections"], figures["unreadable"]) == (1, 1, 0)
    assert figures["images_per_second"] > 0


def test_detections_below_the_threshold_are_left_out(detectory, model, tmp_path):
    Image.fromarray(picture()).save(tmp_path / "a.png")
    detectory("predict", tmp_path / "a.png", "--model", "any", "--output", tmp_path / "out", "--threshold", 0.9)
    assert _entries(tmp_path / "out") == []


def test_a_folder_gives_its_images_and_videos(video, tmp_path):
    Image.fromarray(picture()).save(tmp_path / "a.png")
    (tmp_path / "notes.txt").write_text("")
    assert find_inputs([str(tmp_path)]) == ([tmp_path / "a.png"], [video])


def test_webcam_is_a_camera_unless_a_file_is_called_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_inputs(["webcam", "webcam:2"]) == ([], [0, 2])
    Path("webcam").write_text("")
    assert find_inputs(["webcam"]) == ([Path("webcam")], [])


@pytest.fixture
def camera(monkeypatch):
    """FFmpeg's test picture in place of every camera: two seconds of it, 5 frames each."""
    source = ("testsrc=size=64x48:rate=5:duration=2", "lavfi")
    monkeypatch.setattr("detectory.engine.inference.video._camera", lambda number: source)


def test_a_camera_becomes_a_video_and_results(detectory, model, camera, tmp_path):
    result = detectory("predict", "webcam:1", "--model", "any", "--output", tmp_path, "--batch-size", 4)
    assert result.exit_code == 0, result.output
    with VideoReader(tmp_path / "webcam1.mp4") as written:
        assert (written.frames_per_second, written.length) == (5, 10)
    assert [entry["frame"] for entry in _entries(tmp_path)] == list(range(10))


def test_ctrl_c_while_the_model_runs_keeps_what_a_camera_gave(detectory, model, camera, tmp_path, monkeypatch):
    def interrupted(batch):
        if len(model.batches) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return BrightSquare.forward(model, batch)

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(model, "forward", interrupted)
    result = detectory("predict", "webcam", "--model", "any", "--output", tmp_path)
    assert result.exit_code == 0, result.output
    assert len(_entries(tmp_path)) == 4
    assert signal.getsignal(signal.SIGINT) == before


def test_an_input_that_matches_nothing_is_named(detectory):
    result = detectory("predict", "no/such/*.jpg", "--model", "any")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: no/such/*.jpg: no image, video, folder")


def test_no_input_is_wrong_usage(detectory):
    assert detectory("predict", "--model", "any").exit_code == 2


def test_a_video_that_cannot_be_read_is_an_error(detectory, model, tmp_path):
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    result = detectory("predict", tmp_path / "bad.mp4", "--model", "any", "--output", tmp_path / "out")
    assert result.exit_code == 1
    assert "cannot read" in result.stderr
    assert list((tmp_path / "out").glob("*.mp4")) == []


def test_show_without_a_display_is_one_line(detectory, model, tmp_path, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    Image.fromarray(picture()).save(tmp_path / "a.png")
    result = detectory("predict", tmp_path / "a.png", "--model", "any", "--output", tmp_path / "out", "--show")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: --show: a window needs ")


def test_semantic_and_panoptic_outputs_are_drawn(detectory, model, tmp_path, monkeypatch):
    scores = torch.zeros(2, 48, 64)
    scores[1, :, 32:] = 1
    monkeypatch.setattr(model, "forward", lambda batch: [{"sem_seg": scores} for _ in batch])
    Image.fromarray(picture()).save(tmp_path / "a.png")
    result = detectory("predict", tmp_path / "a.png", "--model", "any", "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    drawn = np.asarray(Image.open(tmp_path / "out" / "a.jpg"), dtype=int)
    assert np.abs(drawn[4:8, 4:28] - drawn[4:8, 36:60]).mean() > 20
