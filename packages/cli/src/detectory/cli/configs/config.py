"""One interface to recipes and Detectron2 YAML configs, for display and comparison."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from detectory.cli.lookup import detectron2_configs
from detectory.core.config import LazyConfig, dotted_path, locate
from detectory.core.config.lazy_call import as_node
from detectory.core.suggestions import nearest
from detectory.engine.recipe.lookup import load_recipe, load_run_recipe


@dataclass
class Config:
    """A recipe or a Detectron2 config.

    Attributes:
        name: Name from the command line, for messages.
        content: The `DictConfig` of a recipe, or a `CfgNode`.
    """

    name: str
    content: Any

    @classmethod
    def load(cls, name: str, overrides: Sequence[str] = ()) -> "Config":
        """Load a config by zoo name, file or run folder, and apply `KEY=VALUE` arguments.

        Raises:
            KeyError: If a Detectron2 config of this name does not exist.
            FileNotFoundError: If a recipe of this name does not exist.
        """
        if detectron2_configs.is_detectron2_config(name):
            return cls(name, detectron2_configs.load(name, overrides, keep_device=True))
        content = (
            load_run_recipe(Path(name), needs_parts=False)
            if Path(name).is_dir()
            else load_recipe(name, needs_parts=False)
        )
        LazyConfig.apply_overrides(content, list(overrides))
        return cls(name, content)

    @property
    def is_recipe(self) -> bool:
        """Whether the config is a recipe, not a `CfgNode`."""
        return isinstance(self.content, DictConfig)

    def as_recipe(self) -> "Config":
        """Return the config as a recipe; Detectron2 configs are converted."""
        if self.is_recipe:
            return self
        from detectory.cli.configs.conversion import recipe_config

        return Config(self.name, recipe_config(self.content))

    def part(self, key: str | None = None) -> Any:
        """Return the value at a dotted key, or the whole config, as dictionaries, lists and plain values.

        Raises:
            KeyError: If the key does not exist; the message lists the nearest keys.
        """
        value = self._as_plain_values()
        names = key.split(".") if key else []
        for position, name in enumerate(names):
            if isinstance(value, list) and name.isdecimal() and int(name) < len(value):
                value = value[int(name)]
            elif isinstance(value, dict) and name in value:
                value = value[name]
            else:
                known = value if isinstance(value, dict) else []
                parent = ".".join(names[:position]) or "the config"
                raise KeyError(f"{self.name}: no '{name}' in {parent}: {nearest(name, known)}")
        return value

    def with_defaults(self, resolve: bool = False) -> Any:
        """Return the whole config as plain values, including the defaults of omitted arguments.

        Args:
            resolve: Replace interpolations by the values that they refer to.
        """
        if not self.is_recipe:
            return self._as_plain_values()
        content = OmegaConf.to_container(self.content, resolve=resolve)
        return _add_defaults(LazyConfig.to_plain(DictConfig(content, flags={"allow_objects": True})))

    def yaml(self, key: str | None = None) -> str:
        """Return the config or the part at a dotted key as YAML."""
        value = self.part(key)
        if not isinstance(value, (dict, list)):
            return f"{value}\n"
        return yaml.safe_dump(value, allow_unicode=True, width=110, sort_keys=False)

    def python(self, key: str | None = None) -> str:
        """Return the config or the part at a dotted key as Python assignments."""
        if not self.is_recipe:
            leaves = flatten(self.part(key), key or "")
            return "".join(f"cfg.{path} = {value!r}\n" for path, value in leaves.items())
        self.part(key)  # raises a KeyError with the nearest keys
        selected = OmegaConf.select(self.content, key) if key else self.content
        return LazyConfig.to_py(selected, prefix=f"cfg.{key}" if key else "cfg.")

    def _as_plain_values(self) -> Any:
        if self.is_recipe:
            return LazyConfig.to_plain(self.content)
        return yaml.safe_load(self.content.dump())


def flatten(value: Any, path: str = "") -> dict[str, Any]:
    """Return the leaves of nested dictionaries by dotted path; lists of plain values are leaves."""
    if isinstance(value, dict) and value:
        items: Any = value.items()
    elif isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value):
        items = enumerate(value)
    else:
        return {path: value}
    leaves: dict[str, Any] = {}
    for key, item in items:
        leaves |= flatten(item, f"{path}.{key}" if path else str(key))
    return leaves


def _add_defaults(value: Any) -> Any:
    """Add the defaults of omitted arguments to every call, and spell its target by the defining module's path."""
    if isinstance(value, list):
        return [_add_defaults(item) for item in value]
    if not isinstance(value, dict):
        return value
    arguments = {key: _add_defaults(item) for key, item in value.items()}
    try:
        target = locate(arguments["_target_"])
        parameters = inspect.signature(target).parameters.values()
    except (KeyError, ImportError, TypeError, ValueError, AttributeError):
        return arguments  # not a call, not installed, a target that is itself a node, or a built-in
    arguments["_target_"] = dotted_path(target)
    defaults = {item.name: item.default for item in parameters if item.default is not inspect.Parameter.empty}
    return LazyConfig.to_plain(DictConfig(as_node(defaults), flags={"allow_objects": True})) | arguments
