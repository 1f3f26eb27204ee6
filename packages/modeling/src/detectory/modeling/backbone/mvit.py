"""Multiscale vision transformer, version 2."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from detectory.modeling.layers import DropPath

from .backbone import Backbone
from .transformer_layers import (
    Mlp,
    PatchEmbed,
    decomposed_rel_pos_bias,
    get_abs_pos,
    init_transformer_weights,
    window_partition,
    window_unpartition,
)


def attention_pool(x: Tensor, pool: nn.Module, norm: nn.Module | None = None) -> Tensor:
    """Pool a map `(B, H, W, C)` with a module for `(B, C, H, W)` and normalise it."""
    x = pool(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    return x if norm is None else norm(x)


class MultiScaleAttention(nn.Module):
    """Self-attention whose queries, keys and values are pooled first.

    Args:
        dim: Channels of the input.
        dim_out: Channels of the output.
        num_heads: Heads.
        qkv_bias: Whether queries, keys and values have a bias.
        norm_layer: Makes a norm over the last dimension.
        pool_kernel: Size of the pooling convolutions.
        stride_q: Stride of the queries' pooling, that of the block.
        stride_kv: Stride of the keys' and values' pooling.
        residual_pooling: Whether the pooled queries are added to the result.
        window_size: Side of the windows that attention is confined to, before pooling; 0 for none.
        use_rel_pos: Whether relative positions count.
        rel_pos_zero_init: Whether they start at zero.
        input_size: `(height, width)` that the table of relative positions is made for.

    Source: Li et al., "MViTv2", 2022, section 3.
    """

    def __init__(
        self,
        dim: int,
        dim_out: int,
        num_heads: int,
        qkv_bias: bool = True,
        norm_layer: Callable[[int], nn.Module] = nn.LayerNorm,
        pool_kernel: tuple[int, int] = (3, 3),
        stride_q: int = 1,
        stride_kv: int = 1,
        residual_pooling: bool = True,
        window_size: int = 0,
        use_rel_pos: bool = False,
        rel_pos_zero_init: bool = True,
        input_size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.residual_pooling = residual_pooling
        self.window_size = window_size
        head_dim = dim_out // num_heads
        self.qkv = nn.Linear(dim, dim_out * 3, bias=qkv_bias)
        self.proj = nn.Linear(dim_out, dim_out)
        padding = (pool_kernel[0] // 2, pool_kernel[1] // 2)
        self.pool_q: nn.Module
        self.pool_k: nn.Module
        self.pool_v: nn.Module
        self.norm_q: nn.Module
        self.norm_k: nn.Module
        self.norm_v: nn.Module
        for name, stride in (("q", stride_q), ("k", stride_kv), ("v", stride_kv)):
            pool = nn.Conv2d(head_dim, head_dim, pool_kernel, stride, padding, groups=head_dim, bias=False)
            self.add_module(f"pool_{name}", pool)
            self.add_module(f"norm_{name}", norm_layer(head_dim))
        self.q_win_size = window_size // stride_q
        self.kv_win_size = window_size // stride_kv
        self.use_rel_pos = use_rel_pos
        if use_rel_pos:
            if input_size is None or input_size[0] != input_size[1]:
                raise ValueError(f"MultiScaleAttention: use_rel_pos needs a square input_size, got {input_size}")
            side = window_size or input_size[0]
            distances = 2 * max(side // stride_q, side // stride_kv) - 1
            self.rel_pos_h = nn.Parameter(torch.zeros(distances, head_dim))
            self.rel_pos_w = nn.Parameter(torch.zeros(distances, head_dim))
            if not rel_pos_zero_init:
                nn.init.trunc_normal_(self.rel_pos_h, std=0.02)
                nn.init.trunc_normal_(self.rel_pos_w, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, H, W, dim)` to `(B, H / stride_q, W / stride_q, dim_out)`."""
        batch, height, width, _ = x.shape
        qkv = self.qkv(x).reshape(batch, height, width, 3, self.num_heads, -1)
        q, k, v = qkv.permute(3, 0, 4, 1, 2, 5).flatten(1, 2).unbind(0)  # (B * heads, H, W, C)
        pooled = q = attention_pool(q, self.pool_q, self.norm_q)
        k = attention_pool(k, self.pool_k, self.norm_k)
        v = attention_pool(v, self.pool_v, self.norm_v)
        padded = size = (q.shape[1], q.shape[2])
        if self.window_size:
            q, padded = window_partition(q, self.q_win_size)
            k, _ = window_partition(k, self.kv_win_size)
            v, _ = window_partition(v, self.kv_win_size)
        x = self._attend(q, k, v)
        if self.window_size:
            x = window_unpartition(x, self.q_win_size, padded, size)
        if self.residual_pooling:
            x = x + pooled
        x = x.view(batch, self.num_heads, *size, -1).permute(0, 2, 3, 1, 4)
        return self.proj(x.reshape(batch, *size, -1))

    def _attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Let every position of `q` attend to all of `k`; maps `(N, h, w, C)`."""
        q_size, k_size = q.shape[1:3], k.shape[1:3]
        q, k, v = (t.flatten(1, 2) for t in (q, k, v))
        bias = None
        if self.use_rel_pos:
            bias = decomposed_rel_pos_bias(q, self.rel_pos_h, self.rel_pos_w, q_size, k_size).unsqueeze(1)
        x = F.scaled_dot_product_attention(q.unsqueeze(1), k.unsqueeze(1), v.unsqueeze(1), attn_mask=bias)
        return x.squeeze(1).unflatten(1, q_size)


class MultiScaleBlock(nn.Module):
    """`MultiScaleAttention` and an MLP, each with a norm before and a shortcut around it.

    Args:
        dim: Channels of the input.
        dim_out: Channels of the output.
        num_heads: Heads.
        mlp_ratio: Hidden numbers of the MLP for each channel.
        qkv_bias: Whether queries, keys and values have a bias.
        drop_path: Probability that a branch is left out in training.
        norm_layer: Makes a norm over the last dimension.
        act_layer: Makes the activation.
        qkv_pool_kernel: Size of the pooling convolutions.
        stride_q: Stride of the block.
        stride_kv: Stride of the keys' and values' pooling.
        residual_pooling: Whether the pooled queries are added to the result.
        window_size: Side of the windows that attention is confined to, 0 for none.
        use_rel_pos: Whether relative positions count.
        rel_pos_zero_init: Whether they start at zero.
        input_size: `(height, width)` of the map.
    """

    def __init__(
        self,
        dim: int,
        dim_out: int,
        num_heads: int,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        drop_path: float = 0.0,
        norm_layer: Callable[[int], nn.Module] = nn.LayerNorm,
        act_layer: Callable[[], nn.Module] = nn.GELU,
        qkv_pool_kernel: tuple[int, int] = (3, 3),
        stride_q: int = 1,
        stride_kv: int = 1,
        residual_pooling: bool = True,
        window_size: int = 0,
        use_rel_pos: bool = False,
        rel_pos_zero_init: bool = True,
        input_size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.norm1 = norm_layer(dim)
        self.attn = MultiScaleAttention(
            dim,
            dim_out,
            num_heads,
            qkv_bias,
            norm_layer,
            qkv_pool_kernel,
            stride_q,
            stride_kv,
            residual_pooling,
            window_size,
            use_rel_pos,
            rel_pos_zero_init,
            input_size,
        )
        self.drop_path = DropPath(drop_path) if drop_path > 0 else nn.Identity()
        self.norm2 = norm_layer(dim_out)
        self.mlp = Mlp(dim_out, int(dim_out * mlp_ratio), act_layer)
        self.proj = nn.Linear(dim, dim_out) if dim != dim_out else None
        kernel = stride_q + 1
        self.pool_skip = nn.MaxPool2d(kernel, stride_q, kernel // 2) if stride_q > 1 else None

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, H, W, dim)` to `(B, H / stride_q, W / stride_q, dim_out)`."""
        normed = self.norm1(x)
        branch = self.attn(normed)
        shortcut = x if self.proj is None else self.proj(normed)
        if self.pool_skip is not None:
            shortcut = attention_pool(shortcut, self.pool_skip)
        x = shortcut + self.drop_path(branch)
        return x + self.drop_path(self.mlp(self.norm2(x)))


