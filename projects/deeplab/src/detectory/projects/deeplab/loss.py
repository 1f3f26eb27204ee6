"""Cross-entropy with hard pixel mining."""

from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["DeepLabCE"]


class DeepLabCE(nn.Module):
    """Mean cross-entropy over the fraction of pixels with the highest loss.

    Args:
        ignore_label: Label of ignored pixels; their loss is zero.
        top_k_percent_pixels: The fraction, in (0, 1]; 1 selects all pixels.
        weight: Weight per class, `(K,)`.

    Raises:
        ValueError: If `top_k_percent_pixels` is out of range.

    Source: Chen et al., "Panoptic-DeepLab", 2020, section 3.3.
    """

    def __init__(self, ignore_label: int = -1, top_k_percent_pixels: float = 1.0, weight: Tensor | None = None) -> None:
        super().__init__()
        if not 0 < top_k_percent_pixels <= 1:
            raise ValueError(f"DeepLabCE: top_k_percent_pixels must be in (0, 1], got {top_k_percent_pixels}")
        self.top_k_percent_pixels = top_k_percent_pixels
        self.ignore_label = ignore_label
        self.weight: Tensor | None
        self.register_buffer("weight", weight, persistent=False)

    def forward(self, logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the loss.

        Args:
            logits: `(B, K, H, W)`.
            labels: Class ids `(B, H, W)`.
            weights: Weight per pixel, `(B, H, W)`.
        """
        losses = F.cross_entropy(logits, labels, self.weight, ignore_index=self.ignore_label, reduction="none")
        losses = (losses if weights is None else losses * weights).flatten()
        if self.top_k_percent_pixels < 1:
            losses = losses.topk(max(int(self.top_k_percent_pixels * losses.numel()), 1)).values
        return losses.mean()
