"""Command line that trains or evaluates a YAML config: `python -m detectory.compat.detectron2.tools.train_net …`.

Flags are those of Detectron2's `train_net.py`.
"""

import argparse
import json
import logging
import os
import sys
from collections.abc import Mapping
from typing import Any

import torch

from detectory.compat.detectron2.checkpoint import DetectionCheckpointer
from detectory.compat.detectron2.config import CfgNode, get_cfg
from detectory.compat.detectron2.data import MetadataCatalog
from detectory.compat.detectron2.engine import DefaultTrainer, default_argument_parser, default_setup, launch
from detectory.compat.detectron2.evaluation import (
    CityscapesInstanceEvaluator,
    CityscapesSemSegEvaluator,
    COCOEvaluator,
    COCOPanopticEvaluator,
    DatasetEvaluator,
    DatasetEvaluators,
    LVISEvaluator,
    PascalVOCDetectionEvaluator,
    SemSegEvaluator,
    verify_results,
)
from detectory.compat.detectron2.modeling import GeneralizedRCNNWithTTA
from detectory.compat.detectron2.utils import comm

__all__ = ["Trainer", "build_evaluator", "main", "setup"]

_logger = logging.getLogger("detectron2.tools.train_net")


def build_evaluator(cfg: CfgNode, dataset_name: str, output_folder: str | None = None) -> DatasetEvaluator:
    """Build the evaluator selected by the dataset's metadata `evaluator_type`.

    Raises:
        ValueError: If `evaluator_type` is missing or unknown.
    """
    folder = output_folder or os.path.join(cfg.OUTPUT_DIR, "inference")
    evaluator_type = MetadataCatalog.get(dataset_name).get("evaluator_type")
    builders: dict[str, Any] = {
        "coco": lambda: [COCOEvaluator(dataset_name, output_dir=folder)],
        "lvis": lambda: [LVISEvaluator(dataset_name, output_dir=folder)],
        "pascal_voc": lambda: [PascalVOCDetectionEvaluator(dataset_name)],
        "sem_seg": lambda: [SemSegEvaluator(dataset_name, output_dir=folder)],
        "cityscapes_instance": lambda: [CityscapesInstanceEvaluator(dataset_name)],
        "cityscapes_sem_seg": lambda: [CityscapesSemSegEvaluator(dataset_name)],
        "coco_panoptic_seg": lambda: [
            SemSegEvaluator(dataset_name, output_dir=folder),
            COCOEvaluator(dataset_name, output_dir=folder),
            COCOPanopticEvaluator(dataset_name, folder),
        ],
        "cityscapes_panoptic_seg": lambda: [
            CityscapesSemSegEvaluator(dataset_name),
            CityscapesInstanceEvaluator(dataset_name),
            COCOPanopticEvaluator(dataset_name, folder),
        ],
    }
    if evaluator_type not in builders:
        raise ValueError(
            f"build_evaluator: {dataset_name!r}: evaluator_type must be one of {sorted(builders)}, "
            f"got {evaluator_type!r}"
        )
    evaluators = builders[evaluator_type]()
    return evaluators[0] if len(evaluators) == 1 else DatasetEvaluators(evaluators)


class Trainer(DefaultTrainer):
    """Default trainer with the evaluators of the built-in datasets."""

    @classmethod
    def build_evaluator(cls, cfg: CfgNode, dataset_name: str) -> DatasetEvaluator:
        """Build the evaluator of a dataset."""
        return build_evaluator(cfg, dataset_name)

    @classmethod
    def test_with_TTA(cls, cfg: CfgNode, model: torch.nn.Module) -> dict[str, Any]:
        """Evaluate with test-time augmentation; result keys are suffixed with `_TTA`."""
        folder = os.path.join(cfg.OUTPUT_DIR, "inference_TTA")
        evaluators = [build_evaluator(cfg, name, folder) for name in cfg.DATASETS.TEST]
        results = cls.test(cfg, GeneralizedRCNNWithTTA(cfg, model), evaluators)
        return {f"{name}_TTA": value for name, value in results.items()}


def setup(args: argparse.Namespace) -> CfgNode:
    """Build the frozen config from the flags and run `default_setup`."""
    cfg = get_cfg()
    if args.config_file:
        cfg.merge_from_file(args.config_file)
    if args.num_gpus == 0 or not torch.cuda.is_available():
        cfg.MODEL.DEVICE = "cpu"
    cfg.merge_from_list(args.opts)
    cfg.freeze()
    default_setup(cfg, args)
    return cfg


def main(args: argparse.Namespace) -> Mapping[str, Any] | None:
    """Train, or evaluate with `--eval-only`; return the evaluation results."""
    cfg = setup(args)
    if not args.eval_only:
        trainer = Trainer(cfg)
        trainer.resume_or_load(resume=args.resume)
        return trainer.train()
    model = Trainer.build_model(cfg)
    DetectionCheckpointer(model, save_dir=cfg.OUTPUT_DIR).resume_or_load(cfg.MODEL.WEIGHTS, resume=args.resume)
    results = dict(Trainer.test(cfg, model))
    if cfg.TEST.AUG.ENABLED:
        results.update(Trainer.test_with_TTA(cfg, model))
    if comm.is_main_process():
        verify_results(cfg, results)
        _logger.info("results: %s", json.dumps(results))
    return results


def run(argv: list[str] | None = None) -> None:
    """Parse the flags and launch one process per GPU."""
    args = default_argument_parser().parse_args(sys.argv[1:] if argv is None else argv)
    launch(
        main,
        args.num_gpus if torch.cuda.is_available() else min(args.num_gpus, 1),
        num_machines=args.num_machines,
        machine_rank=args.machine_rank,
        dist_url=args.dist_url,
        args=(args,),
    )


if __name__ == "__main__":
    run()
