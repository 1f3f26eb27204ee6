"""LazyConfig loads, saves, overrides and prints configs."""

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
    """Load, save, override and print omegaconf configs, which may describe calls (see `LazyCall`)."""

    @staticmethod
    def load(filename: str, keys: str | Sequence[str] | None = None) -> Any:
        """Load a config file.

        Args:
            filename: A `.py`, `.yaml` or `.yml` file; a relative path starts at the current folder.
            keys: The name to return, or several; all dictionaries of the file by default.

        Returns:
            The object of that name, a tuple of several, or one config of all dictionaries and lists that the file
            defines under names without a leading underscore.

        Raises:
            FileNotFoundError: no such file.
            KeyError: the file does not define one of `keys`; the message lists the nearest.
            ValueError: the file is no config file.
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
        """Load a config file whose path is relative to the source file of the caller; otherwise as `load`.

        Raises:
            RuntimeError: the caller has no source file (an interactive session).
        """
        frame = inspect.currentframe()
        caller = frame.f_back.f_code.co_filename if frame and frame.f_back else ""
        if not Path(caller).is_file():
            raise RuntimeError("LazyConfig.load_rel: the caller has no source file to be relative to; use load")
        return LazyConfig.load(str(Path(caller).parent / filename), keys)

    @staticmethod
    def save(cfg: Any, filename: str) -> None:
        """Save a config as YAML, callables as dotted paths, interpolations as they are written.

        Objects that YAML cannot hold, e.g. a lambda, are written as their `repr` and an error that names their
        places is logged; when `cloudpickle` is installed, the config is also saved whole as `filename + ".pkl"`.
        """
        lost: list[str] = []
        plain = _to_plain(OmegaConf.to_container(cfg, resolve=False), "", lost)
        text = yaml.safe_dump(plain, allow_unicode=True, width=9999, sort_keys=False)
        with atomic_write(filename) as file:
            file.write(text.encode())
        if lost:
            _logger.error(
                "LazyConfig.save: %s holds objects that YAML cannot express, written as text: %s%s",
                filename,
                ", ".join(lost),
                _save_pickle(cfg, f"{filename}.pkl"),
            )

    @staticmethod
    def to_plain(cfg: Any) -> Any:
        """Return a config as dictionaries, lists and plain values: callables as dotted paths, other objects as text.

        Example:
            >>> import torch
            >>> from detectory.core.config import LazyCall
            >>> LazyConfig.to_plain(LazyCall(torch.nn.Linear)(in_features=4, out_features="${.in_features}"))
            {'_target_': 'torch.nn.modules.linear.Linear', 'in_features': 4, 'out_features': '${.in_features}'}
        """
        return _to_plain(OmegaConf.to_container(cfg, resolve=False), "", [])

    @staticmethod
    def apply_overrides(cfg: DictConfig, overrides: Sequence[str]) -> DictConfig:
        """Change `cfg` in place.

        Args:
            cfg: The config.
            overrides: `key.sub=value` changes a key or an argument that the call at `key` takes, `+key=value`
                adds a new key, `~key` removes one; `list[0]=value` and `list.0=value` reach into lists. Values
                are numbers, `true`, `null`, text (quoted or not), `[1,2]`, `{a:1}`.

        Returns:
            `cfg`.

        Raises:
            KeyError: an unknown key; the message lists the nearest.
            ValueError: an override that is not of this form.
        """
        for override in overrides:
            apply_override(cfg, override)
        return cfg

    @staticmethod
    def to_py(cfg: Any, prefix: str = "cfg.") -> str:
        """Return the Python calls that `cfg` describes, to be read by people, not to be loaded.

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
    """Return `value` as YAML can hold it; append the path of what it cannot to `lost`."""
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


def _save_pickle(cfg: Any, filename: str) -> str:
    """Save `cfg` whole where that is possible, and say how it went as the end of a message."""
    try:
        cloudpickle = importlib.import_module("cloudpickle")
    except ImportError:
        return " (pip install cloudpickle to save them whole beside it)"
    buffer = io.BytesIO()
    try:
        cloudpickle.dump(cfg, buffer)
    except (TypeError, AttributeError, ValueError) as error:
        return f"; they cannot be pickled either: {error}"
    with atomic_write(filename) as file:
        file.write(buffer.getvalue())
    return f"; saved whole in {filename}"
