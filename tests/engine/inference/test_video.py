"""Videos come back as they were written, and what cannot be read says why."""

import sys

import numpy as np
import pytest

pytest.importorskip("av", reason="videos: pip install 'detectory-engine[video]'")

from detectory.engine.inference.video import VideoReader, VideoWriter, _upright


@pytest.fixture
def frames():
    """Ten frames of 48x64 in which a bright square moves to the right."""
    pictures = np.full((10, 48, 64, 3), 40, np.uint8)
    for index, picture in enumerate(pictures):
        picture[16:32, 4 * index : 4 * index + 16] = 220
    return pictures


@pytest.fixture
def video(frames, tmp_path):
    """A file of these frames, 12.5 a second."""
    _write(tmp_path / "square.mp4", *frames)
    return tmp_path / "square.mp4"


def _write(path, *frames):
    with VideoWriter(path, 12.5) as writer:
        for frame in frames:
            writer.write(frame)


def test_frames_come_back_nearly_as_they_were_written(video, frames):
    with VideoReader(video) as reader:
        read = np.stack(list(reader))
    assert read.shape == frames.shape
    assert np.abs(read.astype(int) - frames).mean() < 4


def test_rate_and_length_are_told_before_the_frames_are_read(video):
    with VideoReader(video) as reader:
        assert (float(reader.frames_per_second), reader.length) == (12.5, 10)


def test_odd_sides_lose_their_last_row_and_column(tmp_path):
    with VideoWriter(tmp_path / "odd.mp4") as writer:
        writer.write(np.zeros((49, 65, 3), np.uint8))
    with VideoReader(tmp_path / "odd.mp4") as reader:
        assert next(iter(reader)).shape == (48, 64, 3)


def test_rejects_frames_of_another_size(tmp_path, frames):
    with pytest.raises(ValueError, match="expected frames of 48x64, got 24x64"):
        _write(tmp_path / "a.mp4", frames[0], frames[0][:24])
    assert list(tmp_path.iterdir()) == []


def test_a_video_without_frames_is_no_file(tmp_path):
    with VideoWriter(tmp_path / "empty.mp4"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_video_is_named(tmp_path):
    path = tmp_path / "notes.mp4"
    path.write_bytes(b"no video at all")
    with pytest.raises(ValueError, match=r"cannot read .*notes\.mp4"):
        VideoReader(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.mp4"):
        VideoReader(tmp_path / "gone.mp4")


def test_a_missing_camera_is_named():
    with pytest.raises(ValueError, match="cannot read camera 97"):
        VideoReader(97)


def test_missing_pyav_names_the_install_command(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ImportError, match=r"pip install 'detectory-engine\[video\]'"):
        VideoReader(tmp_path / "a.mp4")


def test_frames_of_a_turned_phone_are_turned_back():
    class Frame:
        rotation = -90

        def to_ndarray(self, format):
            return np.arange(6, dtype=np.uint8).reshape(1, 2, 3)

    assert _upright(Frame()).shape == (2, 1, 3)
