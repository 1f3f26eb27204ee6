"""Backbones of cross-stage partial layers: CSPDarknet and CSPNeXt."""

from collections.abc import Sequence

from torch import Tensor, nn

from detectory.modeling.backbone import Backbone

from .blocks import ConvStyle, CSPLayer, Focus, SPPBottleneck


class CSPStage(nn.Module):
    """A convolution of stride 2, spatial pyramid pooling if `pooled`, and a cross-stage partial layer.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        depth: Number of blocks.
        block: Key of `BLOCKS`.
        shortcut: Whether the blocks have shortcuts.
        attention: Whether the layer has channel attention.
        pooled: Whether the stage has spatial pyramid pooling.
        style: The convolutions.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        depth: int,
        *,
        block: str,
        shortcut: bool,
        attention: bool,
        pooled: bool,
        style: ConvStyle,
    ) -> None:
        super().__init__()
        self.downsample = style.spatial(in_channels, out_channels, 3, stride=2)
        self.spp = SPPBottleneck(out_channels, style) if pooled else nn.Identity()
        self.csp = CSPLayer(
            out_channels, out_channels, depth, block=block, shortcut=shortcut, attention=attention, style=style
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, in_channels, H, W)` to `(B, out_channels, H / 2, W / 2)`."""
        return self.csp(self.spp(self.downsample(x)))


class CSPBackbone(Backbone):
    """A stem of stride 2 and stages of cross-stage partial layers.

    The outputs are named `"stage1"`, `"stage2"`, …, and have stride 4, 8, …. The last stage has spatial pyramid
    pooling, and no shortcuts.

    Args:
        stem: Maps images to features of stride 2.
        stem_channels: Channels of the stem's output.
        stage_channels: Channels of each stage.
        depths: Number of blocks of each stage.
        block: Key of `BLOCKS`.
        attention: Whether the stages have channel attention.
        style: The convolutions.
        out_features: Names of the outputs; by default all stages but the first.

    Raises:
        ValueError: If `stage_channels` and `depths` differ in length.
    """

    def __init__(
        self,
        *,
        stem: nn.Module,
        stem_channels: int,
        stage_channels: Sequence[int],
        depths: Sequence[int],
        block: str,
        attention: bool,
        style: ConvStyle,
        out_features: Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        if len(stage_channels) != len(depths):
            raise ValueError(
                f"{type(self).__name__}: stage_channels and depths must have the same length,"
                f" got {len(stage_channels)} and {len(depths)}"
            )
        self.stem = stem
        self.stage_names = [f"stage{i + 1}" for i in range(len(depths))]
        channels = stem_channels
        for name, stage_width, depth in zip(self.stage_names, stage_channels, depths, strict=True):
            last = name == self.stage_names[-1]
            stage = CSPStage(
                channels,
                stage_width,
                depth,
                block=block,
                shortcut=not last,
                attention=attention,
                pooled=last,
                style=style,
            )
            self.add_module(name, stage)
            channels = stage_width
        self._out_features = list(self.stage_names[1:] if out_features is None else out_features)
        self._out_feature_channels = dict(zip(self.stage_names, stage_channels, strict=True))
        self._out_feature_strides = {name: 4 * 2**i for i, name in enumerate(self.stage_names)}

    @property
    def size_divisibility(self) -> int:
        """The stride of the last stage."""
        return self._out_feature_strides[self.stage_names[-1]]

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map images `(B, 3, H, W)` to feature maps by name."""
        x = self.stem(x)
        outputs: dict[str, Tensor] = {}
        for name in self.stage_names:
            x = getattr(self, name)(x)
            if name in self._out_features:
                outputs[name] = x
        return outputs


class CSPDarknet(CSPBackbone):
    """The backbone of YOLOX.

    YOLOX-L has a stem of 64 channels, stages of 128, 256, 512 and 1024 channels, and 3, 9, 9 and 3 blocks.

    Args:
        stem_channels: Channels of the stem.
        stage_channels: Channels of each stage.
        depths: Number of blocks of each stage.
        depthwise: Whether convolutions are depthwise separable, as in YOLOX-Nano.
        norm_eps: Constant added to the variance by the batch norms.
        out_features: Names of the outputs; by default all stages but the first.

    Source: Ge et al., "YOLOX: Exceeding YOLO Series in 2021", 2021.
    """

    def __init__(
        self,
        stem_channels: int = 64,
        stage_channels: Sequence[int] = (128, 256, 512, 1024),
        depths: Sequence[int] = (3, 9, 9, 3),
        *,
        depthwise: bool = False,
        norm_eps: float = 1e-3,
        out_features: Sequence[str] | None = None,
    ) -> None:
        style = ConvStyle(depthwise, norm_eps)
        super().__init__(
            stem=Focus(3, stem_channels, style),
            stem_channels=stem_channels,
            stage_channels=stage_channels,
            depths=depths,
            block="darknet",
            attention=False,
            style=style,
            out_features=out_features,
        )


class CSPNeXt(CSPBackbone):
    """The backbone of RTMDet: large depthwise kernels and channel attention.

    RTMDet-L has a stem of 64 channels, stages of 128, 256, 512 and 1024 channels, and 3, 6, 6 and 3 blocks.

    Args:
        stem_channels: Channels of the stem.
        stage_channels: Channels of each stage.
        depths: Number of blocks of each stage.
        norm_eps: Constant added to the variance by the batch norms.
        out_features: Names of the outputs; by default all stages but the first.

    Source: Lyu et al., "RTMDet: An Empirical Study of Designing Real-Time Object Detectors", 2022, section 3.2.
    """

    def __init__(
        self,
        stem_channels: int = 64,
        stage_channels: Sequence[int] = (128, 256, 512, 1024),
        depths: Sequence[int] = (3, 6, 6, 3),
        *,
        norm_eps: float = 1e-5,
        out_features: Sequence[str] | None = None,
    ) -> None:
        style = ConvStyle(norm_eps=norm_eps)
        half = stem_channels // 2
        super().__init__(
            stem=nn.Sequential(
                style.dense(3, half, 3, stride=2), style.dense(half, half, 3), style.dense(half, stem_channels, 3)
            ),
            stem_channels=stem_channels,
            stage_channels=stage_channels,
            depths=depths,
            block="cspnext",
            attention=True,
            style=style,
            out_features=out_features,
        )
