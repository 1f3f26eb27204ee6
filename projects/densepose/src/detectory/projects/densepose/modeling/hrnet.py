"""HRNet: a backbone that keeps a high resolution by parallel branches.

Source: Sun et al., "Deep High-Resolution Representation Learning for Human Pose Estimation", 2019, section 3.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from detectory.modeling.backbone import Backbone


@dataclass
class HRNetStage:
    """Settings of a stage.

    Attributes:
        num_channels: Channels of the branches, from fine to coarse.
        num_blocks: Residual blocks of each branch in a module.
        num_modules: Number of modules; each ends with an exchange between the branches.
        block: `"BASIC"` or `"BOTTLENECK"`.
    """

    num_channels: Sequence[int]
    num_blocks: Sequence[int]
    num_modules: int
    block: str = "BASIC"


#: Stages 2 to 4 of HRNet-W32.
W32_STAGES = (
    HRNetStage((32, 64), (4, 4), 1),
    HRNetStage((32, 64, 128), (4, 4, 4), 4),
    HRNetStage((32, 64, 128, 256), (4, 4, 4, 4), 3),
)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, momentum=0.1)


def _conv3(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)


class _BasicBlock(nn.Module):
    expansion = 1

    def __init__(self, inputs: int, channels: int, downsample: nn.Module | None = None) -> None:
        super().__init__()
        self.conv1, self.bn1 = _conv3(inputs, channels), _norm(channels)
        self.conv2, self.bn2 = _conv3(channels, channels), _norm(channels)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(x)) + shortcut)


class _Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, inputs: int, channels: int, downsample: nn.Module | None = None) -> None:
        super().__init__()
        outputs = channels * self.expansion
        self.conv1, self.bn1 = nn.Conv2d(inputs, channels, 1, bias=False), _norm(channels)
        self.conv2, self.bn2 = _conv3(channels, channels), _norm(channels)
        self.conv3, self.bn3 = nn.Conv2d(channels, outputs, 1, bias=False), _norm(outputs)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        return F.relu(self.bn3(self.conv3(x)) + shortcut)


_BLOCKS: dict[str, type[_BasicBlock] | type[_Bottleneck]] = {"BASIC": _BasicBlock, "BOTTLENECK": _Bottleneck}


def _blocks(name: str, inputs: int, channels: int, count: int) -> nn.Sequential:
    """Return residual blocks; the shortcut of the first one changes the number of channels if necessary."""
    if name not in _BLOCKS:
        raise ValueError(f"HRNet: block must be one of {sorted(_BLOCKS)}, got {name!r}")
    block = _BLOCKS[name]
    outputs = channels * block.expansion
    shortcut = None
    if inputs != outputs:
        shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), _norm(outputs))
    return nn.Sequential(block(inputs, channels, shortcut), *(block(outputs, channels) for _ in range(count - 1)))


class _Exchange(nn.Module):
    """A module: residual blocks in each branch, then every branch receives the sum of all."""

    def __init__(self, stage: HRNetStage) -> None:
        super().__init__()
        expansion = _BLOCKS[stage.block].expansion
        widths = [channels * expansion for channels in stage.num_channels]
        self.branches = nn.ModuleList(
            _blocks(stage.block, width, channels, count)
            for width, channels, count in zip(widths, stage.num_channels, stage.num_blocks, strict=True)
        )
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(self._fusion(widths, source, target) for source in range(len(widths)))
            for target in range(len(widths))
        )

    @staticmethod
    def _fusion(widths: list[int], source: int, target: int) -> nn.Module:
        if source == target:
            return nn.Identity()
        if source > target:
            return nn.Sequential(
                nn.Conv2d(widths[source], widths[target], 1, bias=False),
                _norm(widths[target]),
                nn.Upsample(scale_factor=2 ** (source - target), mode="nearest"),
            )
        steps: list[nn.Module] = []
        for step in range(target - source):
            is_end = step == target - source - 1
            outputs = widths[target] if is_end else widths[source]
            layers: list[nn.Module] = [_conv3(widths[source], outputs, stride=2), _norm(outputs)]
            steps.append(nn.Sequential(*layers, *([] if is_end else [nn.ReLU()])))
        return nn.Sequential(*steps)

    def forward(self, branches: list[Tensor]) -> list[Tensor]:
        branches = [branch(x) for branch, x in zip(self.branches, branches, strict=True)]
        outputs = []
        for layers in self.fuse_layers:
            fused = [layer(x) for layer, x in zip(layers.children(), branches, strict=True)]
            total = fused[0]
            for other in fused[1:]:
                total = total + other
            outputs.append(F.relu(total))
        return outputs


class PoseHigherResolutionNet(Backbone):
    """HRNet with four stages; the outputs `"res2"` to `"res5"` have strides 4 to 32.

    Args:
        stages: Stages 2 to 4.
        stem_inplanes: Channels of the two convolutions at the input.
    """

    def __init__(self, stages: Sequence[HRNetStage] = W32_STAGES, stem_inplanes: int = 64) -> None:
        super().__init__()
        if len(stages) != 3:
            raise ValueError(f"PoseHigherResolutionNet: stages must have 3 entries, got {len(stages)}")
        self.conv1, self.bn1 = _conv3(3, stem_inplanes, stride=2), _norm(stem_inplanes)
        self.conv2, self.bn2 = _conv3(stem_inplanes, stem_inplanes, stride=2), _norm(stem_inplanes)
        self.layer1 = _blocks("BOTTLENECK", stem_inplanes, 64, 4)
        widths = [256]
        for number, stage in enumerate(stages, 2):
            expansion = _BLOCKS[stage.block].expansion
            new = [channels * expansion for channels in stage.num_channels]
            self.add_module(f"transition{number - 1}", _transition(widths, new))
            modules = [_Exchange(stage) for _ in range(stage.num_modules)]
            self.add_module(f"stage{number}", nn.ModuleList(modules))
            widths = new
        self._out_features = [f"res{level}" for level in range(2, 2 + len(widths))]
        self._out_feature_channels = dict(zip(self._out_features, widths, strict=True))
        self._out_feature_strides = {name: 4 * 2**i for i, name in enumerate(self._out_features)}
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.001)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map images `(B, 3, H, W)` to the four branches by name."""
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        branches = [self.layer1(x)]
        for number in (2, 3, 4):
            transition = getattr(self, f"transition{number - 1}")
            coarsest = branches[-1]
            inputs = [*branches, *[coarsest] * (len(transition) - len(branches))]
            branches = [layer(y) for layer, y in zip(transition, inputs, strict=True)]
            for module in getattr(self, f"stage{number}"):
                branches = module(branches)
        return dict(zip(self._out_features, branches, strict=True))


def _transition(old: list[int], new: list[int]) -> nn.ModuleList:
    """Return one module per new branch: convolutions that change the channels, or halve the coarsest resolution."""
    layers: list[nn.Module] = []
    for index, channels in enumerate(new):
        if index < len(old):
            same = old[index] == channels
            change = nn.Sequential(_conv3(old[index], channels), _norm(channels), nn.ReLU())
            layers.append(nn.Identity() if same else change)
            continue
        steps = []
        for step in range(index + 1 - len(old)):
            outputs = channels if step == index - len(old) else old[-1]
            steps.append(nn.Sequential(_conv3(old[-1], outputs, stride=2), _norm(outputs), nn.ReLU()))
        layers.append(nn.Sequential(*steps))
    return nn.ModuleList(layers)
