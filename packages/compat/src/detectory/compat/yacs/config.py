"""`CfgNode` under yacs' module path: the same class as fvcore's."""

from detectory.compat.fvcore.common.config import CfgNode

__all__ = ["CfgNode", "load_cfg"]

load_cfg = CfgNode.load_cfg
