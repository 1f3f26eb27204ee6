"""Runs a predictor over images, videos and cameras, and writes what it finds."""

import glob
import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from detectory.core.storage import atomic_write
from detectory.data.images import read_image
from detectory.engine import Predictor, instances_of
from detectory.engine.inference.video import VIDEO_SUFFIXES, VideoReader, VideoWriter, until_interrupted
from detectory.evaluation import instances_to_coco_json
from detectory.visualization import VideoVisualizer, VisImage, Visualizer

if TYPE_CHECKING:
    from detectory.engine.inference.window import Window

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})

#: A video's file, or the number of a camera.
Video = Path | int


class Prediction:
    """One run of the command `predict`: draws, counts, and at the end writes `results.json`.

    Args:
        predictor: The model.
        metadata: Names and colours of what it finds.
        output: Folder of what comes out.
        threshold: Detections of a lower score are left out.
        batch_size: Images that go through the model at once.
        show: Also show each picture in a window.

    Attributes:
        unreadable: Images that could not be read.
    """

    def __init__(
        self, predictor: Predictor, metadata: Any, output: Path, threshold: float, batch_size: int, show: bool
    ) -> None:
        self._predictor, self._metadata, self._output = predictor, metadata, output
        self._threshold, self._batch_size = threshold, batch_size
        self._entries: list[dict[str, Any]] = []
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

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._window is not None:
            self._window.close()
        if kind is None:
            with atomic_write(self._output / "results.json") as file:
                file.write(json.dumps(self._entries).encode())

    def figures(self) -> dict[str, Any]:
        """Return what was done: counts, images per second, and where it is."""
        return {
            "images": self._images,
            "unreadable": self.unreadable,
            "detections": len(self._entries),
            "images_per_second": self._rate(),
            "output": str(self._output),
        }

    def run_images(self, files: list[Path]) -> None:
        """Predict and draw every image; those that cannot be read are named and counted."""
        if not files:
            return
        names = picture_names(files)
        with self._progress(len(files), "predicting") as bar:
            for path, result in self._predictor.predict_files(files, batch_size=self._batch_size):
                if isinstance(result, Exception):
                    self.unreadable += 1
                    click.echo(f"\n{result}", err=True)
                else:
                    self._note(result, str(path))
                    visualizer = Visualizer(read_image(str(path), format="RGB"), self._metadata)
                    picture = draw(visualizer, result, self._threshold)
                    picture.save(str(self._output / names[path]))
                    if not self._shown(picture, wait=True):
                        return
                bar.update(1, self._rate())

    def run_video(self, video: Video) -> None:
        """Predict and draw every frame; a camera goes on until Ctrl-C, or until its window is closed."""
        name = f"webcam{video}" if isinstance(video, int) else str(video)
        target = self._output / f"{Path(name).stem}.mp4"
        visualizer = VideoVisualizer(self._metadata)
        reader = VideoReader(video)
        bar = self._progress(reader.length or 0, Path(name).name)
        with reader, VideoWriter(target, reader.frames_per_second) as writer, bar:
            frames = until_interrupted(reader) if isinstance(video, int) else reader
            for index, (frame, result) in enumerate(self._predictor.predict_frames(frames, self._batch_size)):
                self._note(result, name, index)
                picture = draw_frame(visualizer, frame, result, self._threshold)
                writer.write(picture.get_image())
                bar.length = max(bar.length or 0, index + 1)
                bar.update(1, self._rate())
                if not self._shown(picture, wait=False):
                    break

    def _note(self, result: dict[str, Any], name: str, frame: int | None = None) -> None:
        self._images += 1
        if "instances" not in result:
            return
        for entry in instances_to_coco_json(instances_of(result, self._threshold), self._images):
            # Category ids of COCO's format start at 1.
            entry |= {"category_id": entry["category_id"] + 1, "file_name": name}
            self._entries.append(entry if frame is None else {**entry, "frame": frame})

    def _shown(self, picture: VisImage, wait: bool) -> bool:
        return self._window is None or self._window.show(picture.get_image(), wait)

    def _rate(self) -> float:
        return self._images / max(time.perf_counter() - self._start, 1e-9)

    def _progress(self, length: int, label: str) -> Any:
        def rate(value: float | None) -> str:
            return f"{value:.1f} images/s" if value is not None else ""

        return click.progressbar(
            length=length, label=label, file=sys.stderr, show_pos=True, item_show_func=rate, update_min_steps=1
        )


def find_inputs(inputs: Iterable[str]) -> tuple[list[Path], list[Video]]:
    """Expand files, folders, patterns and cameras into images and videos, each once, in the order given.

    Raises:
        FileNotFoundError: an input matches nothing.
    """
    images: dict[Path, None] = {}
    videos: dict[Video, None] = {}
    for item in inputs:
        camera, _, number = item.partition(":")
        if camera == "webcam" and (number.isdecimal() or not number) and not Path(item).exists():
            videos[int(number or 0)] = None
            continue
        path = Path(item)
        if path.is_dir():
            known = IMAGE_SUFFIXES | VIDEO_SUFFIXES
            matches = sorted(file for file in path.rglob("*") if file.suffix.lower() in known)
        elif path.is_file():
            matches = [path]
        else:
            matches = [Path(match) for match in sorted(glob.glob(item, recursive=True)) if Path(match).is_file()]
        if not matches:
            raise FileNotFoundError(f"{item}: no image, video, folder with images, or pattern that matches one")
        for match in matches:
            if match.suffix.lower() in VIDEO_SUFFIXES:
                videos[match] = None
            else:
                images[match] = None
    return list(images), list(videos)


def picture_names(files: list[Path]) -> dict[Path, str]:
    """Choose the annotated pictures' file names: the image's stem, with its folder where two images share one."""
    stems = [file.stem for file in files]
    names: dict[Path, str] = {}
    for file in files:
        name = file.stem if stems.count(file.stem) == 1 else "_".join([*file.parts[-3:-1], file.stem, file.suffix[1:]])
        number = list(names.values()).count(f"{name}.jpg")
        names[file] = f"{name}.jpg" if not number else f"{name}_{len(names)}.jpg"
    return names


def draw(visualizer: Visualizer, result: dict[str, Any], threshold: float) -> VisImage:
    """Draw a model's outputs: the panoptic map, else the semantic map and the instances, as far as they are there."""
    if "panoptic_seg" in result:
        ids, segments = result["panoptic_seg"]
        return visualizer.draw_panoptic_seg_predictions(ids.cpu(), segments)
    if "sem_seg" in result:
        visualizer.draw_sem_seg(result["sem_seg"].argmax(dim=0).cpu())
    if "instances" in result:
        visualizer.draw_instance_predictions(instances_of(result, threshold))
    return visualizer.output


def draw_frame(visualizer: VideoVisualizer, frame: np.ndarray, result: dict[str, Any], threshold: float) -> VisImage:
    """Draw a model's outputs on a frame, as `draw` does, in colours that follow the objects."""
    if "panoptic_seg" in result:
        ids, segments = result["panoptic_seg"]
        return visualizer.draw_panoptic_seg_predictions(frame, ids.cpu(), segments)
    if "sem_seg" in result:
        frame = visualizer.draw_sem_seg(frame, result["sem_seg"].argmax(dim=0).cpu()).get_image()
    if "instances" in result:
        return visualizer.draw_instance_predictions(frame, instances_of(result, threshold))
    return VisImage(frame)
