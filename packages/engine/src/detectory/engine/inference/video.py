"""Reading of videos and cameras as RGB frames, and writing of videos."""

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
    """Frames of a video file or a camera in upright orientation, as (H, W, 3) uint8 RGB arrays.

    Args:
        source: A file path or a camera index.

    Attributes:
        frames_per_second: The frame rate; 30 if the video does not specify it.
        length: The number of frames if the file specifies it, else None. None for cameras.

    Raises:
        ImportError: If PyAV is not installed.
        FileNotFoundError: If the file does not exist.
        ValueError: If the file is not a readable video.

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
                address, driver = _camera(source)
                self._container = av.open(address, format=driver)
            elif not Path(source).is_file():
                raise FileNotFoundError(f"VideoReader: {self._name} does not exist")
            else:
                self._container = av.open(self._name)
        except self._errors as error:
            raise ValueError(f"VideoReader: cannot read {self._name}: {error}") from error
        if not self._container.streams.video:
            self._container.close()
            raise ValueError(f"VideoReader: {self._name} contains no video stream")
        self._stream = self._container.streams.video[0]
        self._stream.thread_type = "AUTO"
        self.frames_per_second = Fraction(self._stream.average_rate or 30)
        self.length = None if isinstance(source, int) else self._count()

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield the frames in order. A corrupt end raises a ValueError with the number of frames read."""
        count = 0
        try:
            for frame in self._container.decode(self._stream):
                count += 1
                yield _upright(frame)
        except self._errors as error:
            raise ValueError(f"VideoReader: {self._name} is corrupt after {count} frames: {error}") from error

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
    """Writes frames to a video file, which appears only once it is complete.

    Args:
        path: The file. Its suffix selects the container. The codec is H.264, or MPEG-4 if FFmpeg lacks x264.
        frames_per_second: The frame rate.

    Raises:
        ImportError: If PyAV is not installed.

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
        """Add a frame, (H, W, 3) uint8 RGB. H.264 requires even sizes: an odd side loses its last row or column.

        Raises:
            ValueError: If the size differs from that of the first frame.
        """
        height, width = frame.shape[0] // 2 * 2, frame.shape[1] // 2 * 2
        if self._stream is None:
            self._stream = self._new_stream(width, height)
        if (self._stream.width, self._stream.height) != (width, height):
            expected = f"{self._stream.height}x{self._stream.width}"
            raise ValueError(f"VideoWriter: {self._path}: frame must have size {expected}, got {height}x{width}")
        encoded = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(frame[:height, :width]), format="rgb24")
        self._container.mux(self._stream.encode(encoded))

    def close(self) -> None:
        """Finish the file and rename it to `path`. Without frames, no file is created."""
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
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error_type is None:
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
    """Yield frames until Ctrl-C, then stop without an error, so that results so far are kept.

    A second Ctrl-C raises KeyboardInterrupt as usual. Must be called from the main thread.
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
    """Return a decoded frame as RGB. Phones store the rotation of the image, in degrees, as metadata."""
    quarters = round(getattr(frame, "rotation", 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), quarters))


def _camera(number: int) -> tuple[str, str]:
    """Return FFmpeg's address and input format of a camera."""
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
        raise ImportError("reading and writing videos requires PyAV: pip install 'detectory-engine[video]'") from error
    return av
