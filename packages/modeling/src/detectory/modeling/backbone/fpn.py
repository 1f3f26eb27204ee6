"""Feature pyramid network (FPN)."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from detectory.core.suggestions import nearest
from detectory.modeling.layers import Conv2d, ShapeSpec, c2_xavier_fill, get_norm
from detectory.modeling.layers.norms import NormSpec

from .backbone import Backbone

FUSE_TYPES = ("sum", "avg")


class FPN(Backbone):
    """Feature pyramid network: a top-down pathway with lateral connections to the levels of a backbone.

    The outputs are named `"p<k>"` and have stride `2 ** k`.

    Args:
        bottom_up: The backbone.
        in_features: Names of the backbone outputs to use, from fine to coarse; each stride is twice the previous one.
        out_channels: Channels of every output.
        norm: Norm after every convolution, as in `get_norm`. Without a norm, convolutions have a bias.
        top_block: Module that computes additional coarser levels. Its attributes `num_levels` and `in_feature` are the
            number of levels and the name of its input, an output of the backbone or of the pyramid.
        fuse_type: `"sum"` adds the upsampled coarser level to the lateral one, `"avg"` averages them.
        square_pad: Side length of the square that images are padded to; 0 for the minimal padding.

    Raises:
        ValueError: If a name or `fuse_type` is unknown, `in_features` are empty, or the strides do not double.

    Source: Lin et al., "Feature Pyramid Networks for Object Detection", 2017, section 3.
    """

    def __init__(
        self,
        bottom_up: Backbone,
        in_features: Sequence[str],
        out_channels: int,
        norm: NormSpec = "",
        top_block: Any = None,
        fuse_type: str = "sum",
        square_pad: int = 0,
    ) -> None:
        super().__init__()
        shapes = bottom_up.output_shape()
        for name in in_features:
            if name not in shapes:
                raise ValueError(f"FPN: bottom_up has no output {name!r}; {nearest(name, shapes)}")
        if not in_features:
            raise ValueError("FPN: in_features must not be empty")
        if fuse_type not in FUSE_TYPES:
            raise ValueError(f"FPN: unknown fuse_type {fuse_type!r}; {nearest(fuse_type, FUSE_TYPES)}")
        strides = [shapes[name].stride for name in in_features]
        _check_strides(strides)
        levels = [int(math.log2(stride)) for stride in strides]
        for name, level in zip(in_features, levels, strict=True):
            lateral = Conv2d(shapes[name].channels, out_channels, 1, bias=not norm, norm=get_norm(norm, out_channels))
            output = Conv2d(out_channels, out_channels, 3, padding=1, bias=not norm, norm=get_norm(norm, out_channels))
            c2_xavier_fill(lateral)
            c2_xavier_fill(output)
            self.add_module(f"fpn_lateral{level}", lateral)
            self.add_module(f"fpn_output{level}", output)
        self.bottom_up = bottom_up
        self.top_block: Any = top_block
        self.in_features = tuple(in_features)
        self.fuse_type = fuse_type
        self.square_pad = square_pad
        self._levels = levels
        extra = top_block.num_levels if top_block is not None else 0
        self._out_feature_strides = {f"p{k}": 2**k for k in range(levels[0], levels[-1] + extra + 1)}
        self._out_features = list(self._out_feature_strides)
        self._out_feature_channels = dict.fromkeys(self._out_features, out_channels)

    @property
    def size_divisibility(self) -> int:
        """The stride of the coarsest input: the upsampled level then has exactly the size of the next finer one."""
        return 2 ** self._levels[-1]

    @property
    def padding_constraints(self) -> dict[str, int]:
        """The square that images are padded to, if there is one."""
        return {"square_size": self.square_pad} if self.square_pad else {}

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map images `(B, C, H, W)` to `{"p<k>": (B, out_channels, H / 2**k, W / 2**k)}`, from fine to coarse."""
        features = self.bottom_up(x)
        outputs: list[Tensor] = []
        coarser: Tensor | None = None
        for name, level in zip(reversed(self.in_features), reversed(self._levels), strict=True):
            merged = getattr(self, f"fpn_lateral{level}")(features[name])
            if coarser is not None:
                merged = merged + F.interpolate(coarser, scale_factor=2.0, mode="nearest")
                if self.fuse_type == "avg":
                    merged = merged / 2
            outputs.insert(0, getattr(self, f"fpn_output{level}")(merged))
            coarser = merged
        if self.top_block is not None:
            source = self.top_block.in_feature
            top = features[source] if source in features else outputs[self._out_features.index(source)]
            outputs.extend(self.top_block(top))
        return dict(zip(self._out_features, outputs, strict=True))

    def __prepare_scriptable__(self) -> nn.Module:
        """Return the module for `torch.jit.script`: the same layers in lists. Subclasses are compiled as they are."""
        return _ScriptableFPN(self) if type(self) is FPN else self

    def output_shape(self) -> dict[str, ShapeSpec]:
        """Return the channels and stride of every level by name."""
        return super().output_shape()


