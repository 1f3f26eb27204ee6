"""Checkpoints under fvcore's module path, with the methods that projects override."""

import logging
from collections.abc import Collection, MutableMapping
from typing import Any, NamedTuple

import numpy as np
import torch

from detectory.core import checkpoint as native
from detectory.core.checkpoint import LoadReport, PeriodicCheckpointer

__all__ = [
    "Checkpointer",
    "PeriodicCheckpointer",
    "_IncompatibleKeys",
    "_strip_prefix_if_present",
    "get_missing_parameters_message",
    "get_unexpected_parameters_message",
]


class _IncompatibleKeys(NamedTuple):
    """Names that a checkpoint and a model do not share, and `(name, checkpoint shape, model shape)` mismatches."""

    missing_keys: list[str]
    unexpected_keys: list[str]
    incorrect_shapes: list[tuple[str, tuple[int, ...], tuple[int, ...]]]


class OverridableLoading:
    """Loading steps that subclasses override; mixed into the native checkpointers."""

    logger = logging.getLogger("fvcore.common.checkpoint")
    _path = ""

    def resume_or_load(self, path: str, *, resume: bool = True) -> dict[str, Any]:
        """Resume from the newest checkpoint, or load only the model from `path`.

        The native search skips damaged files and agrees between processes. It is replaced if a subclass overrides
        `has_checkpoint` or `get_checkpoint_file`.
        """
        names = ("has_checkpoint", "get_checkpoint_file")
        is_overridden = any(getattr(type(self), name) is not getattr(native.Checkpointer, name) for name in names)
        if not resume or not is_overridden:
            return super().resume_or_load(path, resume=resume)  # type: ignore[misc]
        if not self.has_checkpoint():  # type: ignore[attr-defined]
            return super().resume_or_load(path, resume=False)  # type: ignore[misc]
        self.resumed_from = self.get_checkpoint_file()  # type: ignore[attr-defined]
        return self.load(self.resumed_from)  # type: ignore[attr-defined]

    def _load_model(self, checkpoint: dict[str, Any], path: str | None = None) -> Any:
        """Load `checkpoint["model"]` into the model and return the incompatible names."""
        self._convert_ndarray_to_tensor(checkpoint["model"])
        self.last_report = super()._load_model(checkpoint, self._path if path is None else path)  # type: ignore[misc]
        return _IncompatibleKeys(
            self.last_report.missing_keys, self.last_report.unexpected_keys, self.last_report.incorrect_shapes
        )

    def _restore_model(self, content: dict[str, Any], path: str) -> LoadReport:
        self._path = path
        self.last_report = LoadReport()
        incompatible = self._load_model(content)
        content.pop("model", None)
        if incompatible is not None:
            self._log_incompatible_keys(incompatible)
        return self.last_report

    def _log_report(self, report: LoadReport, path: str) -> None:
        """Do nothing: `_log_incompatible_keys` has logged the names."""

    def _log_incompatible_keys(self, incompatible: _IncompatibleKeys) -> None:
        """Log the names that a checkpoint and the model do not share."""
        for name, theirs, ours in incompatible.incorrect_shapes:
            self.logger.warning("skipping '%s' of the checkpoint: shape %s, the model has %s", name, theirs, ours)
        if incompatible.missing_keys:
            self.logger.warning("%s", get_missing_parameters_message(incompatible.missing_keys))
        if incompatible.unexpected_keys:
            self.logger.warning("%s", get_unexpected_parameters_message(incompatible.unexpected_keys))

    def _convert_ndarray_to_tensor(self, state_dict: MutableMapping[str, Any]) -> None:
        """Convert the arrays of a state dict to tensors in place.

        Raises:
            ValueError: If a value is neither an array nor a tensor.
        """
        for name, value in list(state_dict.items()):
            if not isinstance(value, np.ndarray | torch.Tensor):
                raise ValueError(f"checkpoint: '{name}' must be an array or a tensor, got {type(value).__name__}")
            if isinstance(value, np.ndarray):
                state_dict[name] = torch.from_numpy(value)


class Checkpointer(OverridableLoading, native.Checkpointer):
    """`detectory.core.checkpoint.Checkpointer` with fvcore's overridable methods."""


def get_missing_parameters_message(keys: Collection[str]) -> str:
    """Return a message that lists parameters missing in a checkpoint."""
    return "some model parameters or buffers are not found in the checkpoint:\n" + _lines(keys)


def get_unexpected_parameters_message(keys: Collection[str]) -> str:
    """Return a message that lists parameters that only a checkpoint has."""
    return "the checkpoint has parameters that are not used by the model:\n" + _lines(keys)


def _lines(keys: Collection[str]) -> str:
    return "\n".join(f"  {key}" for key in sorted(keys))


def _strip_prefix_if_present(state_dict: MutableMapping[str, Any], prefix: str) -> None:
    """Remove a prefix that all names of a state dict have, in place and in `_metadata`."""
    names = sorted(state_dict)
    if not names or not all(not name or name.startswith(prefix) for name in names):
        return
    for mapping in (state_dict, getattr(state_dict, "_metadata", None) or {}):
        for name in list(mapping):
            if name == prefix.rstrip(".") or name.startswith(prefix):
                mapping[name[len(prefix) :]] = mapping.pop(name)
