"""Readers for Python and YAML config files, with relative imports between Python config files."""

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
    """Return the content of a YAML config file, or the top-level names of a Python config file.

    A Python file is executed each time it is read, in a new namespace, so two configs that import the same file never
    share a node. In it, `from .folder.file import name` imports a sibling config file (no `__init__.py` needed);
    absolute imports work as usual.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If the suffix is not `.py`, `.yaml` or `.yml`, or a YAML file is not a dictionary.
        ImportError: If a relative import names a missing file or name, or is circular.
    """
    if not path.is_file():
        raise FileNotFoundError(f"LazyConfig.load: {path} does not exist")
    if path.suffix == ".py":
        return _run_python(path, ())
    if path.suffix in (".yaml", ".yml"):
        return _read_yaml(path)
    raise ValueError(f"LazyConfig.load: filename must end in .py, .yaml or .yml, got {path}")


def as_config(value: Any) -> Any:
    """Convert a dictionary to an omegaconf node that may contain any object; return other values unchanged."""
    if isinstance(value, dict):
        return DictConfig(value, flags={"allow_objects": True})
    return value


def _read_yaml(path: Path) -> DictConfig:
    try:
        # safe_load refuses tags that name Python objects: reading a config file must not execute code.
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        # omegaconf's loader parses 1e-3 as a number and rejects duplicate keys, unlike PyYAML.
        loaded = OmegaConf.load(path) if content is not None else OmegaConf.create({})
    except yaml.YAMLError as error:
        raise ValueError(f"LazyConfig.load: {path} is not a plain YAML file: {error}") from error
    if not isinstance(loaded, DictConfig):
        raise ValueError(f"LazyConfig.load: {path} must contain a dictionary at the top level, got a list")
    loaded._set_flag("allow_objects", True)
    return loaded


def _run_python(path: Path, chain: tuple[Path, ...]) -> dict[str, Any]:
    path = path.resolve()
    if path in chain:
        circle = " -> ".join(str(step) for step in [*chain[chain.index(path) :], path])
        raise ImportError(f"LazyConfig.load: circular import of config files: {circle}")
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
    """Replace `__import__` in config files: relative names are config files, absolute names are modules."""
    if level == 0 or globals is None:
        return builtins.__import__(name, globals, locals, fromlist or (), level)
    chain: tuple[Path, ...] = globals[_CHAIN]
    folder = chain[-1].parents[level - 1].joinpath(*name.split(".")) if name else chain[-1].parents[level - 1]
    if not name:
        return SimpleNamespace(**{item: SimpleNamespace(**_sibling(folder / item, chain)) for item in fromlist or ()})
    content = _sibling(folder, chain)
    for wanted in fromlist or ():
        if wanted != "*" and wanted not in content:
            known = [key for key in content if not key.startswith("_")]
            raise ImportError(
                f"{chain[-1]}: '{wanted}' is not defined in {content['__file__']}: {nearest(wanted, known)}"
            )
    return SimpleNamespace(**content)


def _sibling(stem: Path, chain: tuple[Path, ...]) -> dict[str, Any]:
    path = stem.with_name(f"{stem.name}.py")
    if not path.is_file():
        if stem.is_dir():
            raise ImportError(f"{chain[-1]}: a relative import must name a config file, but {stem} is a folder")
        siblings = [file.stem for file in stem.parent.glob("*.py")] if stem.parent.is_dir() else []
        raise ImportError(f"{chain[-1]}: relative import: {path} does not exist: {nearest(stem.name, siblings)}")
    namespace = _run_python(path, chain)
    return {key: value if key.startswith("__") else as_config(value) for key, value in namespace.items()}
