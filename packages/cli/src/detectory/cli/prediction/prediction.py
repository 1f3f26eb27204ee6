"""The prediction loop: annotated images and videos, and results in COCO format."""

import json
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from detectory.cli.prediction.drawing import draw_frame
from detectory.cli.prediction.inputs import Video
from detectory.cli.prediction.result_ids import ResultIds
from detectory.core.storage import OutputFiles
from detectory.data.images import read_image
from detectory.engine import Predictor, instances_of
from detectory.engine.inference.video import VideoReader, VideoWriter, until_interrupted
from detectory.engine.report import draw_outputs
from detectory.evaluation.detections import CocoResult, instances_to_coco_json
from detectory.structures.model_formats import ModelOutput
from detectory.visualization import VideoVisualizer, VisImage, Visualizer

if TYPE_CHECKING:
    from detectory.engine.inference.window import Window


#: Seconds between rewrites of `results.json`.
_MIN_SAVE_INTERVAL = 5.0


class _Result(CocoResult, total=False):
    """An entry of `results.json`."""

    file_name: str
    """The path of the image or video."""
    frame: int
    """The index of the frame in the video."""


class Prediction:
    """Prediction on any number of images and videos.

    While the context is open, `results.json` is rewritten every few seconds. It is valid JSON at any time and contains
    all results after an error or an interrupt.

    Args:
        predictor: The predictor.
        metadata: Class names and colours.
        outputs: Files in the folder for annotated images and videos and `results.json`.
        names: Output name of each image and video.
        threshold: Minimum score.
        batch_size: Images per batch.
        show: Also show every result in a window.
        ids: Image ids and category ids of the results.

    Attributes:
        unreadable: Number of images and videos that could not be read completely.
    """

    def __init__(
        self,
        predictor: Predictor,
        metadata: Any,
        outputs: OutputFiles,
        names: dict[Video, str],
        threshold: float,
        batch_size: int,
        show: bool,
        ids: ResultIds,
    ) -> None:
        self._predictor, self._metadata, self._outputs, self._names = predictor, metadata, outputs, names
        self._threshold, self._batch_size, self._ids = threshold, batch_size, ids
        self._results: list[_Result] = []
        self._images = 0
        self.unreadable = 0
        self._window: Window | None = None
        if show:
            from detectory.engine.inference import window

            try:
                self._window = window.Window("detectory predict")
            except RuntimeError as error:
                raise click.ClickException(f"--show: {error}") from error
        self._saved_at, self._save_interval = 0.0, _MIN_SAVE_INTERVAL
        self._start = time.perf_counter()

    def __enter__(self) -> "Prediction":
        self._save_results()
        return self

    def __exit__(self, exception_type: type[BaseException] | None, *_: object) -> None:
        if self._window is not None:
            self._window.close()
        self._save_results()

    def summary(self) -> dict[str, Any]:
        """Return the number of images and detections, the speed and the output folder."""
        return {
            "images": self._images,
            "unreadable": self.unreadable,
            "detections": len(self._results),
            "images_per_second": self._rate(),
            "output": str(self._outputs.folder),
        }

    def run_images(self, files: list[Path]) -> None:
        """Predict and draw images; unreadable images are reported on standard error and counted."""
        if not files:
            return
        with self._progress(len(files), "predicting") as bar:
            for path, outputs in self._predictor.predict_files(files, batch_size=self._batch_size):
                if isinstance(outputs, Exception):
                    self._report(outputs)
                else:
                    self._add_results(outputs, str(path))
                    visualizer = Visualizer(read_image(str(path), format="RGB"), self._metadata)
                    drawing = draw_outputs(visualizer, outputs, self._threshold)
                    with self._outputs.replacing(self._names[path]) as file:
                        drawing.save(file)
                    if not self._show(drawing, wait=True):
                        return
                bar.update(1, self._rate())

    def run_video(self, video: Video) -> None:
        """Predict and draw every frame of a video, or of a camera until Ctrl-C or until the window is closed.

        A video that cannot be read, or is corrupt after some frames, is reported on standard error and counted. The
        results of the frames before are kept.
        """
        name = f"webcam{video}" if isinstance(video, int) else str(video)
        visualizer = VideoVisualizer(self._metadata)
        try:
            reader = VideoReader(video)
        except (OSError, ValueError) as error:
            self._report(error)
            return
        bar = self._progress(reader.length or 0, Path(name).name)
        with (
            self._outputs.replacing(self._names[video]) as target,
            reader,
            VideoWriter(target, reader.frames_per_second) as writer,
            bar,
        ):
            frames = until_interrupted(reader) if isinstance(video, int) else self._readable(reader)
            for index, (frame, outputs) in enumerate(self._predictor.predict_frames(frames, self._batch_size)):
                self._add_results(outputs, name, index)
                drawing = draw_frame(visualizer, frame, outputs, self._threshold)
                writer.write(drawing.get_image())
                bar.length = max(bar.length or 0, index + 1)
                bar.update(1, self._rate())
                if not self._show(drawing, wait=False):
                    break

    def _add_results(self, outputs: ModelOutput, name: str, frame: int | None = None) -> None:
        self._images += 1
        self._save_results(self._save_interval)
        if "instances" not in outputs:
            return
        image_id, categories = self._ids.of_image(Path(name) if frame is None else None)
        for entry in instances_to_coco_json(instances_of(outputs, self._threshold), image_id):
            index = entry["category_id"]
            result: _Result = {**entry, "category_id": categories.get(index, index + 1), "file_name": name}
            if frame is not None:
                result["frame"] = frame
            self._results.append(result)

    def _readable(self, frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield frames until the end or until one cannot be decoded, which is reported."""
        try:
            yield from frames
        except ValueError as error:
            self._report(error)

    def _report(self, error: Exception) -> None:
        self.unreadable += 1
        click.echo(f"\n{error}", err=True)

    def _save_results(self, interval: float = 0.0) -> None:
        """Write `results.json` if `interval` seconds have passed since the last time."""
        start = time.perf_counter()
        if interval and start - self._saved_at < interval:
            return
        with self._outputs.replacing("results.json") as file:
            file.write_text(json.dumps(self._results), encoding="utf-8")
        self._saved_at = time.perf_counter()
        # At most a twentieth of the time is spent on rewriting the file.
        self._save_interval = max(_MIN_SAVE_INTERVAL, 20 * (self._saved_at - start))

    def _show(self, drawing: VisImage, wait: bool) -> bool:
        """Show a drawing if there is a window; return whether to continue."""
        return self._window is None or self._window.show(drawing.get_image(), wait)

    def _rate(self) -> float:
        return self._images / max(time.perf_counter() - self._start, 1e-9)

    def _progress(self, length: int, label: str) -> Any:
        def format_rate(value: float | None) -> str:
            return f"{value:.1f} images/s" if value is not None else ""

        return click.progressbar(
            length=length, label=label, file=sys.stderr, show_pos=True, item_show_func=format_rate, update_min_steps=1
        )