class _ScriptableFPN(nn.Module):
    """An FPN with its layers in lists, from coarse to fine: TorchScript does not support access by name."""

    def __init__(self, fpn: FPN) -> None:
        super().__init__()
        self.bottom_up = fpn.bottom_up
        self.top_block = fpn.top_block
        levels = fpn._levels[::-1]
        self.laterals = nn.ModuleList(getattr(fpn, f"fpn_lateral{level}") for level in levels)
        self.outputs = nn.ModuleList(getattr(fpn, f"fpn_output{level}") for level in levels)
        self.in_features: list[str] = list(fpn.in_features[::-1])
        self.names: list[str] = list(fpn._out_features)
        self.is_mean = fpn.fuse_type == "avg"
        self.source = "" if fpn.top_block is None else str(fpn.top_block.in_feature)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        features = self.bottom_up(x)
        levels: list[Tensor] = []
        coarser = x
        for i, (lateral, output) in enumerate(zip(self.laterals, self.outputs)):  # noqa: B905 - TorchScript: no strict
            merged = lateral(features[self.in_features[i]])
            if i > 0:
                merged = merged + F.interpolate(coarser, scale_factor=2.0, mode="nearest")
                if self.is_mean:
                    merged = merged / 2
            levels.insert(0, output(merged))
            coarser = merged
        if self.top_block is not None:
            top = features[self.source] if self.source in features else levels[self.names.index(self.source)]
            levels.extend(self.top_block(top))
        named: dict[str, Tensor] = {}
        for i, level in enumerate(levels):
            named[self.names[i]] = level
        return named


def _check_strides(strides: list[int]) -> None:
    """Raise a ValueError unless each stride is twice the previous one."""
    for fine, coarse in itertools.pairwise(strides):
        if coarse != 2 * fine:
            raise ValueError(f"FPN: strides of in_features must double from level to level, got {strides}")


class LastLevelMaxPool(nn.Module):
    """One additional level, P6: every second cell of P5. Used by Faster R-CNN's RPN.

    Source: Lin et al., "Feature Pyramid Networks", 2017, footnote 4.
    """

    def __init__(self) -> None:
        super().__init__()
        self.num_levels = 1
        self.in_feature = "p5"

    def forward(self, x: Tensor) -> list[Tensor]:
        """Map P5 `(B, C, H, W)` to `[P6]`, `(B, C, H / 2, W / 2)`."""
        return [F.max_pool2d(x, kernel_size=1, stride=2, padding=0)]


class LastLevelP6P7(nn.Module):
    """Two additional levels, P6 and P7, by 3×3 convolutions with stride 2. Used by RetinaNet and FCOS.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of both levels.
        in_feature: Name of the input, an output of the backbone or of the pyramid.

    Source: Lin et al., "Focal Loss for Dense Object Detection", 2017, footnote 2.
    """

    def __init__(self, in_channels: int, out_channels: int, in_feature: str = "res5") -> None:
        super().__init__()
        self.num_levels = 2
        self.in_feature = in_feature
        self.p6 = Conv2d(in_channels, out_channels, 3, 2, 1)
        self.p7 = Conv2d(out_channels, out_channels, 3, 2, 1)
        for layer in (self.p6, self.p7):
            c2_xavier_fill(layer)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Map `(B, in_channels, H, W)` to P6 and P7, with `out_channels` and 1/2 and 1/4 of the resolution."""
        p6 = self.p6(x)
        return [p6, self.p7(F.relu(p6))]
