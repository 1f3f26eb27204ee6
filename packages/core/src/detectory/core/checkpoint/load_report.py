"""What was loaded into a model and what was not, as a table for people."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import nn

from detectory.core.suggestions import nearest_names

_SHOWN = 20


@dataclass
class LoadReport:
    """The names of a model and a checkpoint after loading.

    Attributes:
        loaded: Names of the model that got the checkpoint's values.
        missing_keys: Names of the model that the checkpoint does not have.
        unexpected_keys: Names of the checkpoint that the model does not have.
        incorrect_shapes: `(name, the checkpoint's shape, the model's shape)` of those that differ; not loaded.
    """

    loaded: list[str] = field(default_factory=list)
    missing_keys: list[str] = field(default_factory=list)
    unexpected_keys: list[str] = field(default_factory=list)
    incorrect_shapes: list[tuple[str, tuple[int, ...], tuple[int, ...]]] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether every name of both sides found its counterpart."""
        return not (self.missing_keys or self.unexpected_keys or self.incorrect_shapes)

    def table(self) -> str:
        """Return the counts and the names that differ, with the nearest names of the other side."""
        wrong = [
            f"'{name}': checkpoint {theirs}, model {ours}" for name, theirs, ours in self.incorrect_shapes[:_SHOWN]
        ]
        sections = [
            ("loaded", len(self.loaded), []),
            (
                "missing in the checkpoint",
                len(self.missing_keys),
                _with_nearest(self.missing_keys, self.unexpected_keys),
            ),
            ("unexpected in the checkpoint", len(self.unexpected_keys), _with_nearest(self.unexpected_keys, [])),
            ("of another shape, not loaded", len(self.incorrect_shapes), wrong),
        ]
        lines = []
        for title, count, names in sections:
            lines.append(f"{title:<30}{count:>6}")
            lines += [f"    {name}" for name in names]
            if names and count > len(names):
                lines.append(f"    … and {count - len(names)} more")
        return "\n".join(lines)


def load_into(model: nn.Module, state: dict[str, torch.Tensor]) -> LoadReport:
    """Copy the tensors of `state` into the model where name and shape agree; tell about the rest.

    Entries of another shape are removed from `state`.
    """
    own = model.state_dict()
    wrong = [
        (name, tuple(state[name].shape), tuple(own[name].shape))
        for name in sorted(own.keys() & state.keys())
        if _is_materialised(model, name) and state[name].shape != own[name].shape
    ]
    for name, _, _ in wrong:
        # In place, as the dictionary carries the modules' versions for their own conversions of old layouts.
        state.pop(name)
    result = model.load_state_dict(state, strict=False)
    wrong_names = {name for name, _, _ in wrong}
    missing = [name for name in result.missing_keys if name not in wrong_names]
    loaded = [name for name in own if name in state]
    return LoadReport(loaded, missing, list(result.unexpected_keys), wrong)


def _is_materialised(model: nn.Module, name: str) -> bool:
    """Say whether a tensor has a shape yet; lazy modules get theirs from the checkpoint."""
    path, _, attribute = name.rpartition(".")
    value = getattr(model.get_submodule(path), attribute, None)
    return not isinstance(value, (nn.UninitializedParameter, nn.UninitializedBuffer))


def _with_nearest(names: list[str], others: Mapping[str, object] | list[str]) -> list[str]:
    shown = []
    for name in names[:_SHOWN]:
        close = nearest_names(name, others, limit=1)
        shown.append(f"'{name}' (the checkpoint has '{close[0]}')" if close else f"'{name}'")
    return shown
