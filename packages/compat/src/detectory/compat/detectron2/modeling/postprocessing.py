"""Post-processing under Detectron2's module path."""

from detectory.modeling.postprocessing import detector_postprocess, sem_seg_postprocess

__all__ = ["detector_postprocess", "sem_seg_postprocess"]