class MViT(Backbone):
    """A transformer in four stages; each halves the resolution and doubles channels and heads.

    Outputs are named `"scale2"` to `"scale5"` with strides 4 to 32.

    Args:
        img_size: Side of the image that tables of relative positions are made for.
        patch_kernel: Size of a patch.
        patch_stride: Distance of patches.
        patch_padding: Zeros around the image.
        in_chans: Channels of the image.
        embed_dim: Channels of the first stage.
        depth: Blocks.
        num_heads: Heads of the first stage.
        last_block_indexes: Index of the last block of every stage.
        qkv_pool_kernel: Size of the pooling convolutions.
        adaptive_kv_stride: Stride of keys and values in the first stage, halved from stage to stage.
        adaptive_window_size: Side of the windows in the first stage, halved from stage to stage.
        residual_pooling: Whether the pooled queries are added to the result of attention.
        mlp_ratio: Hidden numbers of an MLP for each channel.
        qkv_bias: Whether queries, keys and values have a bias.
        drop_path_rate: Probability that the last block is left out in training; earlier ones less, linearly.
        norm_layer: Makes a norm over the last dimension.
        act_layer: Makes an activation.
        use_abs_pos: Whether absolute positions count.
        use_rel_pos: Whether relative positions count.
        rel_pos_zero_init: Whether they start at zero.
        use_act_checkpoint: Whether to compute activations again in the backward pass instead of keeping them.
        pretrain_img_size: Side of the images of pre-training, which sets the number of absolute positions.
        pretrain_use_cls_token: Whether pre-training had a class token.
        out_features: Names of the outputs.

    Source: Li et al., "MViTv2: Improved Multiscale Vision Transformers", 2022.
    """

    def __init__(
        self,
        img_size: int = 224,
        patch_kernel: tuple[int, int] = (7, 7),
        patch_stride: tuple[int, int] = (4, 4),
        patch_padding: tuple[int, int] = (3, 3),
        in_chans: int = 3,
        embed_dim: int = 96,
        depth: int = 16,
        num_heads: int = 1,
        last_block_indexes: Sequence[int] = (0, 2, 11, 15),
        qkv_pool_kernel: tuple[int, int] = (3, 3),
        adaptive_kv_stride: int = 4,
        adaptive_window_size: int = 56,
        residual_pooling: bool = True,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        drop_path_rate: float = 0.0,
        norm_layer: Callable[[int], nn.Module] = nn.LayerNorm,
        act_layer: Callable[[], nn.Module] = nn.GELU,
        use_abs_pos: bool = False,
        use_rel_pos: bool = True,
        rel_pos_zero_init: bool = True,
        use_act_checkpoint: bool = False,
        pretrain_img_size: int = 224,
        pretrain_use_cls_token: bool = True,
        out_features: Sequence[str] = ("scale2", "scale3", "scale4", "scale5"),
    ) -> None:
        super().__init__()
        self.pretrain_use_cls_token = pretrain_use_cls_token
        self.use_act_checkpoint = use_act_checkpoint
        self.patch_embed = PatchEmbed(patch_kernel, patch_stride, patch_padding, in_chans, embed_dim)
        self.pos_embed: nn.Parameter | None = None
        if use_abs_pos:
            patches = (pretrain_img_size // patch_stride[0]) * (pretrain_img_size // patch_stride[1])
            self.pos_embed = nn.Parameter(torch.zeros(1, patches + int(pretrain_use_cls_token), embed_dim))
            nn.init.trunc_normal_(self.pos_embed, std=0.02)
        self._last_block_indexes = list(last_block_indexes)
        self._out_features = list(out_features)
        self._out_feature_channels: dict[str, int] = {}
        self._out_feature_strides: dict[str, int] = {}
        self.blocks = nn.ModuleList()
        side, stride, kv_stride = img_size // patch_stride[0], patch_stride[0], adaptive_kv_stride
        window = adaptive_window_size
        dim = dim_out = embed_dim
        stage = 2
        for i in range(depth):
            first, last = i - 1 in last_block_indexes, i in last_block_indexes
            # Global attention closes every stage but the first; two of these see fewer keys to save memory.
            spans_image = i in last_block_indexes[1:]
            self.blocks.append(
                MultiScaleBlock(
                    dim,
                    dim_out,
                    num_heads,
                    mlp_ratio,
                    qkv_bias,
                    drop_path_rate * i / max(depth - 1, 1),
                    norm_layer,
                    act_layer,
                    qkv_pool_kernel,
                    2 if first else 1,
                    kv_stride * (2 if i in last_block_indexes[1:3] else 1),
                    residual_pooling,
                    0 if spans_image else window,
                    use_rel_pos,
                    rel_pos_zero_init,
                    (side, side),
                )
            )
            dim = dim_out
            if last:
                name = f"scale{stage}"
                if name in self._out_features:
                    self._out_feature_channels[name] = dim_out
                    self._out_feature_strides[name] = stride
                    self.add_module(f"{name}_norm", norm_layer(dim_out))
                dim_out, num_heads, stride, stage = dim_out * 2, num_heads * 2, stride * 2, stage + 1
                kv_stride = max(kv_stride // 2, 1)
            if first:
                window, side = window // 2, side // 2
        for module in self.modules():
            init_transformer_weights(module)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map images `(B, C, H, W)` to the wanted maps `(B, channels, H / stride, W / stride)`."""
        x = self.patch_embed(x)
        if self.pos_embed is not None:
            x = x + get_abs_pos(self.pos_embed, self.pretrain_use_cls_token, x.shape[1:3])
        outputs = {}
        for i, block in enumerate(self.blocks):
            x = checkpoint(block, x, use_reentrant=False) if self.use_act_checkpoint else block(x)
            if i in self._last_block_indexes:
                name = f"scale{self._last_block_indexes.index(i) + 2}"
                if name in self._out_features:
                    outputs[name] = getattr(self, f"{name}_norm")(x).permute(0, 3, 1, 2).contiguous()
        return outputs
