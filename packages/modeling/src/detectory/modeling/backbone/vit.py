"""Plain vision transformer for detection."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from detectory.modeling.layers import Conv2d, DropPath, LayerNorm, c2_msra_fill

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


class Attention(nn.Module):
    """Multi-head self-attention over all positions of a map.

    Args:
        dim: Channels.
        num_heads: Heads.
        qkv_bias: Whether queries, keys and values have a bias.
        use_rel_pos: Whether relative positions count.
        rel_pos_zero_init: Whether they start at zero.
        input_size: `(height, width)` that the table of relative positions is made for.
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
                raise ValueError("Attention: use_rel_pos needs input_size")
            self.rel_pos_h = nn.Parameter(torch.zeros(2 * input_size[0] - 1, dim // num_heads))
            self.rel_pos_w = nn.Parameter(torch.zeros(2 * input_size[1] - 1, dim // num_heads))
            if not rel_pos_zero_init:
                nn.init.trunc_normal_(self.rel_pos_h, std=0.02)
                nn.init.trunc_normal_(self.rel_pos_w, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, H, W, dim)` to the same shape."""
        batch, height, width, dim = x.shape
        qkv = self.qkv(x).reshape(batch, height * width, 3, self.num_heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # (B, heads, HW, dim / heads)
        bias = None
        if self.use_rel_pos:
            size = (height, width)
            bias = decomposed_rel_pos_bias(q.flatten(0, 1), self.rel_pos_h, self.rel_pos_w, size, size)
            bias = bias.view(batch, self.num_heads, height * width, height * width)
        x = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        return self.proj(x.transpose(1, 2).reshape(batch, height, width, dim))


class ResBottleneckBlock(nn.Module):
    """A residual bottleneck of three convolutions with layer norms, that starts as the identity.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        bottleneck_channels: Channels between.
    """

    def __init__(self, in_channels: int, out_channels: int, bottleneck_channels: int) -> None:
        super().__init__()
        inner = bottleneck_channels
        self.conv1 = Conv2d(in_channels, inner, 1, bias=False)
        self.norm1 = LayerNorm(inner)
        self.act1 = nn.GELU()
        self.conv2 = Conv2d(inner, inner, 3, padding=1, bias=False)
        self.norm2 = LayerNorm(inner)
        self.act2 = nn.GELU()
        self.conv3 = Conv2d(inner, out_channels, 1, bias=False)
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
    """Attention and MLP, each with a norm before and a shortcut around it.

    Args:
        dim: Channels.
        num_heads: Heads.
        mlp_ratio: Hidden numbers of the MLP for each channel.
        qkv_bias: Whether queries, keys and values have a bias.
        drop_path: Probability that a branch is left out in training.
        norm_layer: Makes a norm over the last dimension.
        act_layer: Makes the activation.
        use_rel_pos: Whether relative positions count.
        rel_pos_zero_init: Whether they start at zero.
        window_size: Side of the windows that attention is confined to, 0 for none.
        use_residual_block: Whether a `ResBottleneckBlock` follows.
        input_size: `(height, width)` of the map.
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
        size = input_size if window_size == 0 else (window_size, window_size)
        self.attn = Attention(dim, num_heads, qkv_bias, use_rel_pos, rel_pos_zero_init, size)
        self.drop_path = DropPath(drop_path) if drop_path > 0 else nn.Identity()
        self.norm2 = norm_layer(dim)
        self.mlp = Mlp(dim, int(dim * mlp_ratio), act_layer)
        self.window_size = window_size
        self.use_residual_block = use_residual_block
        if use_residual_block:
            self.residual = ResBottleneckBlock(dim, dim, dim // 2)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, H, W, dim)` to the same shape."""
        shortcut, size = x, x.shape[1:3]
        x = self.norm1(x)
        if self.window_size > 0:
            x, padded = window_partition(x, self.window_size)
            x = window_unpartition(self.attn(x), self.window_size, padded, size)
        else:
            x = self.attn(x)
        x = shortcut + self.drop_path(x)
        x = x + self.drop_path(self.mlp(self.norm2(x)))
        if self.use_residual_block:
            x = self.residual(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return x


class ViT(Backbone):
    """A transformer on patches of one size, with attention in windows and here and there over the whole image.

    Args:
        img_size: Side of the image that tables of relative positions are made for.
        patch_size: Side of a patch, the stride of the output.
        in_chans: Channels of the image.
        embed_dim: Channels of the output.
        depth: Blocks.
        num_heads: Heads of every block.
        mlp_ratio: Hidden numbers of an MLP for each channel.
        qkv_bias: Whether queries, keys and values have a bias.
        drop_path_rate: Probability that the last block is left out in training; earlier ones less, linearly.
        norm_layer: Makes a norm over the last dimension.
        act_layer: Makes an activation.
        use_abs_pos: Whether absolute positions count.
        use_rel_pos: Whether relative positions count.
        rel_pos_zero_init: Whether they start at zero.
        window_size: Side of the windows, in patches.
        window_block_indexes: Blocks whose attention is confined to windows.
        residual_block_indexes: Blocks that a convolutional block follows.
        use_act_checkpoint: Whether to compute activations again in the backward pass instead of keeping them.
        pretrain_img_size: Side of the images of pre-training, which sets the number of absolute positions.
        pretrain_use_cls_token: Whether pre-training had a class token, whose position is kept in the table.
        out_feature: Name of the output.

    Source: Dosovitskiy et al., "An Image is Worth 16x16 Words", 2021; Li et al., "Exploring Plain Vision
        Transformer Backbones for Object Detection", 2022.
    """

    def __init__(
        self,
        img_size: int = 1024,
        patch_size: int = 16,
        in_chans: int = 3,
        embed_dim: int = 768,
        depth: int = 12,
        num_heads: int = 12,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        drop_path_rate: float = 0.0,
        norm_layer: Callable[[int], nn.Module] = nn.LayerNorm,
        act_layer: Callable[[], nn.Module] = nn.GELU,
        use_abs_pos: bool = True,
        use_rel_pos: bool = False,
        rel_pos_zero_init: bool = True,
        window_size: int = 0,
        window_block_indexes: Sequence[int] = (),
        residual_block_indexes: Sequence[int] = (),
        use_act_checkpoint: bool = False,
        pretrain_img_size: int = 224,
        pretrain_use_cls_token: bool = True,
        out_feature: str = "last_feat",
    ) -> None:
        super().__init__()
        self.pretrain_use_cls_token = pretrain_use_cls_token
        self.use_act_checkpoint = use_act_checkpoint
        patch = (patch_size, patch_size)
        self.patch_embed = PatchEmbed(patch, patch, in_chans=in_chans, embed_dim=embed_dim)
        self.pos_embed: nn.Parameter | None = None
        if use_abs_pos:
            positions = (pretrain_img_size // patch_size) ** 2 + int(pretrain_use_cls_token)
            self.pos_embed = nn.Parameter(torch.zeros(1, positions, embed_dim))
            nn.init.trunc_normal_(self.pos_embed, std=0.02)
        chances = [drop_path_rate * i / max(depth - 1, 1) for i in range(depth)]
        grid = (img_size // patch_size, img_size // patch_size)
        self.blocks = nn.ModuleList(
            Block(
                embed_dim,
                num_heads,
                mlp_ratio,
                qkv_bias,
                chances[i],
                norm_layer,
                act_layer,
                use_rel_pos,
                rel_pos_zero_init,
                window_size if i in window_block_indexes else 0,
                i in residual_block_indexes,
                grid,
            )
            for i in range(depth)
        )
        self._out_features = [out_feature]
        self._out_feature_channels = {out_feature: embed_dim}
        self._out_feature_strides = {out_feature: patch_size}
        for module in self.modules():
            init_transformer_weights(module)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map images `(B, C, H, W)` to `{out_feature: (B, embed_dim, H / patch_size, W / patch_size)}`."""
        x = self.patch_embed(x)
        if self.pos_embed is not None:
            x = x + get_abs_pos(self.pos_embed, self.pretrain_use_cls_token, x.shape[1:3])
        for block in self.blocks:
            x = checkpoint(block, x, use_reentrant=False) if self.use_act_checkpoint else block(x)
        return {self._out_features[0]: x.permute(0, 3, 1, 2)}


def get_vit_lr_decay_rate(name: str, lr_decay_rate: float = 1.0, num_layers: int = 12) -> float:
    """Return the factor of a parameter's learning rate, smaller the nearer it is to the image.

    Args:
        name: Name of the parameter in the whole model, where the ViT is below `backbone`.
        lr_decay_rate: Factor from one block to the one before it.
        num_layers: Blocks of the ViT.

    Returns:
        1 for parameters outside the backbone, `lr_decay_rate ** (num_layers + 1)` for the patch embedding.

    Source: Bao et al., "BEiT", 2022, appendix.
    """
    layer = num_layers + 1
    if name.startswith("backbone"):
        if ".pos_embed" in name or ".patch_embed" in name:
            layer = 0
        elif ".blocks." in name and ".residual." not in name:
            layer = int(name.split(".blocks.", 1)[1].split(".", 1)[0]) + 1
    return lr_decay_rate ** (num_layers + 1 - layer)
