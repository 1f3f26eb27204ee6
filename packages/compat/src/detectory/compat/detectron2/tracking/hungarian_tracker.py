"""Base class of trackers that solve an assignment problem, under Detectron2's module path."""

from typing import Any

import numpy as np

from detectory.compat.detectron2.config import CfgNode, configurable
from detectory.compat.detectron2.tracking.base_tracker import tracker_arguments
from detectory.engine import tracking as native
from detectory.structures import Instances

__all__ = ["BaseHungarianTracker"]


class BaseHungarianTracker(native.BaseHungarianTracker):
    """`detectory.engine.tracking.BaseHungarianTracker` that can also be built from a config.

    Can be instantiated, but tracks only in a subclass that defines `build_cost_matrix`.
    """

    __init__ = configurable(native.BaseHungarianTracker.__init__)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """Read the arguments from `TRACKER_HEADS`."""
        return tracker_arguments(cfg)

    def build_cost_matrix(self, instances: Instances, prev_instances: Instances) -> np.ndarray:
        """Return the cost of each pair.

        Raises:
            NotImplementedError: If a subclass does not override the method.
        """
        raise NotImplementedError(f"{type(self).__name__} must define build_cost_matrix")
