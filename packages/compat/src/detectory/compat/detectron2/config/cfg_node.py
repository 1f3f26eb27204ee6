"""Detectron2's `CfgNode`: fvcore's, with versions."""

import logging

from detectory.compat.fvcore.common.config import CfgNode as UnversionedCfgNode

logger = logging.getLogger(__name__)


class CfgNode(UnversionedCfgNode):
    """A `detectory.compat.fvcore.common.config.CfgNode` that merges files of older config versions too.

    Files are read without executing anything; `allow_unsafe=True` in `merge_from_file` and
    `load_yaml_with_base` hands them to PyYAML's unsafe loader.
    """

    def merge_from_file(self, cfg_filename: str, allow_unsafe: bool = False) -> None:
        """Merge a YAML file and its bases; one of an older version is upgraded on the way.

        Raises:
            ValueError: this config is not of the latest version, or the file is of a later one.
            KeyError: the file has a key that this config does not know.
        """
        from detectory.compat.detectron2.config.compat import downgrade_config, guess_version, upgrade_config
        from detectory.compat.detectron2.config.defaults import _C

        loaded = type(self)(self.load_yaml_with_base(str(cfg_filename), allow_unsafe=allow_unsafe))
        if self.get("VERSION") != _C.VERSION:
            raise ValueError(f"merge_from_file: a config of version {_C.VERSION} is needed, got {self.get('VERSION')}")
        version = loaded["VERSION"] if "VERSION" in loaded else guess_version(loaded, str(cfg_filename))
        if version > self.VERSION:
            raise ValueError(f"{cfg_filename}: config version {version} is later than {self.VERSION}")
        if version == self.VERSION:
            self.merge_from_other_cfg(loaded)
            return
        logger.warning("%s is a config of version %d, taken as version %d", cfg_filename, version, self.VERSION)
        old = downgrade_config(self, to_version=version)
        old.merge_from_other_cfg(loaded)
        upgraded = upgrade_config(old)
        self.clear()
        self.update(upgraded)

    def dump(self, *args: object, **kwargs: object) -> str:
        """Return the config as YAML text; arguments go to `yaml.safe_dump`."""
        return super().dump(*args, **kwargs)
