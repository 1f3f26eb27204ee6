"""Plain vision transformer (ViT) as a detection backbone."""

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from detectory.modeling.backbone.backbone import Backbone

from .layers import PatchEmbed, drop_path_rates, get_abs_pos, init_transformer_weights, make_abs_pos, run_block
from .vit_blocks import Block


class ViT(Backbone):
    """Plain vision transformer with windowed attention and some blocks with global attention.

    The output is a single feature map at the stride of the patches; `SimpleFeaturePyramid` derives a pyramid from it.

    Args:
        img_size: Side length of the image that determines the number of relative positions.
        patch_size: Side length of a patch in pixels, and the stride of the output.
        in_chans: Channels of the image.
        embed_dim: Channels of the output.
        depth: Number of blocks.
        num_heads: Attention heads of each block.
        mlp_ratio: Hidden channels of the MLPs, relative to `embed_dim`.
        qkv_bias: Whether the projections to queries, keys and values have a bias.
        drop_path_rate: Drop-path probability of the last block in training; it grows linearly from 0 in the first one.
        norm_layer: Factory of norms over the last dimension.
        act_layer: Factory of activations.
        use_abs_pos: Whether to add absolute position embeddings to the patches.
        use_rel_pos: Whether to add relative position embeddings to the attention logits.
        rel_pos_zero_init: Whether to initialize the relative position embeddings with zeros.
        window_size: Side length of the attention windows, in patches.
        window_block_indexes: Blocks with windowed attention; the others have global attention.
        residual_block_indexes: Blocks that end with a convolutional residual block.
        use_act_checkpoint: Whether to recompute activations in the backward pass to save memory.
        pretrain_img_size: Side length of the images in pre-training, which determines the number of absolute positions.
        pretrain_use_cls_token: Whether the absolute position embeddings include the one of a class token.
        out_feature: Name of the output.

    Source: Dosovitskiy et al., "An Image is Worth 16x16 Words", 2021; Li et al., "Exploring Plain Vision Transformer
        Backbones for Object Detection", 2022.
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
            num_patches = (pretrain_img_size // patch_size) ** 2
            self.pos_embed = make_abs_pos(num_patches, pretrain_use_cls_token, embed_dim)
        self.blocks = nn.ModuleList(
            Block(
                dim=embed_dim,
                num_heads=num_heads,
                mlp_ratio=mlp_ratio,
                qkv_bias=qkv_bias,
                drop_path=drop_path,
                norm_layer=norm_layer,
                act_layer=act_layer,
                use_rel_pos=use_rel_pos,
                rel_pos_zero_init=rel_pos_zero_init,
                window_size=window_size if i in window_block_indexes else 0,
                use_residual_block=i in residual_block_indexes,
                input_size=(img_size // patch_size, img_size // patch_size),
            )
            for i, drop_path in enumerate(drop_path_rates(drop_path_rate, depth))
        )
        self._out_features = [out_feature]
        self._out_feature_channels = {out_feature: embed_dim}
        self._out_feature_strides = {out_feature: patch_size}
        self.apply(self._init_weights)

    def _init_weights(self, m: nn.Module) -> None:
        """Initialize one module; called for all of them by the constructor."""
        init_transformer_weights(m)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map images `(B, in_chans, H, W)` to `{out_feature: (B, embed_dim, H / patch_size, W / patch_size)}`."""
        x = self.patch_embed(x)
        if self.pos_embed is not None:
            x = x + get_abs_pos(self.pos_embed, self.pretrain_use_cls_token, x.shape[1:3])
        for block in self.blocks:
            x = run_block(block, x, self.use_act_checkpoint)
        return {self._out_features[0]: x.permute(0, 3, 1, 2)}


def get_vit_lr_decay_rate(name: str, lr_decay_rate: float = 1.0, num_layers: int = 12) -> float:
    """Return the learning rate factor of a parameter for layer-wise decay: the closer to the image, the smaller.

    Args:
        name: Name of the parameter in a model with a ViT below `backbone`.
        lr_decay_rate: Ratio of the factors of consecutive blocks.
        num_layers: Number of blocks of the ViT.

    Returns:
        1 for parameters outside the blocks and embeddings of the backbone, `lr_decay_rate ** (num_layers - i)` for
        block `i`, and `lr_decay_rate ** (num_layers + 1)` for the patch and position embeddings.

    Source: Bao et al., "BEiT", 2022, appendix.
    """
    layer = num_layers + 1
    if name.startswith("backbone"):
        if ".pos_embed" in name or ".patch_embed" in name:
            layer = 0
        elif ".blocks." in name and ".residual." not in name:
            layer = int(name.split(".blocks.", 1)[1].split(".", 1)[0]) + 1
    return lr_decay_rate ** (num_layers + 1 - layer)
