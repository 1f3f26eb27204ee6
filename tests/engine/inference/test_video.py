"""Video round trips and errors for unreadable files."""

import sys

import numpy as np
import pytest

pytest.importorskip("av", reason="videos: pip install 'detectory-engine[video]'")

from detectory.engine.inference.video import VideoReader, VideoWriter, _upright


@pytest.fixture
def frames():
    """Ten frames of 48x64 in which a bright square moves to the right."""
    images = np.full((10, 48, 64, 3), 40, np.uint8)
    for index, image in enumerate(images):
        image[16:32, 4 * index : 4 * index + 16] = 220
    return images


@pytest.fixture
def video(frames, tmp_path):
    """A file with these frames at 12.5 frames per second."""
    _write(tmp_path / "square.mp4", *frames)
    return tmp_path / "square.mp4"


def _write(path, *frames):
    with VideoWriter(path, 12.5) as writer:
        for frame in frames:
            writer.write(frame)


def test_frames_survive_a_round_trip(video, frames):
    with VideoReader(video) as reader:
        read = np.stack(list(reader))
    assert read.shape == frames.shape
    assert np.abs(read.astype(int) - frames).mean() < 4


def test_rate_and_length_are_known_before_reading(video):
    with VideoReader(video) as reader:
        assert (float(reader.frames_per_second), reader.length) == (12.5, 10)


def test_crops_odd_sizes(tmp_path):
    with VideoWriter(tmp_path / "odd.mp4") as writer:
        writer.write(np.zeros((49, 65, 3), np.uint8))
    with VideoReader(tmp_path / "odd.mp4") as reader:
        assert next(iter(reader)).shape == (48, 64, 3)


def test_rejects_frames_of_a_different_size(tmp_path, frames):
    with pytest.raises(ValueError, match="frame must have size 48x64, got 24x64"):
        _write(tmp_path / "a.mp4", frames[0], frames[0][:24])
    assert list(tmp_path.iterdir()) == []


def test_writes_no_file_without_frames(tmp_path):
    with VideoWriter(tmp_path / "empty.mp4"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_rejects_a_file_that_is_not_a_video(tmp_path):
    path = tmp_path / "notes.mp4"
    path.write_bytes(b"no video at all")
    with pytest.raises(ValueError, match=r"cannot read .*notes\.mp4"):
        VideoReader(path)


def test_rejects_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.mp4"):
        VideoReader(tmp_path / "gone.mp4")


def test_rejects_a_missing_camera():
    with pytest.raises(ValueError, match="cannot read camera 97"):
        VideoReader(97)


def test_a_missing_pyav_is_reported_with_the_install_command(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ImportError, match=r"pip install 'detectory-engine\[video\]'"):
        VideoReader(tmp_path / "a.mp4")


def test_rotates_frames_of_phones_upright():
    class Frame:
        rotation = -90

        def to_ndarray(self, format):
            return np.arange(6, dtype=np.uint8).reshape(1, 2, 3)

    assert _upright(Frame()).shape == (2, 1, 3)
