"""Reading of config files: Python files whose relative imports name sibling config files, and YAML files."""

import builtins
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from detectory.core.suggestions import nearest

_CHAIN = "__config_chain__"


def read_config_file(path: Path) -> DictConfig | dict[str, Any]:
    """Return what a config file defines: a YAML file's content, or the names of a Python file's top level.

    A Python file runs each time it is read, in a namespace of its own: two configs that import the same file never
    share a node. In it `from .folder.file import name` reads a sibling config file, which needs no `__init__.py`;
    absolute imports work as everywhere.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the suffix is neither `.py` nor `.yaml`/`.yml`, or a YAML file holds no dictionary.
        ImportError: a relative import that finds no file or no name, or that goes in a circle.
    """
    if not path.is_file():
        raise FileNotFoundError(f"LazyConfig.load: no config file at {path}")
    if path.suffix == ".py":
        return _run_python(path, ())
    if path.suffix in (".yaml", ".yml"):
        return _read_yaml(path)
    raise ValueError(f"LazyConfig.load: a config file ends in .py, .yaml or .yml, got {path}")


def as_config(value: Any) -> Any:
    """Turn a dictionary into an omegaconf node that may hold any object; other values stay."""
    if isinstance(value, dict):
        return DictConfig(value, flags={"allow_objects": True})
    return value


def _read_yaml(path: Path) -> DictConfig:
    try:
        # Tags that name Python objects are refused: a config file must not run code by being read.
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        # omegaconf's own loader reads 1e-3 as a number and refuses duplicate keys, which YAML 1.1 does not.
        loaded = OmegaConf.load(path) if content is not None else OmegaConf.create({})
    except yaml.YAMLError as error:
        raise ValueError(f"LazyConfig.load: {path} is not a plain YAML file: {error}") from error
    if not isinstance(loaded, DictConfig):
        raise ValueError(f"LazyConfig.load: {path} must hold a dictionary at its top level, got a list")
    loaded._set_flag("allow_objects", True)
    return loaded


def _run_python(path: Path, chain: tuple[Path, ...]) -> dict[str, Any]:
    path = path.resolve()
    if path in chain:
        circle = " -> ".join(str(step) for step in [*chain[chain.index(path) :], path])
        raise ImportError(f"LazyConfig.load: config files import each other in a circle: {circle}")
    own_builtins = dict(vars(builtins), __import__=_config_import)
    namespace: dict[str, Any] = {
        "__builtins__": own_builtins,
        "__file__": str(path),
        "__name__": f"detectory_config.{path.stem}",
        "__package__": "detectory_config",
        _CHAIN: (*chain, path),
    }
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), namespace)
    return namespace


def _config_import(
    name: str,
    globals: Mapping[str, Any] | None = None,
    locals: Mapping[str, Any] | None = None,
    fromlist: Sequence[str] | None = (),
    level: int = 0,
) -> Any:
    """Stand in for `__import__` inside config files: relative names are files, all others real modules."""
    if level == 0 or globals is None:
        return builtins.__import__(name, globals, locals, fromlist or (), level)
    chain: tuple[Path, ...] = globals[_CHAIN]
    folder = chain[-1].parents[level - 1].joinpath(*name.split(".")) if name else chain[-1].parents[level - 1]
    if not name:
        return SimpleNamespace(**{item: SimpleNamespace(**_sibling(folder / item, chain)) for item in fromlist or ()})
    found = _sibling(folder, chain)
    for wanted in fromlist or ():
        if wanted != "*" and wanted not in found:
            known = [key for key in found if not key.startswith("_")]
            raise ImportError(
                f"{chain[-1]}: '{wanted}' is not defined in {found['__file__']}: {nearest(wanted, known)}"
            )
    return SimpleNamespace(**found)


def _sibling(stem: Path, chain: tuple[Path, ...]) -> dict[str, Any]:
    path = stem.with_name(f"{stem.name}.py")
    if not path.is_file():
        if stem.is_dir():
            raise ImportError(f"{chain[-1]}: a relative import must name a config file, but {stem} is a folder")
        siblings = [file.stem for file in stem.parent.glob("*.py")] if stem.parent.is_dir() else []
        raise ImportError(f"{chain[-1]}: no config file at {path}: {nearest(stem.name, siblings)}")
    namespace = _run_python(path, chain)
    return {key: value if key.startswith("__") else as_config(value) for key, value in namespace.items()}
