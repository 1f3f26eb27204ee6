"""Multiscale vision transformer, version 2 (MViTv2), as a detection backbone."""

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from detectory.modeling.backbone.backbone import Backbone

from .layers import PatchEmbed, drop_path_rates, get_abs_pos, init_transformer_weights, make_abs_pos, run_block
from .mvit_blocks import MultiScaleBlock


class MViT(Backbone):
    """Hierarchical vision transformer: each stage halves the resolution and doubles the channels and heads.

    The outputs are named `"scale2"` to `"scale5"` and have strides 4 to 32.

    Args:
        img_size: Side length of the image that determines the number of relative positions.
        patch_kernel: `(height, width)` of a patch in pixels.
        patch_stride: Vertical and horizontal distance of the patches in pixels.
        patch_padding: Rows and columns of zeros added on each side of the image.
        in_chans: Channels of the image.
        embed_dim: Channels of the first stage.
        depth: Number of blocks.
        num_heads: Attention heads of the first stage.
        last_block_indexes: Index of the last block of each stage.
        qkv_pool_kernel: `(height, width)` of the pooling kernels.
        adaptive_kv_stride: Pooling stride of keys and values in the first stage, halved in every further stage.
        adaptive_window_size: Side length of the attention windows in the first stage, halved in every further stage.
        residual_pooling: Whether to add the pooled queries to the result of the attention.
        mlp_ratio: Hidden channels of the MLPs, relative to the output channels of their blocks.
        qkv_bias: Whether the projections to queries, keys and values have a bias.
        drop_path_rate: Drop-path probability of the last block in training; it grows linearly from 0 in the first one.
        norm_layer: Factory of norms over the last dimension.
        act_layer: Factory of activations.
        use_abs_pos: Whether to add absolute position embeddings to the patches.
        use_rel_pos: Whether to add relative position embeddings to the attention logits.
        rel_pos_zero_init: Whether to initialize the relative position embeddings with zeros.
        use_act_checkpoint: Whether to recompute activations in the backward pass to save memory.
        pretrain_img_size: Side length of the images in pre-training, which determines the number of absolute positions.
        pretrain_use_cls_token: Whether the absolute position embeddings include the one of a class token.
        out_features: Names of the outputs.

    Source: Li et al., "MViTv2: Improved Multiscale Vision Transformers", 2022, sections 3 and 4.2 (windows).
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
            num_patches = (pretrain_img_size // patch_stride[0]) * (pretrain_img_size // patch_stride[1])
            self.pos_embed = make_abs_pos(num_patches, pretrain_use_cls_token, embed_dim)
        self._last_block_indexes = list(last_block_indexes)
        self._out_features = list(out_features)
        self._out_feature_channels: dict[str, int] = {}
        self._out_feature_strides: dict[str, int] = {}
        self.blocks = nn.ModuleList()
        dim = dim_out = embed_dim
        stage = 2
        stride = patch_stride[0]
        kv_stride = adaptive_kv_stride
        window_size = adaptive_window_size
        input_side = img_size // patch_stride[0]
        for i, drop_path in enumerate(drop_path_rates(drop_path_rate, depth)):
            is_first_of_stage = i - 1 in last_block_indexes
            is_last_of_stage = i in last_block_indexes
            # Attention is global in the last block of every stage but the first. In the second and third stage, where
            # the feature maps are large, these blocks pool keys and values twice as much to save memory.
            is_global = i in last_block_indexes[1:]
            global_kv_factor = 2 if i in last_block_indexes[1:3] else 1
            self.blocks.append(
                MultiScaleBlock(
                    dim,
                    dim_out,
                    num_heads=num_heads,
                    mlp_ratio=mlp_ratio,
                    qkv_bias=qkv_bias,
                    drop_path=drop_path,
                    norm_layer=norm_layer,
                    act_layer=act_layer,
                    qkv_pool_kernel=qkv_pool_kernel,
                    stride_q=2 if is_first_of_stage else 1,
                    stride_kv=kv_stride * global_kv_factor,
                    residual_pooling=residual_pooling,
                    window_size=0 if is_global else window_size,
                    use_rel_pos=use_rel_pos,
                    rel_pos_zero_init=rel_pos_zero_init,
                    input_size=(input_side, input_side),
                )
            )
            dim = dim_out
            if is_last_of_stage:
                name = f"scale{stage}"
                if name in self._out_features:
                    self._out_feature_channels[name] = dim_out
                    self._out_feature_strides[name] = stride
                    self.add_module(f"{name}_norm", norm_layer(dim_out))
                dim_out *= 2
                num_heads *= 2
                stride *= 2
                stage += 1
                kv_stride = max(kv_stride // 2, 1)
            if is_first_of_stage:
                # The first block of a stage pools its queries itself, hence it still has the size of the previous
                # stage.
                window_size //= 2
                input_side //= 2
        self.apply(self._init_weights)

    def _init_weights(self, m: nn.Module) -> None:
        """Initialize one module; called for all of them by the constructor."""
        init_transformer_weights(m)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map images `(B, in_chans, H, W)` to the feature maps `(B, channels, H / stride, W / stride)` by name."""
        x = self.patch_embed(x)
        if self.pos_embed is not None:
            x = x + get_abs_pos(self.pos_embed, self.pretrain_use_cls_token, x.shape[1:3])
        outputs = {}
        for i, block in enumerate(self.blocks):
            x = run_block(block, x, self.use_act_checkpoint)
            if i in self._last_block_indexes:
                name = f"scale{self._last_block_indexes.index(i) + 2}"
                if name in self._out_features:
                    outputs[name] = getattr(self, f"{name}_norm")(x).permute(0, 3, 1, 2).contiguous()
        return outputs
