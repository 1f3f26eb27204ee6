"""LazyConfig: loading, saving, overriding and printing of configs."""

import importlib
import inspect
import io
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, ListConfig, OmegaConf

from detectory.core.config.config_file import as_config, read_config_file
from detectory.core.config.dotted_path import path_of
from detectory.core.config.lazy_call import as_node
from detectory.core.config.overrides import apply_override
from detectory.core.config.python_text import python_text
from detectory.core.storage import atomic_write, local_path
from detectory.core.suggestions import nearest

_logger = logging.getLogger(__name__)
_PLAIN = (str, int, float, bool, bytes, type(None))


class LazyConfig:
    """Loads, saves, overrides and prints omegaconf configs, which may describe calls (see `LazyCall`)."""

    @staticmethod
    def load(filename: str, keys: str | Sequence[str] | None = None) -> Any:
        """Load a config file.

        Args:
            filename: A `.py`, `.yaml` or `.yml` file.
            keys: One or several names to return. By default, all configs in the file.

        Returns:
            The object of that name, a tuple for several names, or one config with all dictionaries and lists that
            the file defines under names without a leading underscore.

        Raises:
            FileNotFoundError: If the file does not exist.
            KeyError: If the file does not define one of `keys`; the message lists the most similar names.
            ValueError: If the file is not a config file.
        """
        path = Path(local_path(str(filename)))
        content = read_config_file(path)
        if keys is None and isinstance(content, DictConfig):
            return content
        if keys is None:
            chosen = {name: as_config(value) for name, value in content.items() if _is_config(name, value)}
            return DictConfig(chosen, flags={"allow_objects": True})
        if isinstance(keys, str):
            return as_config(_pick(content, keys, path))
        return tuple(as_config(_pick(content, key, path)) for key in keys)

    @staticmethod
    def load_rel(filename: str, keys: str | Sequence[str] | None = None) -> Any:
        """Load a config file by a path relative to the caller's source file; otherwise the same as `load`.

        Raises:
            RuntimeError: If the caller has no source file, as in an interactive session.
        """
        frame = inspect.currentframe()
        caller = frame.f_back.f_code.co_filename if frame and frame.f_back else ""
        if not Path(caller).is_file():
            raise RuntimeError("LazyConfig.load_rel: the caller has no source file; use LazyConfig.load")
        return LazyConfig.load(str(Path(caller).parent / filename), keys)

    @staticmethod
    def save(cfg: Any, filename: str) -> None:
        """Save a config as YAML, with targets as dotted paths and interpolations unresolved.

        A class or function that is an argument, such as `block_class=BasicBlock`, becomes a call of `locate`, so that
        the loaded config builds the same object.

        Objects that YAML cannot represent, such as lambdas, are written as their `repr`, and their keys are logged
        as an error. If `cloudpickle` is installed, the complete config is also saved as `filename + ".pkl"`.
        """
        lost: list[str] = []
        plain = _to_plain(_with_located_arguments(OmegaConf.to_container(cfg, resolve=False)), "", lost)
        text = yaml.safe_dump(plain, allow_unicode=True, width=9999, sort_keys=False)
        with atomic_write(filename) as file:
            file.write(text.encode())
        if lost:
            _logger.error(
                "LazyConfig.save: %s contains objects that YAML cannot represent, written as text: %s%s",
                filename,
                ", ".join(lost),
                _save_pickle(cfg, f"{filename}.pkl"),
            )

    @staticmethod
    def to_plain(cfg: Any) -> Any:
        """Convert a config to dictionaries, lists and plain values, with callables as dotted paths.

        Other objects become text.

        Example:
            >>> import torch
            >>> from detectory.core.config import LazyCall
            >>> LazyConfig.to_plain(LazyCall(torch.nn.Linear)(in_features=4, out_features="${.in_features}"))
            {'_target_': 'torch.nn.modules.linear.Linear', 'in_features': 4, 'out_features': '${.in_features}'}
        """
        return _to_plain(OmegaConf.to_container(cfg, resolve=False), "", [])

    @staticmethod
    def apply_overrides(cfg: DictConfig, overrides: Sequence[str]) -> DictConfig:
        """Apply command-line overrides to `cfg` in place.

        Args:
            cfg: The config.
            overrides: `key.sub=value` changes an existing key or an argument that the call at `key` accepts,
                `+key=value` adds a new key, and `~key` removes one; `list[0]=value` and `list.0=value` index lists.
                Values are numbers, `true`, `null`, text (quoted or not), `[1,2]` or `{a:1}`.

        Returns:
            `cfg`.

        Raises:
            KeyError: If a key is unknown; the message lists the most similar keys.
            ValueError: If an override does not have one of these forms, or its value cannot replace the current one.
        """
        for override in overrides:
            apply_override(cfg, override)
        return cfg

    @staticmethod
    def to_py(cfg: Any, prefix: str = "cfg.") -> str:
        """Return the Python calls that `cfg` describes, for reading; the text cannot be loaded again.

        Example:
            >>> print(LazyConfig.to_py(OmegaConf.create({"train": {"max_iter": 90}})), end="")
            cfg.train.max_iter = 90
        """
        return python_text(cfg, prefix)


def _is_config(name: Any, value: Any) -> bool:
    return not name.startswith("_") and isinstance(value, (dict, DictConfig, ListConfig))


def _pick(content: Mapping[str, Any], key: str, path: Path) -> Any:
    if key not in content:
        known = [name for name in content if not name.startswith("_")]
        raise KeyError(f"LazyConfig.load: {path} does not define '{key}': {nearest(key, known)}")
    return content[key]


def _to_plain(value: Any, path: str, lost: list[str]) -> Any:
    """Convert `value` to what YAML can represent; append the paths of other objects to `lost`."""
    value = as_node(value)
    if isinstance(value, dict):
        return {key: _to_plain(item, f"{path}.{key}" if path else str(key), lost) for key, item in value.items()}
    if isinstance(value, list):
        return [_to_plain(item, f"{path}[{index}]", lost) for index, item in enumerate(value)]
    if isinstance(value, _PLAIN):
        return value
    if callable(value) and (name := path_of(value)) is not None:
        return name
    lost.append(path)
    return repr(value)


def _with_located_arguments(value: Any, key: Any = None) -> Any:
    """Replace callables other than targets by nodes that locate them by their dotted paths."""
    if isinstance(value, dict):
        return {name: _with_located_arguments(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_located_arguments(item) for item in value]
    if key != "_target_" and callable(value) and (path := path_of(value)) is not None:
        return {"_target_": "detectory.core.config.locate", "path": path}
    return value


def _save_pickle(cfg: Any, filename: str) -> str:
    """Pickle the complete `cfg` if possible; return the outcome as the end of a message."""
    try:
        cloudpickle = importlib.import_module("cloudpickle")
    except ImportError:
        return " (pip install cloudpickle to also save the complete config)"
    buffer = io.BytesIO()
    try:
        cloudpickle.dump(cfg, buffer)
    except (TypeError, AttributeError, ValueError) as error:
        return f"; the config cannot be pickled either: {error}"
    with atomic_write(filename) as file:
        file.write(buffer.getvalue())
    return f"; complete config saved to {filename}"
