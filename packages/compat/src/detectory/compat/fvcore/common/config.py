"""`CfgNode`: a settings tree with attribute access, fixed keys and types, merged from YAML files and lists."""

import ast
import copy
import importlib
import importlib.util
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, Any, ClassVar, TypeVar

import yaml

from detectory.compat.fvcore.common.safe_yaml import load_yaml
from detectory.core.storage import open_file
from detectory.core.suggestions import nearest

BASE_KEY = "_BASE_"
_LEAVES = (tuple, list, str, int, float, bool, type(None))

_logger = logging.getLogger(__name__)
Node = TypeVar("Node", bound="CfgNode")


def _base_class() -> type:
    """Return the `CfgNode` of yacs if installed, so that its nodes can merge ours, otherwise `dict`."""
    spec = importlib.util.find_spec("yacs")
    if spec is None or spec.origin is None or "detectory" in Path(spec.origin).parts:  # the alias of this module
        return dict
    return importlib.import_module("yacs.config").CfgNode


class CfgNode(_base_class()):  # type: ignore[misc]
    """A dictionary with attribute access whose values are leaves or nested nodes.

    Merging (`merge_from_file`, `merge_from_list`, `merge_from_other_cfg`) changes the values of existing keys and
    checks their types; assignment (`cfg.A.B = 1`) can add keys. Leaves are numbers, strings, booleans, `None`, lists
    and tuples.

    Args:
        init_dict: Keys and values; nested dictionaries become nodes.
        key_list: Path of this node in a larger tree, for error messages.
        new_allowed: Allow merging to add keys.

    Raises:
        TypeError: If a value is not a valid leaf; the message names its key.
    """

    IMMUTABLE: ClassVar[str] = "__immutable__"
    DEPRECATED_KEYS: ClassVar[str] = "__deprecated_keys__"
    RENAMED_KEYS: ClassVar[str] = "__renamed_keys__"
    NEW_ALLOWED: ClassVar[str] = "__new_allowed__"

    def __init__(
        self, init_dict: Mapping[str, Any] | None = None, key_list: list[str] | None = None, new_allowed: bool = False
    ) -> None:
        dict.__init__(self, self._create_config_tree_from_dict(init_dict or {}, key_list or []))
        self.__dict__[CfgNode.IMMUTABLE] = False
        self.__dict__[CfgNode.DEPRECATED_KEYS] = set()
        self.__dict__[CfgNode.RENAMED_KEYS] = {}
        self.__dict__[CfgNode.NEW_ALLOWED] = new_allowed

    @classmethod
    def _create_config_tree_from_dict(cls, source: Mapping[str, Any], parents: list[str]) -> dict[str, Any]:
        nodes = {}
        for key, value in source.items():
            path = [*parents, str(key)]
            if isinstance(value, Mapping) and not isinstance(value, CfgNode):
                value = cls(value, key_list=path)
            _check_leaf(value, ".".join(path))
            nodes[key] = value
        return nodes

    # ------------------------------------------------------------------ access

    def __getattr__(self, name: str) -> Any:
        if name in self:
            return self[name]
        if name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(f"the config has no key '{name}' here, {nearest(name, self)}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__:
            raise AttributeError(f"'{name}' is reserved by CfgNode, use another key")
        if name.startswith("COMPUTED_"):
            self._set_computed(name, value)
            return
        if self.is_frozen():
            raise AttributeError(f"the config is frozen: cannot set '{name}' to {value!r}. Call defrost() first")
        self[name] = self._create_config_tree_from_dict({name: value}, [])[name]

    def __delattr__(self, name: str) -> None:
        if name not in self:
            raise AttributeError(f"the config has no key '{name}' here, {nearest(name, self)}")
        del self[name]

    def _set_computed(self, name: str, value: Any) -> None:
        if name in self and self[name] != value:
            raise KeyError(f"the computed key '{name}' is already {self[name]!r}, cannot change it to {value!r}")
        self[name] = value

    def __str__(self) -> str:
        lines = []
        for key in sorted(self, key=str):
            value = self[key]
            if isinstance(value, CfgNode):
                lines.append(f"{key}:")
                lines.extend(f"  {line}" for line in str(value).splitlines())
            else:
                lines.append(f"{key}: {value}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({dict.__repr__(self)})"

    def clone(self: Node) -> Node:
        """Return a deep copy."""
        return copy.deepcopy(self)

    def dump(self, **kwargs: Any) -> str:
        """Return the tree as YAML text; arguments are passed to `yaml.safe_dump`."""
        return yaml.safe_dump(_plain(self), **kwargs)

    # ------------------------------------------------------------------ freezing

    def freeze(self) -> None:
        """Make the node and its children immutable."""
        self._immutable(True)

    def defrost(self) -> None:
        """Make the node and its children mutable."""
        self._immutable(False)

    def _immutable(self, is_immutable: bool) -> None:
        """Set whether the node and its children are immutable."""
        self._set_everywhere(CfgNode.IMMUTABLE, is_immutable)

    def is_frozen(self) -> bool:
        """Return whether the node is immutable."""
        return self.__dict__.get(CfgNode.IMMUTABLE, False)

    def set_new_allowed(self, is_new_allowed: bool) -> None:
        """Set for the node and its children whether merging can add keys."""
        self._set_everywhere(CfgNode.NEW_ALLOWED, is_new_allowed)

    def is_new_allowed(self) -> bool:
        """Return whether merging can add keys."""
        return self.__dict__.get(CfgNode.NEW_ALLOWED, False)

    def _set_everywhere(self, flag: str, value: bool) -> None:
        self.__dict__[flag] = value
        for child in self.values():
            if isinstance(child, CfgNode):
                child._set_everywhere(flag, value)

    # ------------------------------------------------------------------ old keys

    def register_deprecated_key(self, key: str) -> None:
        """Ignore `key` (`"A.B"`) with a warning if it is merged."""
        self.__dict__[CfgNode.DEPRECATED_KEYS].add(key)

    def register_renamed_key(self, old_name: str, new_name: str, message: str | None = None) -> None:
        """Reject `old_name` if it is merged, with an error that names `new_name`."""
        self.__dict__[CfgNode.RENAMED_KEYS][old_name] = (new_name, message)

    def key_is_deprecated(self, full_key: str) -> bool:
        """Return whether `full_key` is deprecated, and log a warning if so."""
        if full_key not in self.__dict__[CfgNode.DEPRECATED_KEYS]:
            return False
        _logger.warning("ignoring the deprecated config key '%s'", full_key)
        return True

    def key_is_renamed(self, full_key: str) -> bool:
        """Return whether `full_key` was renamed."""
        return full_key in self.__dict__[CfgNode.RENAMED_KEYS]

    def raise_key_rename_error(self, full_key: str) -> None:
        """Raise the `KeyError` for a renamed key."""
        new_name, message = self.__dict__[CfgNode.RENAMED_KEYS][full_key]
        note = f" ({message})" if message else ""
        raise KeyError(f"the config key '{full_key}' was renamed to '{new_name}'{note}")

    # ------------------------------------------------------------------ merging

    @classmethod
    def load_yaml_with_base(cls, filename: str, allow_unsafe: bool = False) -> dict[str, Any]:
        """Load a YAML file on top of its `_BASE_` files (one path or a list, relative to the file).

        Args:
            filename: A path or URL supported by `detectory.core.storage.open_file`.
            allow_unsafe: Use PyYAML's unsafe loader, which executes code in the file. Only for trusted files.

        Raises:
            ValueError: If the YAML is malformed, has a refused tag, is not a mapping, or if files are the `_BASE_` of
                each other in a circle; the message names the file.
        """
        return _load_with_bases(str(filename), allow_unsafe, (), cls._open_cfg)

    @classmethod
    def _open_cfg(cls, filename: str) -> IO[str]:
        """Open a config file for reading; subclasses may read other storage."""
        return open_file(filename, "r")

    def merge_from_file(self, cfg_filename: str, allow_unsafe: bool = False) -> None:
        """Merge a YAML file and its bases; see `load_yaml_with_base`."""
        loaded = self.load_yaml_with_base(str(cfg_filename), allow_unsafe)
        self.merge_from_other_cfg(type(self)(loaded))

    def merge_from_other_cfg(self, cfg_other: "CfgNode") -> None:
        """Merge the values of `cfg_other`.

        Raises:
            KeyError: If a key is unknown (the message lists the nearest) or renamed.
            ValueError: If a value has a different type than the one it replaces.
        """
        if BASE_KEY in cfg_other:
            raise KeyError(f"'{BASE_KEY}' is only supported in files, not in a merged config")
        _merge(cfg_other, self, self, [])

    def merge_from_list(self, cfg_list: Iterable[Any]) -> None:
        """Merge alternating keys and values such as `["A.B", "1", "C", "[2, 3]"]`; text values are parsed.

        Raises:
            ValueError: If the number of entries is odd, or a value has a different type.
            KeyError: If a key is unknown or renamed.
        """
        entries = list(cfg_list)
        if len(entries) % 2:
            raise ValueError(f"merge_from_list: keys and values must alternate, got {len(entries)} entries: {entries}")
        for full_key, value in zip(entries[::2], entries[1::2], strict=True):
            if full_key == BASE_KEY:
                raise KeyError(f"'{BASE_KEY}' is only supported in files, not in a list of settings")
            if self.key_is_deprecated(full_key):
                continue
            if self.key_is_renamed(full_key):
                self.raise_key_rename_error(full_key)
            *parents, last = full_key.split(".")
            node = self
            for depth, part in enumerate([*parents, last]):
                if not isinstance(node, CfgNode) or part not in node:
                    known = node if isinstance(node, CfgNode) else []
                    place = ".".join(full_key.split(".")[: depth + 1])
                    raise KeyError(f"merge_from_list: the config has no key '{place}', {nearest(part, known)}")
                if depth < len(parents):
                    node = node[part]
            decoded = self._decode_cfg_value(value)
            node[last] = _coerced(decoded, node[last], full_key)

    @classmethod
    def load_cfg(cls, cfg_file_obj_or_str: IO[str] | str) -> "CfgNode":
        """Build a config from YAML text or an open YAML file.

        Raises:
            ValueError: If the text is not a YAML mapping, or the file is a Python file, which is not executed.
        """
        source = getattr(cfg_file_obj_or_str, "name", "")
        if str(source).endswith((".py", ".pyc")):
            raise ValueError(f"load_cfg: {source} is a Python file. Load it with LazyConfig.load, or pass YAML")
        if isinstance(cfg_file_obj_or_str, str):
            return cls._load_cfg_from_yaml_str(cfg_file_obj_or_str)
        return cls._load_cfg_from_file(cfg_file_obj_or_str)

    @classmethod
    def _load_cfg_from_file(cls, file_obj: IO[str]) -> "CfgNode":
        """Build a config from an open YAML file."""
        return cls._load_cfg_from_yaml_str(file_obj.read())

    @classmethod
    def _load_cfg_from_yaml_str(cls, str_obj: str) -> "CfgNode":
        """Build a config from YAML text."""
        loaded = load_yaml(str_obj)
        if not isinstance(loaded, dict):
            raise ValueError(f"load_cfg: expected a YAML mapping, got {type(loaded).__name__}")
        return cls(loaded)

    @classmethod
    def _decode_cfg_value(cls, value: Any) -> Any:
        """Parse text as a Python literal if possible, and convert dictionaries to nodes."""
        if isinstance(value, Mapping) and not isinstance(value, CfgNode):
            return cls(value)
        if not isinstance(value, str):
            return value
        try:
            return ast.literal_eval(value)
        except (ValueError, SyntaxError):
            return value


def _check_leaf(value: Any, key: str) -> None:
    if not isinstance(value, (*_LEAVES, CfgNode, Mapping)):
        raise TypeError(f"CfgNode: the value of '{key}' must be a number, text, list or node, got {type(value)}")


def _plain(value: Any) -> Any:
    """Convert nodes to dictionaries and tuples to lists, for YAML."""
    if isinstance(value, Mapping):
        return {key: _plain(child) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(child) for child in value]
    return value


def _load_with_bases(
    filename: str, allow_unsafe: bool, descendants: tuple[str, ...], open_config: Callable[[str], IO[str]]
) -> dict[str, Any]:
    """Load a file on top of its bases; `descendants` are the files whose `_BASE_` led to it."""
    chain = (*descendants, os.path.normpath(filename) if "://" not in filename else filename)
    if chain[-1] in descendants:
        raise ValueError(f"{descendants[0]}: {BASE_KEY} leads in a circle: {' -> '.join(chain)}")
    loaded = _load_mapping(filename, allow_unsafe, open_config)
    bases = loaded.pop(BASE_KEY, [])
    merged: dict[str, Any] = {}
    for base in [bases] if isinstance(bases, str) else bases if isinstance(bases, list | tuple) else [None]:
        if not isinstance(base, str):
            raise ValueError(f"{filename}: {BASE_KEY} must be a path or a list of paths, got {bases!r}")
        _overlay(_load_with_bases(_relative_to(base, filename), allow_unsafe, chain, open_config), merged)
    _overlay(loaded, merged)
    return merged


def _load_mapping(filename: str, allow_unsafe: bool, open_config: Callable[[str], IO[str]]) -> dict[str, Any]:
    with open_config(filename) as stream:
        try:
            loaded = yaml.unsafe_load(stream) if allow_unsafe else load_yaml(stream)
        except yaml.YAMLError as error:
            raise ValueError(f"{filename}: cannot load this config: {error}") from error
    if not isinstance(loaded, dict):
        raise ValueError(f"{filename}: a config file must be a YAML mapping, got {type(loaded).__name__}")
    return loaded


def _relative_to(base: str, filename: str) -> str:
    if base.startswith("~"):
        return str(Path(base).expanduser())
    if "://" in base or Path(base).is_absolute():
        return base
    folder = filename.rpartition("/")[0]
    return f"{folder}/{base}" if folder else base


def _overlay(source: Mapping[str, Any], target: dict[str, Any]) -> None:
    """Update `target` with `source`, recursively where both have dictionaries."""
    for key, value in source.items():
        if isinstance(value, dict) and isinstance(target.get(key), dict):
            _overlay(value, target[key])
        elif isinstance(value, dict):
            target[key] = {}
            _overlay(value, target[key])
        else:
            target[key] = value


def _merge(source: CfgNode, target: CfgNode, root: CfgNode, parents: list[str]) -> None:
    for key, value in source.items():
        full_key = ".".join([*parents, str(key)])
        decoded = root._decode_cfg_value(copy.deepcopy(value))
        if key in target:
            decoded = _coerced(decoded, target[key], full_key)
            if isinstance(decoded, CfgNode) and isinstance(target[key], CfgNode):
                _merge(decoded, target[key], root, [*parents, str(key)])
            else:
                target[key] = decoded
        elif target.is_new_allowed():
            target[key] = decoded
        elif root.key_is_renamed(full_key):
            root.raise_key_rename_error(full_key)
        elif not root.key_is_deprecated(full_key):
            raise KeyError(f"the config has no key '{full_key}', {nearest(str(key), target)}")


def _coerced(new: Any, old: Any, full_key: str) -> Any:
    """Convert `new` to the type of `old`: between lists and tuples, and from integers to floats."""
    if isinstance(old, CfgNode) and isinstance(new, CfgNode):
        return new
    if isinstance(old, CfgNode):
        shown = ", ".join(map(str, list(old)[:3])) + (", …" if len(old) > 3 else "")
        raise ValueError(f"the config key '{full_key}' is a section with keys such as {shown}, got {new!r}")
    if type(new) is type(old) or new is None or old is None:
        return new
    if isinstance(old, tuple | list) and isinstance(new, tuple | list):
        return type(old)(new)
    if isinstance(old, float) and isinstance(new, int) and not isinstance(new, bool):
        return float(new)
    raise ValueError(
        f"the config key '{full_key}' has type {type(old).__name__} ({old!r}), got {type(new).__name__} ({new!r})"
    )
