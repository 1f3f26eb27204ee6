"""Parts that the recipes share: backbone and learning-rate schedule."""

from collections.abc import Sequence

from omegaconf import DictConfig

from detectory.core.config import LazyCall
from detectory.projects.deeplab import deeplab_resnet

RGB = {"pixel_mean": [123.675, 116.28, 103.53], "pixel_std": [58.395, 57.12, 57.375]}
#: ImageNet weights of ResNets with DeepLab's stem, by depth; the names count the two additional convolutions.
WEIGHTS = {50: "detectron2://DeepLab/R-52.pkl", 101: "detectron2://DeepLab/R-103.pkl"}
_SCHEDULES = "detectory.engine.schedules"


def backbone(depth: int, out_features: Sequence[str]) -> DictConfig:
    """Return a ResNet with output stride 16 and synchronized batch norm."""
    return LazyCall(deeplab_resnet)(depth=depth, norm="SyncBN", out_features=list(out_features))


def poly_schedule(max_iter: int, power: float = 0.9, warmup_iters: int = 1000) -> DictConfig:
    """Return the schedule `(1 - iteration / max_iter) ** power` after a linear warm-up."""
    return LazyCall(f"{_SCHEDULES}.WarmupParamScheduler")(
        scheduler=LazyCall(f"{_SCHEDULES}.PolynomialDecayParamScheduler")(base_value=1.0, power=power),
        warmup_length=min(warmup_iters / max_iter, 1.0),
        warmup_method="linear",
        warmup_factor=0.001,
    )
