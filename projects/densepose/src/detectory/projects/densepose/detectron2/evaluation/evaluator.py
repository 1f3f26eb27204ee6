"""The evaluator, with the arguments of Detectron2's project."""

import copy
from collections.abc import Sequence
from typing import Any

from detectory.compat.detectron2.evaluation import COCOEvaluator
from detectory.projects.densepose.evaluation import DensePoseEvaluator

__all__ = ["DensePoseCOCOEvaluator", "Detectron2COCOEvaluatorAdapter", "build_densepose_evaluator_storage"]


class DensePoseCOCOEvaluator(DensePoseEvaluator):
    """`detectory.projects.densepose.evaluation.DensePoseEvaluator` with the arguments of Detectron2's project.

    Args:
        dataset_name: Registered dataset.
        distributed: Whether to gather the predictions of all processes.
        output_dir: Folder of the predictions.
        evaluator_type: Not used: the type follows from the predictions.
        min_iou_threshold: First threshold of the similarity.
        storage: `None`, `"none"`, `"ram"` or `"file"`.
        embedder: Vertex embeddings of the model.
        should_evaluate_mesh_alignment: Whether to compare embeddings between meshes.
        mesh_alignment_mesh_names: Meshes of this comparison.
    """

    def __init__(
        self,
        dataset_name: str,
        distributed: bool = True,
        output_dir: str | None = None,
        evaluator_type: str = "iou",
        min_iou_threshold: float = 0.5,
        storage: str | None = None,
        embedder: Any = None,
        should_evaluate_mesh_alignment: bool = False,
        mesh_alignment_mesh_names: Sequence[str] | None = None,
    ) -> None:
        del evaluator_type
        super().__init__(
            dataset_name,
            distributed,
            output_dir,
            min_iou_threshold=min_iou_threshold,
            storage=storage or "none",
            embedder=embedder,
            evaluate_mesh_alignment=should_evaluate_mesh_alignment,
            mesh_names=mesh_alignment_mesh_names or (),
        )


class Detectron2COCOEvaluatorAdapter(COCOEvaluator):
    """COCO evaluator of boxes and masks; the masks are the foreground of the dense poses."""

    def process(self, inputs: Any, outputs: Any) -> None:
        """Store the predictions for a batch; the outputs are not modified."""
        from detectory.projects.densepose.converters import to_masks

        converted = []
        for output in outputs:
            instances = copy.copy(output["instances"].to("cpu"))
            if instances.has("pred_densepose"):
                instances.pred_masks = to_masks(
                    instances.pred_densepose, instances.pred_boxes, instances.image_size
                ).tensor
                instances.remove("pred_densepose")
            converted.append({"instances": instances})
        super().process(inputs, converted)


def build_densepose_evaluator_storage(cfg: Any, output_folder: str) -> str:
    """Return `DENSEPOSE_EVALUATION.STORAGE`, which `DensePoseCOCOEvaluator` takes as `storage`."""
    del output_folder
    return cfg.DENSEPOSE_EVALUATION.STORAGE
