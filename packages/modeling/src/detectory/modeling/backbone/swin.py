"""Swin transformer."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from .backbone import Backbone
from .swin_blocks import PatchMerging, SwinTransformerBlock
from .transformer_layers import init_transformer_weights


class SwinPatchEmbed(nn.Module):
    """Embed square patches; an image that is no multiple of them is padded.

    Args:
        patch_size: Side of a patch.
        in_chans: Channels of the image.
        embed_dim: Numbers of an embedding.
        norm_layer: Makes a norm over them, `None` for none.
    """

    def __init__(
        self,
        patch_size: int = 4,
        in_chans: int = 3,
        embed_dim: int = 96,
        norm_layer: Callable[[int], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.proj = nn.Conv2d(in_chans, embed_dim, patch_size, patch_size)
        self.norm = norm_layer(embed_dim) if norm_layer is not None else None

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, C, H, W)` to `(B, H', W', embed_dim)`."""
        height, width = x.shape[-2:]
        x = F.pad(x, (0, -width % self.patch_size, 0, -height % self.patch_size))
        x = self.proj(x).permute(0, 2, 3, 1)
        return x if self.norm is None else self.norm(x)


class BasicLayer(nn.Module):
    """One stage: blocks with plain and shifted windows in turn, and a halving of the resolution behind them.

    Args:
        dim: Channels.
        depth: Blocks.
        num_heads: Heads.
        window_size: Side of a window.
        mlp_ratio: Hidden numbers of an MLP for each channel.
        qkv_bias: Whether queries, keys and values have a bias.
        qk_scale: Factor of the logits; `None` for one over the root of a head's channels.
        drop: Share of numbers dropped in training.
        attn_drop: Share of attention weights dropped in training.
        drop_path: For every block, the probability that it is left out in training.
        norm_layer: Makes a norm over the last dimension.
        downsample: Makes the halving, `None` for none.
        use_checkpoint: Whether to compute activations again in the backward pass.
    """

    def __init__(
        self,
        dim: int,
        depth: int,
        num_heads: int,
        window_size: int = 7,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        qk_scale: float | None = None,
        drop: float = 0.0,
        attn_drop: float = 0.0,
        drop_path: Sequence[float] = (),
        norm_layer: Callable[[int], nn.Module] = nn.LayerNorm,
        downsample: Callable[..., nn.Module] | None = None,
        use_checkpoint: bool = False,
    ) -> None:
        super().__init__()
        self.use_checkpoint = use_checkpoint
        self.blocks = nn.ModuleList(
            SwinTransformerBlock(
                dim,
                num_heads,
                window_size,
                window_size // 2 if i % 2 else 0,
                mlp_ratio,
                qkv_bias,
                qk_scale,
                drop,
                attn_drop,
                drop_path[i] if drop_path else 0.0,
                norm_layer=norm_layer,
            )
            for i in range(depth)
        )
        self.downsample = downsample(dim, norm_layer) if downsample is not None else None

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map `(B, H, W, dim)` to the stage's output and, halved, the next stage's input."""
        for block in self.blocks:
            x = checkpoint(block, x, use_reentrant=False) if self.use_checkpoint else block(x)
        return x, x if self.downsample is None else self.downsample(x)


class SwinTransformer(Backbone):
    """A transformer in stages with attention in windows that are shifted from block to block.

    Outputs are named `"p0"` to `"p3"` with strides 4 to 32.

    Args:
        pretrain_img_size: Side of the images of pre-training, which sets the number of absolute positions.
        patch_size: Side of a patch.
        in_chans: Channels of the image.
        embed_dim: Channels of the first stage.
        depths: Blocks of every stage.
        num_heads: Heads of every stage.
        window_size: Side of a window.
        mlp_ratio: Hidden numbers of an MLP for each channel.
        qkv_bias: Whether queries, keys and values have a bias.
        qk_scale: Factor of the logits; `None` for one over the root of a head's channels.
        drop_rate: Share of numbers dropped in training.
        attn_drop_rate: Share of attention weights dropped in training.
        drop_path_rate: Probability that the last block is left out in training; earlier ones less, linearly.
        norm_layer: Makes a norm over the last dimension.
        ape: Whether absolute positions count.
        patch_norm: Whether patches are normalised.
        out_indices: Stages whose outputs are wanted.
        frozen_stages: Stages that are not trained: 0 freezes the patches, 1 also positions and the first stage,
            and so on; -1 freezes nothing.
        use_checkpoint: Whether to compute activations again in the backward pass.

    Source: Liu et al., "Swin Transformer", 2021.
    """

    def __init__(
        self,
        pretrain_img_size: int = 224,
        patch_size: int = 4,
        in_chans: int = 3,
        embed_dim: int = 96,
        depths: Sequence[int] = (2, 2, 6, 2),
        num_heads: Sequence[int] = (3, 6, 12, 24),
        window_size: int = 7,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        qk_scale: float | None = None,
        drop_rate: float = 0.0,
        attn_drop_rate: float = 0.0,
        drop_path_rate: float = 0.2,
        norm_layer: Callable[[int], nn.Module] = nn.LayerNorm,
        ape: bool = False,
        patch_norm: bool = True,
        out_indices: Sequence[int] = (0, 1, 2, 3),
        frozen_stages: int = -1,
        use_checkpoint: bool = False,
    ) -> None:
        super().__init__()
        self.out_indices = tuple(out_indices)
        self.frozen_stages = frozen_stages
        self.patch_embed = SwinPatchEmbed(patch_size, in_chans, embed_dim, norm_layer if patch_norm else None)
        self.absolute_pos_embed: nn.Parameter | None = None
        if ape:
            side = pretrain_img_size // patch_size
            self.absolute_pos_embed = nn.Parameter(torch.zeros(1, embed_dim, side, side))
            nn.init.trunc_normal_(self.absolute_pos_embed, std=0.02)
        self.pos_drop = nn.Dropout(drop_rate)
        total = sum(depths)
        chances = [drop_path_rate * i / max(total - 1, 1) for i in range(total)]
        self.layers = nn.ModuleList()
        for i, (depth, heads) in enumerate(zip(depths, num_heads, strict=True)):
            first = sum(depths[:i])
            stage = BasicLayer(
                embed_dim * 2**i,
                depth,
                heads,
                window_size,
                mlp_ratio,
                qkv_bias,
                qk_scale,
                drop_rate,
                attn_drop_rate,
                chances[first : first + depth],
                norm_layer,
                PatchMerging if i < len(depths) - 1 else None,
                use_checkpoint,
            )
            self.layers.append(stage)
        for i in self.out_indices:
            self.add_module(f"norm{i}", norm_layer(embed_dim * 2**i))
        self._out_features = [f"p{i}" for i in self.out_indices]
        self._out_feature_channels = {f"p{i}": embed_dim * 2**i for i in self.out_indices}
        self._out_feature_strides = {f"p{i}": patch_size * 2**i for i in self.out_indices}
        self._size_divisibility = patch_size * 2 ** (len(depths) - 1)
        for module in self.modules():
            init_transformer_weights(module)
        self._freeze_stages()

    @property
    def size_divisibility(self) -> int:
        """Stride of the last stage."""
        return self._size_divisibility

    def _freeze_stages(self) -> None:
        frozen: list[nn.Module] = []
        if self.frozen_stages >= 0:
            frozen.append(self.patch_embed)
        if self.frozen_stages >= 1:
            if self.absolute_pos_embed is not None:
                self.absolute_pos_embed.requires_grad = False
            frozen += [self.pos_drop, *self.layers[: self.frozen_stages - 1]]
        for module in frozen:
            module.eval()
            for parameter in module.parameters():
                parameter.requires_grad = False

    def train(self, mode: bool = True) -> "SwinTransformer":
        """Switch to training, but leave frozen stages in inference."""
        super().train(mode)
        self._freeze_stages()
        return self

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map images `(B, C, H, W)` to the wanted maps `(B, channels, H / stride, W / stride)`."""
        x = self.patch_embed(x)
        if self.absolute_pos_embed is not None:
            grid = F.interpolate(self.absolute_pos_embed, size=x.shape[1:3], mode="bicubic")
            x = x + grid.permute(0, 2, 3, 1)
        x = self.pos_drop(x)
        outputs = {}
        for i, layer in enumerate(self.layers):
            out, x = layer(x)
            if i in self.out_indices:
                outputs[f"p{i}"] = getattr(self, f"norm{i}")(out).permute(0, 3, 1, 2).contiguous()
        return outputs
