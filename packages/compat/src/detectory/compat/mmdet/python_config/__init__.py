"""Python configs of MMDetection, read as data."""

from .config_file import read_config
from .settings import OriginalSettings, read_settings

__all__ = ["OriginalSettings", "read_config", "read_settings"]
