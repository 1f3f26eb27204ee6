"""The config object of Detectron2's YAML front end."""

from detectory.compat.detectron2.config._configurable import _called_with_cfg, _get_args_from_config, configurable
from detectory.compat.detectron2.config.cfg_node import CfgNode
from detectory.compat.detectron2.config.defaults import _C
from detectory.compat.detectron2.utils.file_io import PathManager
from detectory.compat.fvcore.common.config import CfgNode as _CfgNode

__all__ = [
    "CfgNode",
    "PathManager",
    "_CfgNode",
    "_called_with_cfg",
    "_get_args_from_config",
    "configurable",
    "get_cfg",
    "global_cfg",
    "set_global_cfg",
]

global_cfg = CfgNode()


def get_cfg() -> CfgNode:
    """Return a fresh copy of the default config."""
    return _C.clone()


def set_global_cfg(cfg: CfgNode) -> None:
    """Copy the keys of `cfg` into `global_cfg`.

    Code without access to a config can then read `global_cfg.KEY`. Intended for quick experiments only.
    """
    global_cfg.clear()
    global_cfg.update(cfg)
