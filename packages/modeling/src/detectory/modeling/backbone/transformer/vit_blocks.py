"""Blocks of the plain vision transformer.

Source: Dosovitskiy et al., "An Image is Worth 16x16 Words", 2021, section 3.1; Li et al., "Exploring Plain Vision
Transformer Backbones for Object Detection", 2022, section 3 (windows and residual blocks).
"""

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional as F

from detectory.modeling.layers import Conv2d, DropPath, LayerNorm, c2_msra_fill

from .layers import Mlp, decomposed_rel_pos_bias, make_rel_pos, window_partition, window_unpartition


class Attention(nn.Module):
    """Multi-head self-attention over all positions of a feature map.

    Args:
        dim: Channels of input and output.
        num_heads: Number of attention heads.
        qkv_bias: Whether the projections to queries, keys and values have a bias.
        use_rel_pos: Whether to add relative position embeddings to the attention logits.
        rel_pos_zero_init: Whether to initialize these embeddings with zeros.
        input_size: `(height, width)` that determines the number of relative positions; required with `use_rel_pos`.

    Raises:
        ValueError: If `use_rel_pos` is set without `input_size`.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int = 8,
        qkv_bias: bool = True,
        use_rel_pos: bool = False,
        rel_pos_zero_init: bool = True,
        input_size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(dim, dim * 3, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim)
        self.use_rel_pos = use_rel_pos
        if use_rel_pos:
            if input_size is None:
                raise ValueError("Attention: use_rel_pos requires input_size")
            self.rel_pos_h = make_rel_pos(input_size[0], dim // num_heads, rel_pos_zero_init)
            self.rel_pos_w = make_rel_pos(input_size[1], dim // num_heads, rel_pos_zero_init)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, H, W, dim)` to the same shape."""
        batch, height, width, dim = x.shape
        qkv = self.qkv(x).reshape(batch, height * width, 3, self.num_heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # each (B, heads, H * W, dim / heads)
        bias = None
        if self.use_rel_pos:
            size = (height, width)
            bias = decomposed_rel_pos_bias(q.flatten(0, 1), self.rel_pos_h, self.rel_pos_w, size, size)
            bias = bias.view(batch, self.num_heads, height * width, height * width)
        x = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        return self.proj(x.transpose(1, 2).reshape(batch, height, width, dim))


class ResBottleneckBlock(nn.Module):
    """Residual bottleneck of three convolutions with layer norms.

    The last norm is initialized with zeros: the block starts as the identity and can be added to a pre-trained ViT.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        bottleneck_channels: Channels of the 3×3 convolution.
    """

    def __init__(self, in_channels: int, out_channels: int, bottleneck_channels: int) -> None:
        super().__init__()
        self.conv1 = Conv2d(in_channels, bottleneck_channels, 1, bias=False)
        self.norm1 = LayerNorm(bottleneck_channels)
        self.act1 = nn.GELU()
        self.conv2 = Conv2d(bottleneck_channels, bottleneck_channels, 3, padding=1, bias=False)
        self.norm2 = LayerNorm(bottleneck_channels)
        self.act2 = nn.GELU()
        self.conv3 = Conv2d(bottleneck_channels, out_channels, 1, bias=False)
        self.norm3 = LayerNorm(out_channels)
        for layer in (self.conv1, self.conv2, self.conv3):
            c2_msra_fill(layer)
        nn.init.zeros_(self.norm3.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, in_channels, H, W)` to `(B, out_channels, H, W)`."""
        out = self.act1(self.norm1(self.conv1(x)))
        out = self.act2(self.norm2(self.conv2(out)))
        return x + self.norm3(self.conv3(out))


class Block(nn.Module):
    """Pre-norm transformer block: attention and MLP, each in a residual branch.

    Args:
        dim: Channels of input and output.
        num_heads: Number of attention heads.
        mlp_ratio: Hidden channels of the MLP, relative to `dim`.
        qkv_bias: Whether the projections to queries, keys and values have a bias.
        drop_path: Probability of dropping a residual branch in training.
        norm_layer: Factory of norms over the last dimension.
        act_layer: Factory of the activation.
        use_rel_pos: Whether to add relative position embeddings to the attention logits.
        rel_pos_zero_init: Whether to initialize these embeddings with zeros.
        window_size: Side length of the attention windows; 0 for global attention.
        use_residual_block: Whether to append a `ResBottleneckBlock`, which propagates information between windows.
        input_size: `(height, width)` of the feature map.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        drop_path: float = 0.0,
        norm_layer: Callable[[int], nn.Module] = nn.LayerNorm,
        act_layer: Callable[[], nn.Module] = nn.GELU,
        use_rel_pos: bool = False,
        rel_pos_zero_init: bool = True,
        window_size: int = 0,
        use_residual_block: bool = False,
        input_size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.norm1 = norm_layer(dim)
        attention_size = input_size if window_size == 0 else (window_size, window_size)
        self.attn = Attention(dim, num_heads, qkv_bias, use_rel_pos, rel_pos_zero_init, attention_size)
        self.drop_path = DropPath(drop_path) if drop_path > 0 else nn.Identity()
        self.norm2 = norm_layer(dim)
        self.mlp = Mlp(dim, int(dim * mlp_ratio), act_layer)
        self.window_size = window_size
        self.use_residual_block = use_residual_block
        if use_residual_block:
            self.residual = ResBottleneckBlock(dim, dim, dim // 2)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, H, W, dim)` to the same shape."""
        shortcut = x
        x = self.norm1(x)
        if self.window_size > 0:
            windows, padded_size = window_partition(x, self.window_size)
            x = window_unpartition(self.attn(windows), self.window_size, padded_size, x.shape[1:3])
        else:
            x = self.attn(x)
        x = shortcut + self.drop_path(x)
        x = x + self.drop_path(self.mlp(self.norm2(x)))
        if self.use_residual_block:
            x = self.residual(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return x
