"""Swin transformer as a detection backbone."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detectory.modeling.backbone.backbone import Backbone

from .layers import drop_path_rates, init_transformer_weights, run_block
from .swin_blocks import PatchMerging, SwinTransformerBlock


class SwinPatchEmbed(nn.Module):
    """Embedding of square, non-overlapping patches. Images are padded to a multiple of the patch size.

    Args:
        patch_size: Side length of a patch in pixels.
        in_chans: Channels of the image.
        embed_dim: Channels of the output.
        norm_layer: Factory of the norm over the output channels; `None` for no norm.
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
        """Map images `(B, in_chans, H, W)` to `(B, ceil(H / patch_size), ceil(W / patch_size), embed_dim)`."""
        height, width = x.shape[-2:]
        x = F.pad(x, (0, -width % self.patch_size, 0, -height % self.patch_size))
        x = self.proj(x).permute(0, 2, 3, 1)
        return x if self.norm is None else self.norm(x)


class BasicLayer(nn.Module):
    """One stage: blocks with alternating regular and shifted windows, then an optional downsampling layer.

    Args:
        dim: Channels of the blocks.
        depth: Number of blocks.
        num_heads: Attention heads of each block.
        window_size: Side length of the attention windows.
        mlp_ratio: Hidden channels of the MLPs, relative to `dim`.
        qkv_bias: Whether the projections to queries, keys and values have a bias.
        qk_scale: Scale of the attention logits; `None` for `head_dim ** -0.5`.
        drop: Dropout probability of MLPs and projections.
        attn_drop: Dropout probability of the attention weights.
        drop_path: Drop-path probability of each block in training.
        norm_layer: Factory of norms over the last dimension.
        downsample: Factory of the downsampling layer, called with `(dim, norm_layer)`; `None` for no downsampling.
        use_checkpoint: Whether to recompute activations in the backward pass to save memory.
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
                num_heads=num_heads,
                window_size=window_size,
                shift_size=window_size // 2 if i % 2 else 0,
                mlp_ratio=mlp_ratio,
                qkv_bias=qkv_bias,
                qk_scale=qk_scale,
                drop=drop,
                attn_drop=attn_drop,
                drop_path=drop_path[i] if drop_path else 0.0,
                norm_layer=norm_layer,
            )
            for i in range(depth)
        )
        self.downsample = downsample(dim, norm_layer) if downsample is not None else None

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map `(B, H, W, dim)` to the output of the blocks, and to the input of the next stage (downsampled)."""
        for block in self.blocks:
            x = run_block(block, x, self.use_checkpoint)
        return x, x if self.downsample is None else self.downsample(x)


class SwinTransformer(Backbone):
    """Hierarchical transformer with attention within windows that are shifted in every other block.

    The outputs are named `"p0"` to `"p3"` and have strides 4 to 32 with the default patch size.

    Args:
        pretrain_img_size: Side length of the images in pre-training, which determines the number of absolute positions.
        patch_size: Side length of a patch in pixels.
        in_chans: Channels of the image.
        embed_dim: Channels of the first stage, doubled in every further stage.
        depths: Number of blocks of each stage.
        num_heads: Attention heads of each stage.
        window_size: Side length of the attention windows.
        mlp_ratio: Hidden channels of the MLPs, relative to the channels of their stage.
        qkv_bias: Whether the projections to queries, keys and values have a bias.
        qk_scale: Scale of the attention logits; `None` for `head_dim ** -0.5`.
        drop_rate: Dropout probability of embeddings, MLPs and projections.
        attn_drop_rate: Dropout probability of the attention weights.
        drop_path_rate: Drop-path probability of the last block in training; it grows linearly from 0 in the first one.
        norm_layer: Factory of norms over the last dimension.
        ape: Whether to add absolute position embeddings to the patches.
        patch_norm: Whether to normalize the patch embeddings.
        out_indices: Indices of the stages to return.
        frozen_stages: 0 freezes the patch embedding, `i > 0` also the position embeddings and the first `i - 1` stages;
            -1 freezes nothing.
        use_checkpoint: Whether to recompute activations in the backward pass to save memory.

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
        drop_path = drop_path_rates(drop_path_rate, sum(depths))
        self.layers = nn.ModuleList()
        for i, (depth, stage_heads) in enumerate(zip(depths, num_heads, strict=True)):
            first_block = sum(depths[:i])
            stage = BasicLayer(
                embed_dim * 2**i,
                depth=depth,
                num_heads=stage_heads,
                window_size=window_size,
                mlp_ratio=mlp_ratio,
                qkv_bias=qkv_bias,
                qk_scale=qk_scale,
                drop=drop_rate,
                attn_drop=attn_drop_rate,
                drop_path=drop_path[first_block : first_block + depth],
                norm_layer=norm_layer,
                downsample=PatchMerging if i < len(depths) - 1 else None,
                use_checkpoint=use_checkpoint,
            )
            self.layers.append(stage)
        for i in self.out_indices:
            self.add_module(f"norm{i}", norm_layer(embed_dim * 2**i))
        self._out_features = [f"p{i}" for i in self.out_indices]
        self._out_feature_channels = {f"p{i}": embed_dim * 2**i for i in self.out_indices}
        self._out_feature_strides = {f"p{i}": patch_size * 2**i for i in self.out_indices}
        self._size_divisibility = patch_size * 2 ** (len(depths) - 1)
        self.apply(self._init_weights)
        self._freeze_stages()

    def _init_weights(self, m: nn.Module) -> None:
        """Initialize one module; called for all of them by the constructor."""
        init_transformer_weights(m)

    @property
    def size_divisibility(self) -> int:
        """The stride of the last stage."""
        return self._size_divisibility

    def _freeze_stages(self) -> None:
        """Set frozen modules to evaluation mode and disable the gradients of their parameters."""
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
        """Set the mode of the network; frozen stages remain in evaluation mode."""
        super().train(mode)
        self._freeze_stages()
        return self

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map images `(B, in_chans, H, W)` to the feature maps `(B, channels, H / stride, W / stride)` by name."""
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
