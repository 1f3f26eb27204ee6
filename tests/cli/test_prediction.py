"""`detectory predict` on images, videos and cameras, with a model that detects one bright square."""

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
from detectory.cli.prediction.inputs import find_inputs, output_names
from detectory.data.images import IMAGE_SUFFIXES
from detectory.data.transforms import ResizeShortestEdge
from detectory.engine.inference.video import VideoReader, VideoWriter
from detectory.structures import Boxes, Instances


class BrightSquare(torch.nn.Module):
    """Model that detects the bright pixels as one object of class 0 with score 0.8; records the batch sizes."""

    input_format = "RGB"

    def __init__(self):
        super().__init__()
        self.batch_sizes = []

    def forward(self, batch):
        self.batch_sizes.append(len(batch))
        return [{"instances": self._instances(item)} for item in batch]

    def _instances(self, item):
        instances = Instances((item["height"], item["width"]))
        ys, xs = torch.nonzero(item["image"].mean(dim=0) > 150, as_tuple=True)
        box = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
        instances.pred_boxes = Boxes(torch.tensor([box], dtype=torch.float32))
        instances.scores, instances.pred_classes = torch.tensor([0.8]), torch.tensor([0])
        return instances


@pytest.fixture
def model(monkeypatch):
    """Make `load_model` return a BrightSquare model for every name."""
    square_model = BrightSquare()
    loaded = models.LoadedModel(
        square_model, ResizeShortestEdge(48, 64), None, "cpu", SimpleNamespace(thing_classes=["square"]), ()
    )
    monkeypatch.setattr(models, "load_model", lambda *_, **__: loaded)
    return square_model


def square_image(left=8):
    image = np.full((48, 64, 3), 40, np.uint8)
    image[16:32, left : left + 16] = 220
    return image


@pytest.fixture
def video(tmp_path):
    """Return a video of six frames with a square that moves to the right."""
    path = tmp_path / "square.mp4"
    with VideoWriter(path, 10) as writer:
        for index in range(6):
            writer.write(square_image(8 + 2 * index))
    return path


def _entries(folder):
    return json.loads((folder / "results.json").read_text())


def test_video_yields_results_of_every_frame(detectory, model, video, tmp_path):
    result = detectory("predict", video, "--model", "any", "--output", tmp_path / "out", "--batch-size", 4)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("6 images, 6 detections, ")
    assert model.batch_sizes == [4, 2]
    entries = _entries(tmp_path / "out")
    assert [entry["frame"] for entry in entries] == [0, 1, 2, 3, 4, 5]
    assert entries[5]["bbox"][0] == pytest.approx(18, abs=1)


def test_annotated_video_has_the_frames_and_frame_rate_of_the_source(detectory, model, video, tmp_path):
    detectory("predict", video, "--model", "any", "--output", tmp_path / "out")
    with VideoReader(tmp_path / "out" / "square.mp4") as reader:
        frames = list(reader)
        assert float(reader.frames_per_second) == 10
    assert (len(frames), frames[0].shape) == (6, (48, 64, 3))


def test_object_keeps_its_colour_across_frames(detectory, model, video, tmp_path):
    detectory("predict", video, "--model", "any", "--output", tmp_path / "out")
    with VideoReader(tmp_path / "out" / "square.mp4") as reader:
        edges = [frame[31, 8 + 2 * index : 24 + 2 * index].mean(axis=0) for index, frame in enumerate(reader)]
    assert np.abs(np.array(edges) - edges[0]).max() < 40


