"""Command line that draws predictions: `python -m detectory.compat.detectron2.tools.demo --config-file … --input …`.

Flags are those of Detectron2's demo: image files or a glob pattern, a video or a camera as input, and config
settings after `--opts`. Predictions are shown in a window unless `--output` is given.
"""

import argparse
import contextlib
import glob
import logging
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from detectory.compat.detectron2.config import CfgNode, get_cfg
from detectory.compat.detectron2.data import MetadataCatalog
from detectory.compat.detectron2.data.detection_utils import read_image
from detectory.compat.detectron2.engine import DefaultPredictor
from detectory.compat.detectron2.utils.logger import setup_logger
from detectory.compat.detectron2.utils.video_visualizer import VideoVisualizer
from detectory.compat.detectron2.utils.visualizer import ColorMode, Visualizer
from detectory.engine.inference.video import VideoReader, VideoWriter, until_interrupted
from detectory.engine.inference.window import Window
from detectory.visualization import VisImage

__all__ = ["draw", "draw_frame", "get_parser", "run", "setup_cfg"]

_logger = logging.getLogger("detectron2.tools.demo")


def get_parser() -> argparse.ArgumentParser:
    """Build the parser of the demo's flags."""
    parser = argparse.ArgumentParser(description="Draw the predictions of a YAML config's model on images and videos.")
    parser.add_argument("--config-file", required=True, metavar="FILE", help="path of the config file")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--input", nargs="+", help="image files, or a pattern such as 'folder/*.jpg'")
    source.add_argument("--video-input", metavar="FILE", help="a video")
    source.add_argument("--webcam", action="store_true", help="read the first camera until Ctrl-C")
    parser.add_argument("--output", help="output folder, or file for a single image or video; default: a window")
    parser.add_argument("--confidence-threshold", type=float, default=0.5, help="minimum score of drawn instances")
    parser.add_argument("--opts", nargs=argparse.REMAINDER, default=[], help="config settings to override: KEY VALUE …")
    return parser


def setup_cfg(args: argparse.Namespace) -> CfgNode:
    """Build the frozen config from the flags; the confidence threshold applies to every type of head."""
    cfg = get_cfg()
    cfg.merge_from_file(args.config_file)
    if not torch.cuda.is_available():
        cfg.MODEL.DEVICE = "cpu"
    cfg.merge_from_list(args.opts)
    cfg.MODEL.RETINANET.SCORE_THRESH_TEST = args.confidence_threshold
    cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST = args.confidence_threshold
    cfg.MODEL.PANOPTIC_FPN.COMBINE.INSTANCES_CONFIDENCE_THRESH = args.confidence_threshold
    cfg.freeze()
    return cfg


def draw(cfg: CfgNode, predictor: DefaultPredictor, path: str) -> tuple[VisImage, int | None]:
    """Draw the predictions for an image; return the drawing and the number of instances, None if not predicted."""
    image = read_image(path, format="BGR")
    outputs = predictor(image)
    visualizer = Visualizer(image[:, :, ::-1], _metadata(cfg), instance_mode=ColorMode.IMAGE)
    if "panoptic_seg" in outputs:
        segments, described = outputs["panoptic_seg"]
        return visualizer.draw_panoptic_seg_predictions(segments.cpu(), described), len(described or ())
    if "sem_seg" in outputs:
        visualizer.draw_sem_seg(outputs["sem_seg"].argmax(dim=0).cpu())
    if "instances" not in outputs:
        return visualizer.output, None
    instances = outputs["instances"].to("cpu")
    return visualizer.draw_instance_predictions(instances), len(instances)


def draw_frame(visualizer: VideoVisualizer, predictor: DefaultPredictor, frame: np.ndarray) -> VisImage:
    """Draw the predictions for a video frame `(H, W, 3)`, uint8 RGB."""
    outputs = predictor(np.ascontiguousarray(frame[:, :, ::-1]))
    if "panoptic_seg" in outputs:
        segments, described = outputs["panoptic_seg"]
        return visualizer.draw_panoptic_seg_predictions(frame, segments.cpu(), described)
    if "instances" in outputs:
        return visualizer.draw_instance_predictions(frame, outputs["instances"].to("cpu"))
    return visualizer.draw_sem_seg(frame, outputs["sem_seg"].argmax(dim=0).cpu())


def run(argv: list[str] | None = None) -> None:
    """Draw the predictions for every image or video frame, and log the number of instances per image.

    Raises:
        SystemExit: If there is no input image, several images have a single output file, or there is no display.
    """
    args = get_parser().parse_args(sys.argv[1:] if argv is None else argv)
    setup_logger(name="detectron2")
    paths = [] if args.input is None else _image_paths(args)
    try:
        window = None if args.output else Window("demo")
    except RuntimeError as error:
        raise SystemExit(f"demo: {error}; use --output instead") from error
    cfg = setup_cfg(args)
    predictor = DefaultPredictor(cfg)
    if args.input is None:
        _run_video(cfg, predictor, 0 if args.webcam else args.video_input, args.output, window)
        return
    is_file = bool(args.output and Path(args.output).suffix)
    if args.output:
        (Path(args.output).parent if is_file else Path(args.output)).mkdir(parents=True, exist_ok=True)
    for path in paths:
        drawn, count = draw(cfg, predictor, path)
        _logger.info("%s: %s", path, "finished" if count is None else f"detected {count} instances")
        if window is None:
            drawn.save(args.output if is_file else os.path.join(args.output, os.path.basename(path)))
        elif not window.show(drawn.get_image(), wait=True):
            return


def _image_paths(args: argparse.Namespace) -> list[str]:
    paths = sorted(glob.glob(os.path.expanduser(args.input[0]))) if len(args.input) == 1 else args.input
    if not paths:
        raise SystemExit(f"demo: no image found at {args.input[0]}")
    if len(paths) > 1 and args.output and os.path.splitext(args.output)[1]:
        raise SystemExit(f"demo: --output must be a folder for {len(paths)} images, got {args.output}")
    return paths


def _run_video(
    cfg: CfgNode, predictor: DefaultPredictor, source: str | int, output: str | None, window: Window | None
) -> None:
    """Draw a video, or a camera stream (a number) until Ctrl-C, to a file or a window."""
    visualizer = VideoVisualizer(_metadata(cfg), ColorMode.IMAGE)
    with contextlib.ExitStack() as open_files:
        reader = open_files.enter_context(VideoReader(source))
        frames = until_interrupted(reader) if isinstance(source, int) else reader
        writer = None
        if output:
            name = "webcam.mp4" if isinstance(source, int) else Path(source).name
            target = Path(output) if Path(output).suffix else Path(output) / name
            writer = open_files.enter_context(VideoWriter(target, reader.frames_per_second))
        for frame in frames:
            drawn = draw_frame(visualizer, predictor, frame).get_image()
            if writer is not None:
                writer.write(drawn)
            if window is not None and not window.show(drawn, wait=False):
                break


def _metadata(cfg: CfgNode) -> Any:
    return MetadataCatalog.get(cfg.DATASETS.TEST[0] if cfg.DATASETS.TEST else "__unused")


if __name__ == "__main__":
    run()
