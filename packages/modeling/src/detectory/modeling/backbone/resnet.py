"""ResNet as a detection backbone."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from detectory.core.suggestions import nearest
from detectory.modeling.layers import CNNBlockBase, ShapeSpec

from .backbone import Backbone
from .resnet_blocks import BasicBlock, BasicStem, BottleneckBlock, DeformBottleneckBlock

#: Number of blocks of each stage, by depth.
BLOCKS_PER_STAGE = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}

__all__ = ["BasicBlock", "BasicStem", "BottleneckBlock", "DeformBottleneckBlock", "ResNet"]


class ResNet(Backbone):
    """Residual network: a stem and stages of blocks. The outputs are named `"stem"`, `"res2"`, `"res3"`, ….

    Args:
        stem: Module with the attributes `stride` and `out_channels`, such as `BasicStem`.
        stages: The blocks of each stage, see `make_stage`. Stages after the last output are discarded.
        num_classes: Number of classes of a classifier on the averaged features, whose output is named `"linear"`;
            `None` for no classifier.
        out_features: Names of the outputs; `None` for the last one.
        freeze_at: Number of frozen parts, see `freeze`.

    Raises:
        ValueError: If a name in `out_features` is unknown, or a stage has no blocks.

    Source: He et al., "Deep Residual Learning for Image Recognition", 2016.
    """

    def __init__(
        self,
        stem: Any,
        stages: Sequence[Sequence[CNNBlockBase]],
        num_classes: int | None = None,
        out_features: Sequence[str] | None = None,
        freeze_at: int = 0,
    ) -> None:
        super().__init__()
        self.stem: Any = stem
        self.num_classes = num_classes
        self._out_feature_strides = {"stem": stem.stride}
        self._out_feature_channels = {"stem": stem.out_channels}
        names = [f"res{i + 2}" for i in range(len(stages))]
        if out_features is not None:
            # Stages after the last output have no effect on the outputs, only a cost. With an unknown name all are
            # kept, so that the error below can suggest any of them.
            num_stages = [names.index(name) + 1 for name in out_features if name in names]
            num_kept = len(stages) if "linear" in out_features else max(num_stages, default=0)
            if all(name in (*names, "stem", "linear") for name in out_features):
                names = names[:num_kept]
                stages = stages[:num_kept]
        stride = stem.stride
        channels = stem.out_channels
        for name, blocks in zip(names, stages, strict=True):
            if not blocks:
                raise ValueError(f"ResNet: stage {name} has no blocks")
            self.add_module(name, nn.Sequential(*blocks))
            for block in blocks:
                stride *= block.stride
            channels = blocks[-1].out_channels
            self._out_feature_strides[name] = stride
            self._out_feature_channels[name] = channels
        self.stage_names = tuple(names)
        if num_classes is not None:
            self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
            self.linear = nn.Linear(channels, num_classes)
            # Initialization of Goyal et al., "Accurate, Large Minibatch SGD", 2017, section 5.1.
            nn.init.normal_(self.linear.weight, std=0.01)
            names = [*names, "linear"]
        self._out_features = list(out_features or [names[-1] if names else "stem"])
        for name in self._out_features:
            if name not in ("stem", *names):
                raise ValueError(f"ResNet: unknown out_features {name!r}; {nearest(name, ('stem', *names))}")
        self.freeze(freeze_at)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map images to feature maps.

        Args:
            x: Images `(B, C, H, W)`.

        Returns:
            The feature maps `(B, channels, H / stride, W / stride)` by name; `"linear"` has the shape `(B,
            num_classes)`.

        Raises:
            ValueError: If `x` is not four-dimensional.
        """
        if x.dim() != 4:
            raise ValueError(f"ResNet: x must have shape (B, C, H, W), got {tuple(x.shape)}")
        outputs = {}
        for name in ("stem", *self.stage_names):
            x = getattr(self, name)(x)
            if name in self._out_features:
                outputs[name] = x
        if self.num_classes is not None:
            x = self.linear(self.avgpool(x).flatten(1))
            if "linear" in self._out_features:
                outputs["linear"] = x
        return outputs

    def __prepare_scriptable__(self) -> nn.Module:
        """Return the module for `torch.jit.script`: the same stages in a list.

        A network with a classifier or another `forward` is compiled as it is.
        """
        is_own = type(self).forward is ResNet.forward and self.num_classes is None
        return _ScriptableResNet(self) if is_own else self

    def output_shape(self) -> dict[str, ShapeSpec]:
        """Return the channels and stride of every output by name; the output of the classifier has no stride."""
        shapes = {
            name: ShapeSpec(channels=self._out_feature_channels[name], stride=self._out_feature_strides[name])
            for name in self._out_features
            if name != "linear"
        }
        return shapes | {"linear": ShapeSpec(channels=self.num_classes)} if "linear" in self._out_features else shapes

    def freeze(self, freeze_at: int = 0) -> "ResNet":
        """Freeze the first parts: their parameters get no gradients, their batch norms become frozen ones.

        Args:
            freeze_at: 1 freezes the stem, 2 the stem and `res2`, and so on; 0 freezes nothing.

        Returns:
            The network itself.
        """
        if freeze_at >= 1:
            self.stem.freeze()
        for name in self.stage_names[: max(freeze_at - 1, 0)]:
            for block in getattr(self, name):
                block.freeze()
        return self

    @staticmethod
    def make_stage(
        block_class: type[CNNBlockBase], num_blocks: int, *, in_channels: int, out_channels: int, **kwargs: Any
    ) -> list[CNNBlockBase]:
        """Create the blocks of one stage.

        Args:
            block_class: Class of the blocks.
            num_blocks: Number of blocks.
            in_channels: Input channels of the first block.
            out_channels: Output channels of every block.
            kwargs: Further arguments of `block_class`. An argument `<name>_per_block` is a sequence with the value of
                `<name>` for each block.

        Returns:
            The blocks in order.

        Raises:
            ValueError: If a `<name>_per_block` does not have `num_blocks` values, or `<name>` is given as well.
        """
        per_block = {key.removesuffix("_per_block"): v for key, v in kwargs.items() if key.endswith("_per_block")}
        shared = {key: value for key, value in kwargs.items() if not key.endswith("_per_block")}
        for key, values in per_block.items():
            if len(values) != num_blocks:
                raise ValueError(f"make_stage: {key}_per_block must have {num_blocks} values, got {list(values)}")
            if key in shared:
                raise ValueError(f"make_stage: {key} and {key}_per_block cannot both be given")
        blocks = []
        for i in range(num_blocks):
            block_kwargs = shared | {key: values[i] for key, values in per_block.items()}
            blocks.append(block_class(in_channels=in_channels, out_channels=out_channels, **block_kwargs))
            in_channels = out_channels
        return blocks

    @staticmethod
    def make_default_stages(
        depth: int, block_class: type[CNNBlockBase] | None = None, **kwargs: Any
    ) -> list[list[CNNBlockBase]]:
        """Create the four stages of a published ResNet.

        Args:
            depth: 18, 34, 50, 101 or 152.
            block_class: Class of the blocks; by default `BasicBlock` for depths below 50, otherwise `BottleneckBlock`.
            kwargs: Further arguments of `make_stage`, except channels and strides. `stride_in_1x1` is ignored for
                `BasicBlock`.

        Returns:
            Four lists of blocks.

        Raises:
            ValueError: If `depth` is not a published one.

        Source: He et al., "Deep Residual Learning", 2016, table 1.
        """
        if depth not in BLOCKS_PER_STAGE:
            raise ValueError(f"make_default_stages: depth must be one of {list(BLOCKS_PER_STAGE)}, got {depth}")
        is_basic = depth < 50
        block_class = block_class or (BasicBlock if is_basic else BottleneckBlock)
        if block_class is BasicBlock:
            kwargs.pop("stride_in_1x1", None)
        stage_channels = (64, 128, 256, 512) if is_basic else (256, 512, 1024, 2048)
        stages = []
        in_channels = 64
        for num_blocks, out_channels, stride in zip(BLOCKS_PER_STAGE[depth], stage_channels, (1, 2, 2, 2), strict=True):
            bottleneck = {} if is_basic else {"bottleneck_channels": out_channels // 4}
            stages.append(
                ResNet.make_stage(
                    block_class,
                    num_blocks,
                    in_channels=in_channels,
                    out_channels=out_channels,
                    stride_per_block=[stride] + [1] * (num_blocks - 1),
                    **bottleneck,
                    **kwargs,
                )
            )
            in_channels = out_channels
        return stages


class _ScriptableResNet(nn.Module):
    """A ResNet with its stages in a list: TorchScript does not support access by name."""

    def __init__(self, resnet: ResNet) -> None:
        super().__init__()
        self.names: list[str] = ["stem", *resnet.stage_names]
        self.out_features: list[str] = list(resnet._out_features)
        self.stages = nn.ModuleList(getattr(resnet, name) for name in self.names)
        self.train(resnet.training)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        outputs: dict[str, Tensor] = {}
        for i, stage in enumerate(self.stages):
            x = stage(x)
            if self.names[i] in self.out_features:
                outputs[self.names[i]] = x
        return outputs