def test_input_can_be_an_option(detectory, model, tmp_path):
    Image.fromarray(square_image()).save(tmp_path / "a.png")
    result = detectory("predict", "--input", tmp_path / "a.png", "--model", "any", "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "a.jpg").is_file()


def test_summary_is_printed_as_json(detectory, model, tmp_path):
    Image.fromarray(square_image()).save(tmp_path / "a.png")
    result = detectory("predict", tmp_path / "a.png", "--model", "any", "--output", tmp_path / "out", "--json")
    summary = json.loads(result.stdout)
    assert (summary["images"], summary["detections"], summary["unreadable"]) == (1, 1, 0)
    assert summary["images_per_second"] > 0


def test_detections_below_the_threshold_are_omitted(detectory, model, tmp_path):
    Image.fromarray(square_image()).save(tmp_path / "a.png")
    arguments = ("--model", "any", "--output", tmp_path / "out", "--threshold", 0.9)
    result = detectory("predict", tmp_path / "a.png", *arguments)
    assert _entries(tmp_path / "out") == []
    assert "No detection has a score of at least 0.9. Try a lower --threshold." in result.stderr


def test_folder_is_searched_for_images_and_videos(video, tmp_path):
    Image.fromarray(square_image()).save(tmp_path / "a.png")
    (tmp_path / "notes.txt").write_text("")
    assert find_inputs([str(tmp_path)]) == ([tmp_path / "a.png"], [video])


def test_webcam_is_a_camera_unless_a_file_has_this_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_inputs(["webcam", "webcam:2"]) == ([], [0, 2])
    Path("webcam").write_text("")
    assert find_inputs(["webcam"]) == ([Path("webcam")], [])


@pytest.fixture
def camera(monkeypatch):
    """Replace every camera by FFmpeg's test source: two seconds at 5 frames per second."""
    source = ("testsrc=size=64x48:rate=5:duration=2", "lavfi")
    monkeypatch.setattr("detectory.engine.inference.video._camera", lambda number: source)


def test_camera_yields_a_video_and_results(detectory, model, camera, tmp_path):
    result = detectory("predict", "webcam:1", "--model", "any", "--output", tmp_path, "--batch-size", 4)
    assert result.exit_code == 0, result.output
    with VideoReader(tmp_path / "webcam1.mp4") as written:
        assert (written.frames_per_second, written.length) == (5, 10)
    assert [entry["frame"] for entry in _entries(tmp_path)] == list(range(10))


def test_ctrl_c_during_inference_keeps_the_camera_results(detectory, model, camera, tmp_path, monkeypatch):
    def interrupted(batch):
        if len(model.batch_sizes) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return BrightSquare.forward(model, batch)

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(model, "forward", interrupted)
    result = detectory("predict", "webcam", "--model", "any", "--output", tmp_path)
    assert result.exit_code == 0, result.output
    assert len(_entries(tmp_path)) == 4
    assert signal.getsignal(signal.SIGINT) == before


def test_rejects_input_that_matches_nothing(detectory):
    result = detectory("predict", "no/such/*.jpg", "--model", "any")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: no/such/*.jpg: no such image or video")


def test_rejects_missing_input(detectory):
    assert detectory("predict", "--model", "any").exit_code == 2


def test_rejects_unreadable_video(detectory, model, tmp_path):
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    result = detectory("predict", tmp_path / "bad.mp4", "--model", "any", "--output", tmp_path / "out")
    assert result.exit_code == 1
    assert "cannot read" in result.stderr
    assert list((tmp_path / "out").glob("*.mp4")) == []


def test_show_without_a_display_is_an_error_in_one_line(detectory, model, tmp_path, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    Image.fromarray(square_image()).save(tmp_path / "a.png")
    result = detectory("predict", tmp_path / "a.png", "--model", "any", "--output", tmp_path / "out", "--show")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: --show: a window needs ")


def test_semantic_and_panoptic_outputs_are_drawn(detectory, model, tmp_path, monkeypatch):
    scores = torch.zeros(2, 48, 64)
    scores[1, :, 32:] = 1
    monkeypatch.setattr(model, "forward", lambda batch: [{"sem_seg": scores} for _ in batch])
    Image.fromarray(square_image()).save(tmp_path / "a.png")
    result = detectory("predict", tmp_path / "a.png", "--model", "any", "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    drawn = np.asarray(Image.open(tmp_path / "out" / "a.jpg"), dtype=int)
    assert np.abs(drawn[4:8, 4:28] - drawn[4:8, 36:60]).mean() > 20


def test_predict_finds_all_image_suffixes(tmp_path):
    for suffix in IMAGE_SUFFIXES:
        (tmp_path / f"image{suffix}").write_bytes(b"")
    assert find_inputs([str(tmp_path)])[0] == sorted(tmp_path.iterdir())


def _predict(detectory, *arguments):
    return detectory("predict", *arguments, "--model", "any")


def _contents(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _save_square(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(square_image()).save(path)


@pytest.mark.parametrize("flags", [[], ["--overwrite"]], ids=["default", "overwrite"])
def test_inputs_are_never_replaced(detectory, model, video, tmp_path, flags):
    _save_square(tmp_path / "1.jpg")
    before = _contents(tmp_path)
    result = _predict(detectory, tmp_path, "--output", tmp_path, *flags)
    assert result.exit_code == 1
    assert "1.jpg (and 1 more) would replace an input. Choose another --output" in result.stderr
    assert _contents(tmp_path) == before


def test_foreign_files_are_only_replaced_with_overwrite(detectory, model, tmp_path):
    _save_square(tmp_path / "in" / "1.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "1.jpg").write_text("mine")
    result = _predict(detectory, tmp_path / "in", "--output", tmp_path / "out")
    assert result.exit_code == 1
    assert (
        "1.jpg exists and was not written by this command. Choose another --output, or pass --overwrite"
        in result.stderr
    )
    assert _contents(tmp_path / "out") == {"1.jpg": b"mine"}
    assert _predict(detectory, tmp_path / "in", "--output", tmp_path / "out", "--overwrite").exit_code == 0


def test_a_prediction_replaces_the_outputs_of_an_earlier_one(detectory, model, tmp_path):
    _save_square(tmp_path / "1.png")
    for _ in range(2):
        assert _predict(detectory, tmp_path / "1.png", "--output", tmp_path / "out").exit_code == 0


def test_outputs_in_the_input_folder_are_not_predicted_again(detectory, model, tmp_path):
    _save_square(tmp_path / "1.png")
    for _ in range(2):
        result = _predict(detectory, tmp_path, "--output", tmp_path / "out")
        assert result.stdout.startswith("1 image, "), result.output


def test_outputs_keep_the_folders_of_the_inputs(detectory, model, video, tmp_path):
    for name in ("a", "b"):
        _save_square(tmp_path / "in" / name / "1.png")
        (tmp_path / "in" / name / "clip.mp4").write_bytes(video.read_bytes())
    result = _predict(detectory, tmp_path / "in", "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    names = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").glob("*/*")}
    assert names == {"a/1.jpg", "a/clip.mp4", "b/1.jpg", "b/clip.mp4"}
    assert len(_entries(tmp_path / "out")) == 14


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (["a/1.png", "b/1.png"], ["1.jpg", "1.jpg"]),
        (["a/1.png", "a/1.bmp"], ["a/1_png.jpg", "a/1_bmp.jpg"]),
        (["x/a/1.png", "y/a/1.png"], ["a/1_png.jpg", "2/a/1_png.jpg"]),
    ],
    ids=["folders", "suffixes", "equal folder names"],
)
def test_output_names_are_unique(files, names, tmp_path):
    paths = [tmp_path / file for file in files]
    for path in paths:
        _save_square(path)
    result = list(output_names([str(path.parent) for path in paths], paths, []).values())
    assert result == (["a/1.jpg", "b/1.jpg"] if names[0] == names[1] else names)


