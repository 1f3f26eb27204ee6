"""Checkpointer that also reads ImageNet checkpoints of HRNet."""

from typing import Any

from detectory.compat.detectron2.checkpoint import DetectionCheckpointer

__all__ = ["DensePoseCheckpointer"]

#: Entries of the published ImageNet checkpoints of HRNet, and those of them in its stages.
_HRNET_ENTRIES, _HRNET_STAGE_ENTRIES = 1956, 1716


class DensePoseCheckpointer(DetectionCheckpointer):
    """`DetectionCheckpointer` that recognizes ImageNet checkpoints of HRNet by the number of their entries."""

    def _load_file(self, filename: str) -> dict[str, Any]:
        content = super()._load_file(filename)
        state = content.get("model", {})
        names = list(state)
        if len(names) == _HRNET_ENTRIES and sum(n.startswith("stage") for n in names) == _HRNET_STAGE_ENTRIES:
            content["model"] = {f"backbone.bottom_up.{name}": value for name, value in state.items()}
        return content
