"""Detectron2's `CfgNode`: fvcore's class with config versions."""

import contextlib
import logging
from collections.abc import Iterator

from detectory.compat.detectron2.config.compat import LATEST_VERSION, downgrade_config, guess_version, upgrade_config
from detectory.compat.fvcore.common.config import CfgNode as UnversionedCfgNode

_logger = logging.getLogger(__name__)


class CfgNode(UnversionedCfgNode):
    """A `detectory.compat.fvcore.common.config.CfgNode` that can merge files of older config versions.

    Files are read without executing code; with `allow_unsafe=True`, `merge_from_file` and `load_yaml_with_base` use
    PyYAML's unsafe loader.
    """

    def merge_from_file(self, cfg_filename: str, allow_unsafe: bool = False) -> None:
        """Merge a YAML file and its bases, upgrading a file of an older version.

        Raises:
            ValueError: If this config is not of the latest version, or the file is of a later version.
            KeyError: If the file contains an unknown key.
        """
        loaded = type(self)(self.load_yaml_with_base(str(cfg_filename), allow_unsafe=allow_unsafe))
        if self.get("VERSION") != LATEST_VERSION:
            raise ValueError(f"merge_from_file: config VERSION must be {LATEST_VERSION}, got {self.get('VERSION')}")
        version = loaded["VERSION"] if "VERSION" in loaded else guess_version(loaded, str(cfg_filename))
        if not isinstance(version, int) or isinstance(version, bool):
            raise ValueError(f"{cfg_filename}: config VERSION must be an integer, got {version!r}")
        if version > self.VERSION:
            raise ValueError(f"{cfg_filename}: config version must be at most {self.VERSION}, got {version}")
        if version == self.VERSION:
            with _naming_file(cfg_filename):
                self.merge_from_other_cfg(loaded)
            return
        _logger.warning("%s: upgrading config version %d to %d", cfg_filename, version, self.VERSION)
        old = downgrade_config(self, to_version=version)
        with _naming_file(cfg_filename):
            old.merge_from_other_cfg(loaded)
        upgraded = upgrade_config(old)
        self.clear()
        self.update(upgraded)

    def dump(self, *args: object, **kwargs: object) -> str:
        """Return the config as YAML text; arguments are passed to `yaml.safe_dump`."""
        return super().dump(*args, **kwargs)


@contextlib.contextmanager
def _naming_file(path: str) -> Iterator[None]:
    """Prefix the messages about keys and values with the file that contains them."""
    try:
        yield
    except KeyError as error:
        raise KeyError(f"{path}: {error.args[0] if error.args else ''}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
