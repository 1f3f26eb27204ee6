"""Report of which parameters a checkpoint load matched, missed or skipped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import nn

from detectory.core.suggestions import nearest_names

_SHOWN = 20
_SHOWN_INLINE = 2


@dataclass
class LoadReport:
    """Parameter names of a model and a checkpoint after loading.

    Attributes:
        loaded: Parameters of the model that were loaded from the checkpoint.
        missing_keys: Parameters of the model that are not in the checkpoint.
        unexpected_keys: Parameters of the checkpoint that are not in the model.
        incorrect_shapes: `(name, checkpoint shape, model shape)` of parameters skipped because their shapes differ.
    """

    loaded: list[str] = field(default_factory=list)
    missing_keys: list[str] = field(default_factory=list)
    unexpected_keys: list[str] = field(default_factory=list)
    incorrect_shapes: list[tuple[str, tuple[int, ...], tuple[int, ...]]] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether all names and shapes match."""
        return not (self.missing_keys or self.unexpected_keys or self.incorrect_shapes)

    def nothing_loaded(self) -> str | None:
        """Return a description with example names if no parameter was loaded into a model that has some, else None."""
        names = sorted([name for name, _, _ in self.incorrect_shapes] + self.unexpected_keys)
        if self.loaded or not (self.missing_keys or self.incorrect_shapes):
            return None
        if not names:
            return "it contains no parameters"
        own = sorted(self.missing_keys + [name for name, _, _ in self.incorrect_shapes])
        return f"none of its {len(names)} parameters fits. Its names: {shorten(names)}. The model's: {shorten(own)}"

    def mostly_other_shapes(self, sizes: Mapping[str, int]) -> str | None:
        """Return a description if over a third of the elements were skipped for their shapes, else None.

        Networks of different blocks or width share names, and by chance some parameters of the same shape: half of the
        elements of a ResNet-18 fit those of a ResNet-50. New heads on the same backbone are a smaller part.

        Args:
            sizes: Number of elements of the model's parameters and buffers.
        """
        skipped = sum(sizes.get(name, 0) for name, _, _ in self.incorrect_shapes)
        if 2 * skipped <= sum(sizes.get(name, 0) for name in self.loaded):
            return None
        name, theirs, ours = max(self.incorrect_shapes, key=lambda item: sizes.get(item[0], 0))
        count = len(self.incorrect_shapes)
        return f"{count} of its parameters have other shapes, such as {name}: {theirs} instead of {ours}"

    def differences(self) -> list[str]:
        """Return one short description per type of mismatch; empty if all names and shapes match."""
        shapes = [f"'{name}' has shape {saved}, now {current}" for name, saved, current in self.incorrect_shapes]
        groups = {"": shapes, "new parameters: ": self.missing_keys, "removed parameters: ": self.unexpected_keys}
        return [prefix + shorten(names) for prefix, names in groups.items() if names]

    def table(self) -> str:
        """Return a table of counts and mismatched names, each with the most similar name of the other side."""
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
            ("shape mismatch, not loaded", len(self.incorrect_shapes), wrong),
        ]
        lines = []
        for title, count, names in sections:
            lines.append(f"{title:<30}{count:>6}")
            lines += [f"    {name}" for name in names]
            if names and count > len(names):
                lines.append(f"    … and {count - len(names)} more")
        return "\n".join(lines)


def shorten(names: Sequence[str]) -> str:
    """Return the first names and the number of the others."""
    others = len(names) - _SHOWN_INLINE
    return ", ".join(names[:_SHOWN_INLINE]) + (f" and {others} more" if others > 0 else "")


def load_into(model: nn.Module, state: dict[str, torch.Tensor]) -> LoadReport:
    """Copy the tensors of `state` into the model if name and shape match, and report the others.

    Entries with a different shape are removed from `state`. A module with other parameter names in earlier
    versions has a method `rename_checkpoint_keys(state, prefix)`, which renames them in place. The method receives all
    entries of the checkpoint and the name of the module, followed by a dot unless it is empty.
    """
    for path, module in model.named_modules():
        rename = getattr(module, "rename_checkpoint_keys", None)
        if callable(rename):
            rename(state, f"{path}." if path else "")
    own = model.state_dict()
    wrong = [
        (name, tuple(state[name].shape), tuple(own[name].shape))
        for name in sorted(own.keys() & state.keys())
        if _is_materialised(model, name) and state[name].shape != own[name].shape
    ]
    for name, _, _ in wrong:
        # In place: `state` may carry module versions (`_metadata`), which modules use to convert old layouts.
        state.pop(name)
    result = model.load_state_dict(state, strict=False)
    wrong_names = {name for name, _, _ in wrong}
    missing = [name for name in result.missing_keys if name not in wrong_names]
    loaded = [name for name in own if name in state]
    return LoadReport(loaded, missing, list(result.unexpected_keys), wrong)


def _is_materialised(model: nn.Module, name: str) -> bool:
    """Whether a tensor has a shape already. Lazy modules take theirs from the checkpoint."""
    path, _, attribute = name.rpartition(".")
    value = getattr(model.get_submodule(path), attribute, None)
    return not isinstance(value, (nn.UninitializedParameter, nn.UninitializedBuffer))


def _with_nearest(names: list[str], others: Mapping[str, object] | list[str]) -> list[str]:
    shown = []
    for name in names[:_SHOWN]:
        close = nearest_names(name, others, limit=1)
        shown.append(f"'{name}' (the checkpoint has '{close[0]}')" if close else f"'{name}'")
    return shown
