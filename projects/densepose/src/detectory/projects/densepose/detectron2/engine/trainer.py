"""Trainer with the mapper, the loaders and the evaluators of DensePose."""

import os
from typing import Any

from torch import nn

from detectory.compat.detectron2.config import CfgNode
from detectory.compat.detectron2.engine import DefaultTrainer
from detectory.compat.detectron2.evaluation import DatasetEvaluator, DatasetEvaluators
from detectory.projects.densepose.detectron2.data import (
    DatasetMapper,
    build_detection_test_loader,
    build_detection_train_loader,
)
from detectory.projects.densepose.detectron2.evaluation import (
    DensePoseCOCOEvaluator,
    Detectron2COCOEvaluatorAdapter,
    build_densepose_evaluator_storage,
)

__all__ = ["Trainer"]


class Trainer(DefaultTrainer):
    """`DefaultTrainer` for configs with the keys of `add_densepose_config`."""

    def __init__(self, cfg: CfgNode) -> None:
        if len(cfg.BOOTSTRAP_DATASETS):
            raise ValueError("BOOTSTRAP_DATASETS must be empty: bootstrapping on video datasets is not supported")
        super().__init__(cfg)

    @classmethod
    def build_train_loader(cls, cfg: CfgNode) -> Any:
        """Return the training loader with `DatasetMapper`."""
        return build_detection_train_loader(cfg, mapper=DatasetMapper(cfg, is_train=True))

    @classmethod
    def build_test_loader(cls, cfg: CfgNode, dataset_name: str) -> Any:
        """Return the test loader with `DatasetMapper`."""
        return build_detection_test_loader(cfg, dataset_name, mapper=DatasetMapper(cfg, is_train=False))

    @classmethod
    def extract_embedder_from_model(cls, model: nn.Module) -> Any:
        """Return the vertex embeddings of a model, which may be wrapped for distributed training; `None` without."""
        model = getattr(model, "module", model)
        return getattr(getattr(model, "roi_heads", None), "embedder", None)

    @classmethod
    def build_evaluator(
        cls, cfg: CfgNode, dataset_name: str, output_folder: str | None = None, embedder: Any = None
    ) -> DatasetEvaluator:
        """Return the evaluators of boxes, masks and dense poses."""
        folder = output_folder or os.path.join(cfg.OUTPUT_DIR, "inference")
        settings = cfg.DENSEPOSE_EVALUATION
        evaluators: list[DatasetEvaluator] = [
            Detectron2COCOEvaluatorAdapter(dataset_name, tasks=("bbox", "segm"), output_dir=folder)
        ]
        if cfg.MODEL.DENSEPOSE_ON:
            evaluators.append(
                DensePoseCOCOEvaluator(
                    dataset_name,
                    settings.DISTRIBUTED_INFERENCE,
                    folder,
                    evaluator_type=settings.TYPE,
                    min_iou_threshold=settings.MIN_IOU_THRESHOLD,
                    storage=build_densepose_evaluator_storage(cfg, folder),
                    embedder=embedder,
                    should_evaluate_mesh_alignment=settings.EVALUATE_MESH_ALIGNMENT,
                    mesh_alignment_mesh_names=settings.MESH_ALIGNMENT_MESH_NAMES,
                )
            )
        return DatasetEvaluators(evaluators)

    @classmethod
    def test(cls, cfg: CfgNode, model: nn.Module, evaluators: Any = None) -> dict[str, Any]:
        """Evaluate a model on every dataset of `DATASETS.TEST`."""
        if evaluators is None:
            embedder = cls.extract_embedder_from_model(model)
            evaluators = [cls.build_evaluator(cfg, name, embedder=embedder) for name in cfg.DATASETS.TEST]
        return super().test(cfg, model, evaluators)