def test_a_bad_video_does_not_lose_the_results_of_the_good_ones(detectory, model, video, tmp_path):
    for name in ("a", "z"):
        (tmp_path / "in" / name).mkdir(parents=True)
        (tmp_path / "in" / name / f"{name}.mp4").write_bytes(video.read_bytes())
    (tmp_path / "in" / "m.mp4").write_bytes(b"no video")
    (tmp_path / "in" / "bad.jpg").write_bytes(b"no image")
    result = _predict(detectory, tmp_path / "in", "--output", tmp_path / "out")
    assert result.exit_code == 1
    assert "m.mp4" in result.stderr
    assert "bad.jpg" in result.stderr
    assert result.stderr.strip().endswith("2 of 4 images and videos could not be read")
    assert {Path(entry["file_name"]).name for entry in _entries(tmp_path / "out")} == {"a.mp4", "z.mp4"}


def test_results_survive_a_later_error(detectory, model, tmp_path, monkeypatch):
    for name in "abc":
        _save_square(tmp_path / "in" / f"{name}.png")

    def fail_at_the_third(batch):
        if len(model.batch_sizes) == 2:
            raise RuntimeError("device lost")
        return BrightSquare.forward(model, batch)

    monkeypatch.setattr(model, "forward", fail_at_the_third)
    result = _predict(detectory, tmp_path / "in", "--output", tmp_path / "out")
    assert (result.exit_code, len(_entries(tmp_path / "out"))) == (1, 2)


def test_results_are_valid_at_any_time(detectory, model, tmp_path, monkeypatch):
    monkeypatch.setattr("detectory.cli.prediction.prediction._MIN_SAVE_INTERVAL", 1e-9)
    counts = []

    def count_entries(batch):
        counts.append(len(_entries(tmp_path / "out")))
        return BrightSquare.forward(model, batch)

    for name in "abc":
        _save_square(tmp_path / "in" / f"{name}.png")
    monkeypatch.setattr(model, "forward", count_entries)
    assert _predict(detectory, tmp_path / "in", "--output", tmp_path / "out").exit_code == 0
    assert counts[0] == 0
    assert len(_entries(tmp_path / "out")) == 3
