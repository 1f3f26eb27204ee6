"""Draw what a model finds: ``python -m detectory.compat.detectron2.tools.demo --config-file … --input … --output …``.

The flags are those of Detectron2's demo: pictures or a pattern of pictures as input, settings of the
config behind ``--opts``.
"""

import argparse
import glob
import logging
import os
import sys

import torch

from detectory.compat.detectron2.config import CfgNode, get_cfg
from detectory.compat.detectron2.data import MetadataCatalog
from detectory.compat.detectron2.data.detection_utils import read_image
from detectory.compat.detectron2.engine import DefaultPredictor
from detectory.compat.detectron2.utils.logger import setup_logger
from detectory.compat.detectron2.utils.visualizer import ColorMode, VisImage, Visualizer

__all__ = ["draw", "get_parser", "run", "setup_cfg"]

logger = logging.getLogger("detectron2.tools.demo")


def get_parser() -> argparse.ArgumentParser:
    """Return the parser of the demo's flags."""
    parser = argparse.ArgumentParser(description="Draw what a model of a YAML config finds in pictures.")
    parser.add_argument("--config-file", required=True, metavar="FILE", help="path of the config")
    parser.add_argument("--input", nargs="+", required=True, help="pictures, or one pattern such as 'folder/*.jpg'")
    parser.add_argument("--output", required=True, help="a folder, or a file where there is one picture")
    parser.add_argument("--confidence-threshold", type=float, default=0.5, help="least score that is drawn")
    parser.add_argument("--opts", nargs=argparse.REMAINDER, default=[], help="settings of the config: KEY VALUE")
    return parser


def setup_cfg(args: argparse.Namespace) -> CfgNode:
    """Return the config that the flags say, frozen; the threshold counts for every kind of head."""
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
    """Return the picture with what was found drawn on it, and how many objects: None where no objects are predicted."""
    image = read_image(path, format="BGR")
    found = predictor(image)
    metadata = MetadataCatalog.get(cfg.DATASETS.TEST[0] if cfg.DATASETS.TEST else "__unused")
    visualizer = Visualizer(image[:, :, ::-1], metadata, instance_mode=ColorMode.IMAGE)
    if "panoptic_seg" in found:
        segments, described = found["panoptic_seg"]
        return visualizer.draw_panoptic_seg_predictions(segments.cpu(), described), len(described)
    if "sem_seg" in found:
        visualizer.draw_sem_seg(found["sem_seg"].argmax(dim=0).cpu())
    if "instances" not in found:
        return visualizer.output, None
    instances = found["instances"].to("cpu")
    return visualizer.draw_instance_predictions(instances), len(instances)


def run(argv: list[str] | None = None) -> None:
    """Draw every picture and say how many objects were found in it.

    Raises:
        SystemExit: there is no picture, or many and the output is a file; the message says so.
    """
    args = get_parser().parse_args(sys.argv[1:] if argv is None else argv)
    setup_logger(name="detectron2")
    paths = sorted(glob.glob(os.path.expanduser(args.input[0]))) if len(args.input) == 1 else args.input
    if not paths:
        raise SystemExit(f"demo: no picture at {args.input[0]}")
    if len(paths) > 1 and os.path.splitext(args.output)[1]:
        raise SystemExit(f"demo: --output must be a folder for {len(paths)} pictures, got {args.output}")
    is_file = bool(os.path.splitext(args.output)[1])
    os.makedirs(os.path.dirname(args.output) or "." if is_file else args.output, exist_ok=True)
    cfg = setup_cfg(args)
    predictor = DefaultPredictor(cfg)
    for path in paths:
        picture, count = draw(cfg, predictor, path)
        picture.save(args.output if is_file else os.path.join(args.output, os.path.basename(path)))
        logger.info("%s: %s", path, "finished" if count is None else f"detected {count} instances")


if __name__ == "__main__":
    run()
