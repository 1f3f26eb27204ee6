"""Videos in and out: frames of files and cameras as RGB arrays, and annotated frames as a file."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import numpy as np

#: Suffixes of files that are read as videos.
VIDEO_SUFFIXES = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ts", ".webm", ".wmv"})


class VideoReader:
    """Frames of a video file or a camera, upright, as (H, W, 3) uint8 RGB arrays.

    Args:
        source: A file, or the number of a camera.

    Attributes:
        frames_per_second: As the video says, 30 where it does not.
        length: Its number of frames as far as the file says, None for cameras.

    Raises:
        ImportError: PyAV is not installed.
        FileNotFoundError: no such file.
        ValueError: the file holds no video that can be read.

    Example:
        >>> with VideoReader("street.mp4") as video:  # doctest: +SKIP
        ...     for frame in video:
        ...         detections = predictor.predict(frame)
    """

    def __init__(self, source: str | os.PathLike[str] | int) -> None:
        av = _av()
        self._errors = av.error.FFmpegError
        self._name = f"camera {source}" if isinstance(source, int) else os.fspath(source)
        try:
            if isinstance(source, int):
                address, kind = _camera(source)
                self._container = av.open(address, format=kind)
            elif not Path(source).is_file():
                raise FileNotFoundError(f"VideoReader: no file {self._name}")
            else:
                self._container = av.open(self._name)
        except self._errors as error:
            raise ValueError(f"VideoReader: cannot read {self._name}: {error}") from error
        if not self._container.streams.video:
            self._container.close()
            raise ValueError(f"VideoReader: {self._name} holds no video")
        self._stream = self._container.streams.video[0]
        self._stream.thread_type = "AUTO"
        self.frames_per_second = Fraction(self._stream.average_rate or 30)
        self.length = None if isinstance(source, int) else self._count()

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield the frames in order; a damaged end ends the video with a ValueError that says after how many."""
        count = 0
        try:
            for frame in self._container.decode(self._stream):
                count += 1
                yield _upright(frame)
        except self._errors as error:
            raise ValueError(f"VideoReader: {self._name} is damaged after {count} frames: {error}") from error

    def close(self) -> None:
        """Close the file or the camera."""
        self._container.close()

    def __enter__(self) -> "VideoReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _count(self) -> int | None:
        if self._stream.frames:
            return int(self._stream.frames)
        if self._container.duration is None:
            return None
        return round(self._container.duration / 1_000_000 * self.frames_per_second)


class VideoWriter:
    """Writes frames to a video file, which is there only when it is whole.

    Args:
        path: The file; its suffix chooses the container, the pictures are H.264 (MPEG-4 where FFmpeg lacks x264).
        frames_per_second: Of the file.

    Raises:
        ImportError: PyAV is not installed.

    Example:
        >>> with VideoWriter("out.mp4", 25) as video:  # doctest: +SKIP
        ...     video.write(np.zeros((480, 640, 3), np.uint8))
    """

    def __init__(self, path: str | os.PathLike[str], frames_per_second: float | Fraction = 30) -> None:
        self._av = _av()
        self._path = Path(path)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._part = self._path.with_name(f"{self._path.stem}.part{self._path.suffix}")
        self._rate = Fraction(frames_per_second).limit_denominator(1001)
        self._container = self._av.open(str(self._part), "w")
        self._stream: Any = None

    def write(self, frame: np.ndarray) -> None:
        """Add a frame, (H, W, 3) uint8 RGB; odd sides lose their last row or column, as H.264 needs even ones.

        Raises:
            ValueError: the frame has another size than the first.
        """
        height, width = frame.shape[0] // 2 * 2, frame.shape[1] // 2 * 2
        if self._stream is None:
            self._stream = self._new_stream(width, height)
        if (self._stream.width, self._stream.height) != (width, height):
            expected = f"{self._stream.height}x{self._stream.width}"
            raise ValueError(f"VideoWriter: {self._path}: expected frames of {expected}, got {height}x{width}")
        picture = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(frame[:height, :width]), format="rgb24")
        self._container.mux(self._stream.encode(picture))

    def close(self) -> None:
        """Finish the file and put it in its place; without any frame there is no file."""
        if self._stream is not None:
            self._container.mux(self._stream.encode(None))
        self._container.close()
        if self._stream is not None:
            os.replace(self._part, self._path)
        else:
            self._part.unlink(missing_ok=True)

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
            return
        with contextlib.suppress(self._av.error.FFmpegError):
            self._container.close()
        self._part.unlink(missing_ok=True)

    def _new_stream(self, width: int, height: int) -> Any:
        codec = "libx264" if "libx264" in self._av.codecs_available else "mpeg4"
        stream = self._container.add_stream(codec, rate=self._rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        return stream


def until_interrupted(frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield frames until Ctrl-C, and end quietly wherever it comes, so that what was found so far is kept.

    The second Ctrl-C interrupts as ever. Only the main thread may call it.
    """
    stopped = False

    def stop(signum: int, _: FrameType | None) -> None:
        nonlocal stopped
        stopped = True
        signal.signal(signum, before)

    before = signal.signal(signal.SIGINT, stop)
    try:
        for frame in frames:
            if stopped:
                return
            yield frame
    finally:
        signal.signal(signal.SIGINT, before)


def _upright(frame: Any) -> np.ndarray:
    """A decoded frame as RGB; cameras of phones store how the picture is to be turned, in degrees."""
    quarters = round(getattr(frame, "rotation", 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), quarters))


def _camera(number: int) -> tuple[str, str]:
    """FFmpeg's address and format of a camera."""
    if sys.platform == "darwin":
        return str(number), "avfoundation"
    if sys.platform == "win32":
        return f"video={number}", "dshow"
    return f"/dev/video{number}", "v4l2"


def _av() -> Any:
    try:
        import av
        import av.error
    except ImportError as error:
        raise ImportError("videos need PyAV: pip install 'detectory-engine[video]'") from error
    return av
