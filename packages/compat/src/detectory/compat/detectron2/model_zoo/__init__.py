"""The model zoo under Detectron2's config names."""

from detectory.compat.detectron2.model_zoo.model_zoo import get, get_checkpoint_url, get_config, get_config_file

__all__ = ["get", "get_checkpoint_url", "get_config", "get_config_file"]
