"""Blocks of the multiscale vision transformer, version 2.

Source: Li et al., "MViTv2: Improved Multiscale Vision Transformers", 2022, section 3.
"""

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional as F

from detectory.modeling.layers import DropPath

from .layers import Mlp, decomposed_rel_pos_bias, make_rel_pos, window_partition, window_unpartition


def attention_pool(x: Tensor, pool: nn.Module, norm: nn.Module | None = None) -> Tensor:
    """Apply `pool`, a module for `(B, C, H, W)`, to a feature map `(B, H, W, C)`, then the norm if there is one."""
    x = pool(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    return x if norm is None else norm(x)


class MultiScaleAttention(nn.Module):
    """Pooling attention: self-attention with queries, keys and values that are pooled by depthwise convolutions.

    The stride of the queries is the stride of the output. The stride of keys and values only reduces the cost. In
    windowed attention, the windows are cut after the pooling.

    Args:
        dim: Channels of the input.
        dim_out: Channels of the output.
        num_heads: Number of attention heads.
        qkv_bias: Whether the projections to queries, keys and values have a bias.
        norm_layer: Factory of norms over the last dimension.
        pool_kernel: `(height, width)` of the pooling kernels.
        stride_q: Pooling stride of the queries.
        stride_kv: Pooling stride of keys and values.
        residual_pooling: Whether to add the pooled queries to the result (equation 5 of the paper).
        window_size: Side length of the attention windows before pooling; 0 for global attention.
        use_rel_pos: Whether to add relative position embeddings to the attention logits.
        rel_pos_zero_init: Whether to initialize these embeddings with zeros.
        input_size: `(height, width)` of the square input that determines the number of relative positions; required
            with `use_rel_pos`.

    Raises:
        ValueError: If `use_rel_pos` is set without a square `input_size`.
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
                raise ValueError(f"MultiScaleAttention: use_rel_pos requires a square input_size, got {input_size}")
            side = window_size or input_size[0]
            pooled_side = max(side // stride_q, side // stride_kv)
            self.rel_pos_h = make_rel_pos(pooled_side, head_dim, rel_pos_zero_init)
            self.rel_pos_w = make_rel_pos(pooled_side, head_dim, rel_pos_zero_init)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, H, W, dim)` to `(B, H / stride_q, W / stride_q, dim_out)`."""
        batch, height, width, _ = x.shape
        qkv = self.qkv(x).reshape(batch, height, width, 3, self.num_heads, -1)
        q, k, v = qkv.permute(3, 0, 4, 1, 2, 5).flatten(1, 2).unbind(0)  # each (B * heads, H, W, dim_out / heads)
        q = attention_pool(q, self.pool_q, self.norm_q)
        k = attention_pool(k, self.pool_k, self.norm_k)
        v = attention_pool(v, self.pool_v, self.norm_v)
        pooled_q, size = q, (q.shape[1], q.shape[2])
        if self.window_size:
            q, padded_size = window_partition(q, self.q_win_size)
            k, _ = window_partition(k, self.kv_win_size)
            v, _ = window_partition(v, self.kv_win_size)
            x = window_unpartition(self._attend(q, k, v), self.q_win_size, padded_size, size)
        else:
            x = self._attend(q, k, v)
        if self.residual_pooling:
            x = x + pooled_q
        x = x.view(batch, self.num_heads, *size, -1).permute(0, 2, 3, 1, 4)
        return self.proj(x.reshape(batch, *size, -1))

    def _attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Return the attention of all positions of `q` to those of `k` and `v`; feature maps `(N, h, w, C)`."""
        q_size, k_size = q.shape[1:3], k.shape[1:3]
        q, k, v = (t.flatten(1, 2) for t in (q, k, v))
        bias = None
        if self.use_rel_pos:
            bias = decomposed_rel_pos_bias(q, self.rel_pos_h, self.rel_pos_w, q_size, k_size).unsqueeze(1)
        x = F.scaled_dot_product_attention(q.unsqueeze(1), k.unsqueeze(1), v.unsqueeze(1), attn_mask=bias)
        return x.squeeze(1).unflatten(1, q_size)


class MultiScaleBlock(nn.Module):
    """Pre-norm transformer block with `MultiScaleAttention`; it can change resolution and channels.

    Args:
        dim: Channels of the input.
        dim_out: Channels of the output.
        num_heads: Number of attention heads.
        mlp_ratio: Hidden channels of the MLP, relative to `dim_out`.
        qkv_bias: Whether the projections to queries, keys and values have a bias.
        drop_path: Probability of dropping a residual branch in training.
        norm_layer: Factory of norms over the last dimension.
        act_layer: Factory of the activation.
        qkv_pool_kernel: `(height, width)` of the pooling kernels.
        stride_q: Stride of the block.
        stride_kv: Pooling stride of keys and values.
        residual_pooling: Whether to add the pooled queries to the result of the attention.
        window_size: Side length of the attention windows; 0 for global attention.
        use_rel_pos: Whether to add relative position embeddings to the attention logits.
        rel_pos_zero_init: Whether to initialize these embeddings with zeros.
        input_size: `(height, width)` of the input.
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
            num_heads=num_heads,
            qkv_bias=qkv_bias,
            norm_layer=norm_layer,
            pool_kernel=qkv_pool_kernel,
            stride_q=stride_q,
            stride_kv=stride_kv,
            residual_pooling=residual_pooling,
            window_size=window_size,
            use_rel_pos=use_rel_pos,
            rel_pos_zero_init=rel_pos_zero_init,
            input_size=input_size,
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
        residual = self.attn(normed)
        # The projected shortcut starts from the normalized input, unlike the identity shortcut.
        shortcut = x if self.proj is None else self.proj(normed)
        if self.pool_skip is not None:
            shortcut = attention_pool(shortcut, self.pool_skip)
        x = shortcut + self.drop_path(residual)
        return x + self.drop_path(self.mlp(self.norm2(x)))
