"""Backbones from the timm library."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from .backbone import Backbone


class TimmBackbone(Backbone):
    """A timm model that returns its feature maps. Requires `pip install detectory-modeling[timm]`.

    The outputs are named by their strides, as those of a ResNet: `"res<k>"` has stride `2 ** k`.

    Args:
        model_name: Name of the model, see `timm.list_models()`.
        out_indices: Indices of the feature maps to return; `None` for all.
        pretrained: Whether to download and load timm's pre-trained weights.
        in_chans: Channels of the image.
        kwargs: Further arguments of `timm.create_model`.

    Raises:
        ImportError: If timm is not installed.
        ValueError: If two feature maps have the same stride, as those of plain transformers.
    """

    def __init__(
        self,
        model_name: str,
        out_indices: Sequence[int] | None = None,
        pretrained: bool = False,
        in_chans: int = 3,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        try:
            import timm
        except ImportError as error:
            raise ImportError("TimmBackbone needs timm: pip install detectory-modeling[timm]") from error
        if out_indices is not None:
            kwargs["out_indices"] = tuple(out_indices)
        self.model = timm.create_model(
            model_name, pretrained=pretrained, features_only=True, in_chans=in_chans, **kwargs
        )
        strides = self.model.feature_info.reduction()
        channels = self.model.feature_info.channels()
        names = [f"res{stride.bit_length() - 1}" for stride in strides]
        if len(set(names)) != len(names):
            raise ValueError(f"TimmBackbone: feature maps of {model_name} must have different strides, got {strides}")
        self._out_features = names
        self._out_feature_channels = dict(zip(names, channels, strict=True))
        self._out_feature_strides = dict(zip(names, strides, strict=True))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map images `(B, in_chans, H, W)` to feature maps `(B, channels, H / 2**k, W / 2**k)` named `"res<k>"`."""
        maps = self.model(x)
        if maps[-1].shape[1] != self._out_feature_channels[self._out_features[-1]]:
            maps = [x.permute(0, 3, 1, 2) for x in maps]  # some timm transformers return (B, H, W, C)
        return dict(zip(self._out_features, maps, strict=True))
