"""Parts that all transformer backbones share."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn


class PatchEmbed(nn.Module):
    """Turn an image into a map of embedded patches by one strided convolution.

    Args:
        kernel_size: Size of a patch.
        stride: Distance of patches.
        padding: Zeros around the image.
        in_chans: Channels of the image.
        embed_dim: Numbers of an embedding.
    """

    def __init__(
        self,
        kernel_size: tuple[int, int] = (16, 16),
        stride: tuple[int, int] = (16, 16),
        padding: tuple[int, int] = (0, 0),
        in_chans: int = 3,
        embed_dim: int = 768,
    ) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_chans, embed_dim, kernel_size, stride, padding)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, C, H, W)` to `(B, H', W', embed_dim)`."""
        return self.proj(x).permute(0, 2, 3, 1)


class Mlp(nn.Module):
    """Two linear layers around an activation, on the last dimension.

    Args:
        dim: Numbers of input and output.
        hidden: Numbers between.
        act_layer: Makes the activation.
        drop: Share of numbers dropped behind each layer in training.
    """

    def __init__(self, dim: int, hidden: int, act_layer: Callable[[], nn.Module] = nn.GELU, drop: float = 0.0) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.act = act_layer()
        self.fc2 = nn.Linear(hidden, dim)
        self.drop = nn.Dropout(drop)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(…, dim)` to `(…, dim)`."""
        return self.drop(self.fc2(self.drop(self.act(self.fc1(x)))))


def init_transformer_weights(module: nn.Module) -> None:
    """Start a linear layer from a narrow normal distribution and a layer norm from the identity."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.LayerNorm):
        nn.init.ones_(module.weight)
        nn.init.zeros_(module.bias)
