"""Parsing and application of command-line overrides such as `model.roi_heads.num_classes=3`."""

import re
from typing import Any

import yaml
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from detectory.core.config.dotted_path import locate
from detectory.core.config.signature import named_arguments
from detectory.core.suggestions import nearest

_FORM = re.compile(r"(?P<mode>\+\+|\+|~)?(?P<key>[^=\s]+?)(?:=(?P<value>.*))?", re.DOTALL)
_TOKEN = re.compile(
    r"""\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\$\{[^}]*\}|[\[\]{}(),:]|[^\[\]{}(),:"'\s][^\[\]{}(),:]*)"""
)
_CLOSING = {"[": "]", "{": "}"}


def apply_override(cfg: DictConfig, override: str) -> None:
    """Apply one override to `cfg` in place: `key=value`, `+new_key=value` or `~key`."""
    match = _FORM.fullmatch(override)
    if match is None or (match["value"] is None and match["mode"] != "~"):
        raise ValueError(f"apply_overrides: expected key=value, +key=value or ~key, got '{override}'")
    parts = _split_key(match["key"])
    if match["mode"] in ("+", "++"):
        _add_parents(cfg, parts)
    parent: Any = _find_parent(cfg, parts, override)
    if match["mode"] == "~":
        _check_known(parent, parts, override)
        del parent[parts[-1]]
        return
    if match["mode"] is None:
        _check_known(parent, parts, override)
    try:
        value = parse_value(match["value"])
    except ValueError as error:
        reason = str(error).removeprefix("apply_overrides: ")
        raise ValueError(f"apply_overrides: '{override}': {reason}") from error
    if match["mode"] is None:
        _check_type(parent, parts, value, override)
    parent._set_flag("allow_objects", True)
    # Replace instead of merge: merging would keep keys that do not appear on the command line.
    parent[parts[-1]] = value


def _check_type(parent: Any, parts: list[str | int], value: Any, override: str) -> None:
    """Check that a value can replace the current one: a part by a part, a number by a number, a list by a list.

    `null` and interpolations can replace anything, and a number a list of numbers, such as a size.
    """
    name = parts[-1]
    if value is None or (isinstance(parent, DictConfig) and name not in parent) or "${" in override:
        return
    if OmegaConf.is_interpolation(parent, name) or OmegaConf.is_missing(parent, name):
        return
    current: Any = parent[name]
    expected = None
    if isinstance(current, DictConfig) and not isinstance(value, (dict, list)):
        names = [f"{'.'.join(map(str, parts))}.{key!s}" for key in current if key != "_target_"]
        expected = f"a group of settings; change one of them, such as {names[0]}" if names else None
    elif isinstance(current, bool) and isinstance(value, str):
        expected = "true or false"
    elif isinstance(current, (int, float)) and isinstance(value, (str, dict)):
        expected = "a number"
    elif isinstance(current, ListConfig) and isinstance(value, (str, dict)):
        expected = f"a list, such as {override.partition('=')[0]}=[{value}]" if isinstance(value, str) else "a list"
    if expected is not None:
        raise ValueError(f"apply_overrides: '{override}': '{'.'.join(map(str, parts))}' must be {expected}")


def parse_value(text: str) -> Any:
    """Parse a command-line value: a number, `true`, `null`, quoted text, `[1,2]` or `{a:1}`."""
    stripped = text.strip()
    if not stripped.startswith(("[", "{")):
        return _scalar(stripped)
    tokens = [match[1].strip() for match in _TOKEN.finditer(stripped)]
    value, rest = _read(tokens, text)
    if rest:
        raise ValueError(f"apply_overrides: unexpected '{rest[0]}' in the value '{text}'")
    return value


def _scalar(text: str) -> Any:
    if not text:
        return ""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1].replace(f"\\{text[0]}", text[0])
    # Unresolved: an interpolation must be resolved at its destination in the config.
    try:
        content: Any = OmegaConf.to_container(OmegaConf.from_dotlist([f"value={text}"]), resolve=False)
    except (yaml.YAMLError, OmegaConfBaseException) as error:
        reason = (getattr(error, "problem", None) or str(error)).partition("\n")[0]
        hint = "Quote text, such as key='\"a: b\"'"
        raise ValueError(f"apply_overrides: the value {text!r} cannot be read: {reason}. {hint}") from error
    return content["value"]


def _read(tokens: list[str], text: str) -> tuple[Any, list[str]]:
    """Parse one value from the front of `tokens`; return the value and the remaining tokens."""
    if not tokens:
        raise ValueError(f"apply_overrides: value '{text}' ends too early")
    head, rest = tokens[0], tokens[1:]
    if head not in _CLOSING:
        return _scalar(head), rest
    items: list[Any] = []
    while rest and rest[0] != _CLOSING[head]:
        item, rest = _read(rest, text)
        if head == "{":
            if not rest or rest[0] != ":":
                raise ValueError(f"apply_overrides: expected ':' after '{item}' in the value '{text}'")
            value, rest = _read(rest[1:], text)
            item = (item, value)
        items.append(item)
        if rest and rest[0] == ",":
            rest = rest[1:]
    if not rest:
        raise ValueError(f"apply_overrides: '{_CLOSING[head]}' is missing in the value '{text}'")
    return (dict(items) if head == "{" else items), rest[1:]


def _split_key(key: str) -> list[str | int]:
    parts = re.findall(r"[^.\[\]]+", key)
    return [int(part) if re.fullmatch(r"-?\d+", part) else part for part in parts]


def _add_parents(cfg: DictConfig, parts: list[str | int]) -> None:
    """Add the missing dictionaries above a new key."""
    node: Any = cfg
    for part in parts[:-1]:
        if not isinstance(node, DictConfig):
            return
        if node.get(part) is None:
            node._set_flag("allow_objects", True)
            node[part] = {}
        node = node[part]


def _find_parent(cfg: DictConfig, parts: list[str | int], override: str) -> DictConfig | ListConfig:
    node: Any = cfg
    for position, part in enumerate(parts[:-1]):
        _check_known(node, parts[: position + 1], override)
        node = node[part]
        if not isinstance(node, (DictConfig, ListConfig)):
            where = ".".join(str(step) for step in parts[: position + 1])
            raise KeyError(
                f"apply_overrides: '{override}': '{where}' must be a config node, got {type(node).__name__}: {node!r}"
            )
    return node


def _check_known(parent: DictConfig | ListConfig, parts: list[str | int], override: str) -> None:
    name = parts[-1]
    if isinstance(parent, ListConfig):
        if not isinstance(name, int) or not -len(parent) <= name < len(parent):
            raise KeyError(f"apply_overrides: '{override}': index must be below {len(parent)}, got '{name}'")
        return
    if name in parent:
        return
    known = {str(key) for key in parent if key != "_target_"} | set(_arguments_of(parent))
    if name not in known:
        raise KeyError(
            f"apply_overrides: '{override}': unknown key '{'.'.join(str(part) for part in parts)}', "
            f"{nearest(str(name), known)} (+{override.lstrip('+~')} adds a new key)"
        )


def _arguments_of(node: DictConfig) -> list[str]:
    """Return the arguments that a call node accepts, including those it does not set."""
    target = node.get("_target_")
    if isinstance(target, str):
        try:
            target = locate(target)
        except ImportError:
            return []
    return named_arguments(target) if callable(target) else []
