"""The base of trackers that solve an assignment problem, under Detectron2's module path."""

from typing import Any

import numpy as np

from detectory.compat.detectron2.config import CfgNode, configurable
from detectory.compat.detectron2.tracking.base_tracker import tracker_arguments
from detectory.engine import tracking as native
from detectory.structures import Instances

__all__ = ["BaseHungarianTracker"]


class BaseHungarianTracker(native.BaseHungarianTracker):
    """`detectory.engine.tracking.BaseHungarianTracker`, from arguments or a config.

    It can be made as it is, but follows objects only in a subclass that says what a pair costs.
    """

    __init__ = configurable(native.BaseHungarianTracker.__init__)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """Return the arguments that `TRACKER_HEADS` says."""
        return tracker_arguments(cfg)

    def build_cost_matrix(self, instances: Instances, prev_instances: Instances) -> np.ndarray:
        """Return what each pair costs.

        Raises:
            NotImplementedError: the class does not define it.
        """
        raise NotImplementedError(f"{type(self).__name__} must define build_cost_matrix")
