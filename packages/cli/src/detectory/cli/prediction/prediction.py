"""The prediction loop: annotated images and videos, and results in COCO format."""

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from detectory.cli.prediction.drawing import draw_frame, draw_outputs
from detectory.cli.prediction.inputs import Video, output_names
from detectory.cli.prediction.result_ids import ResultIds
from detectory.core.storage import atomic_write
from detectory.data.images import read_image
from detectory.engine import Predictor, instances_of
from detectory.engine.inference.video import VideoReader, VideoWriter, until_interrupted
from detectory.evaluation.detections import CocoResult, instances_to_coco_json
from detectory.structures.records import ModelOutput
from detectory.visualization import VideoVisualizer, VisImage, Visualizer

if TYPE_CHECKING:
    from detectory.engine.inference.window import Window


class _Result(CocoResult, total=False):
    """An entry of `results.json`."""

    file_name: str
    """The path of the image or video."""
    frame: int
    """The index of the frame in the video."""


class Prediction:
    """Prediction on any number of images and videos; a context manager that writes `results.json` at the end.

    Args:
        predictor: The predictor.
        metadata: Class names and colours.
        output: Folder for annotated images and videos and `results.json`.
        threshold: Minimum score.
        batch_size: Images per batch.
        show: Also show every result in a window.
        ids: Image ids and category ids of the results.

    Attributes:
        unreadable: Number of images that could not be read.
    """

    def __init__(
        self,
        predictor: Predictor,
        metadata: Any,
        output: Path,
        threshold: float,
        batch_size: int,
        show: bool,
        ids: ResultIds,
    ) -> None:
        self._predictor, self._metadata, self._output = predictor, metadata, output
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
        output.mkdir(parents=True, exist_ok=True)
        self._start = time.perf_counter()

    def __enter__(self) -> "Prediction":
        return self

    def __exit__(self, exception_type: type[BaseException] | None, *_: object) -> None:
        if self._window is not None:
            self._window.close()
        if exception_type is None:
            with atomic_write(self._output / "results.json") as file:
                file.write(json.dumps(self._results).encode())

    def summary(self) -> dict[str, Any]:
        """Return the number of images and detections, the speed and the output folder."""
        return {
            "images": self._images,
            "unreadable": self.unreadable,
            "detections": len(self._results),
            "images_per_second": self._rate(),
            "output": str(self._output),
        }

    def run_images(self, files: list[Path]) -> None:
        """Predict and draw images; unreadable images are reported on standard error and counted."""
        if not files:
            return
        names = output_names(files)
        with self._progress(len(files), "predicting") as bar:
            for path, outputs in self._predictor.predict_files(files, batch_size=self._batch_size):
                if isinstance(outputs, Exception):
                    self.unreadable += 1
                    click.echo(f"\n{outputs}", err=True)
                else:
                    self._add_results(outputs, str(path))
                    visualizer = Visualizer(read_image(str(path), format="RGB"), self._metadata)
                    drawing = draw_outputs(visualizer, outputs, self._threshold)
                    drawing.save(str(self._output / names[path]))
                    if not self._show(drawing, wait=True):
                        return
                bar.update(1, self._rate())

    def run_video(self, video: Video) -> None:
        """Predict and draw every frame of a video, or of a camera until Ctrl-C or until the window is closed."""
        name = f"webcam{video}" if isinstance(video, int) else str(video)
        target = self._output / f"{Path(name).stem}.mp4"
        visualizer = VideoVisualizer(self._metadata)
        reader = VideoReader(video)
        bar = self._progress(reader.length or 0, Path(name).name)
        with reader, VideoWriter(target, reader.frames_per_second) as writer, bar:
            frames = until_interrupted(reader) if isinstance(video, int) else reader
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
        if "instances" not in outputs:
            return
        image_id, categories = self._ids.of_image(Path(name) if frame is None else None)
        for entry in instances_to_coco_json(instances_of(outputs, self._threshold), image_id):
            index = entry["category_id"]
            result: _Result = {**entry, "category_id": categories.get(index, index + 1), "file_name": name}
            if frame is not None:
                result["frame"] = frame
            self._results.append(result)

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
