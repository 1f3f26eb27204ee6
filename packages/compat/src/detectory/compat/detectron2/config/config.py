"""The config object of Detectron2's YAML front end."""

from detectory.compat.detectron2.config._configurable import configurable
from detectory.compat.detectron2.config.cfg_node import CfgNode

__all__ = ["CfgNode", "configurable", "get_cfg", "global_cfg", "set_global_cfg"]

global_cfg = CfgNode()


def get_cfg() -> CfgNode:
    """Return a fresh copy of the default config."""
    from detectory.compat.detectron2.config.defaults import _C

    return _C.clone()


def set_global_cfg(cfg: CfgNode) -> None:
    """Let `global_cfg` hold the keys of `cfg`.

    Code that cannot be handed a config may then read `global_cfg.KEY`. Meant for quick experiments.
    """
    global_cfg.clear()
    global_cfg.update(cfg)
