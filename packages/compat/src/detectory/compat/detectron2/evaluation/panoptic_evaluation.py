"""Panoptic evaluator under Detectron2's module path, with the methods that projects override."""

import logging
from collections.abc import Mapping
from typing import Any

from detectory import evaluation as native
from detectory.evaluation.results_table import format_metrics

__all__ = ["COCOPanopticEvaluator", "_print_panoptic_results", "logger"]

logger = logging.getLogger(__name__)


class COCOPanopticEvaluator(native.COCOPanopticEvaluator):
    """A panoptic evaluator that calls `_convert_category_id` for every segment, as Detectron2 does."""

    @property
    def _thing_contiguous_id_to_dataset_id(self) -> dict[int, int]:
        return self._thing_ids

    @property
    def _stuff_contiguous_id_to_dataset_id(self) -> dict[int, int]:
        return self._stuff_ids

    def _convert_category_id(self, segment_info: Any) -> Any:
        """Replace the contiguous category id of a segment by the dataset's."""
        return super()._with_dataset_id(segment_info)

    def _with_dataset_id(self, segment: Any) -> Any:
        return self._convert_category_id(segment)


def _print_panoptic_results(pq_res: Mapping[str, Mapping[str, float]]) -> None:
    """Log PQ, SQ and RQ of all classes, things and stuff, given as fractions."""
    for group in ("All", "Things", "Stuff"):
        if group in pq_res:
            metrics = {name.upper(): 100 * pq_res[group][name] for name in ("pq", "sq", "rq")}
            logger.info("panoptic results for %s:\n%s", group.lower(), format_metrics(metrics))
