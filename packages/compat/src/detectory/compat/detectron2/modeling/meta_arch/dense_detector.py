"""Dense detector interface under Detectron2's module path."""

from torch import Tensor

from detectory.modeling.meta_arch import DenseDetector

__all__ = ["DenseDetector", "permute_to_N_HWA_K"]


def permute_to_N_HWA_K(tensor: Tensor, K: int) -> Tensor:
    """Reshape a head's output `(B, A * K, H, W)` to `(B, H * W * A, K)`, in anchor order.

    Raises:
        ValueError: If `tensor` is not 4-D, or its channels are not divisible by `K`.
    """
    if tensor.dim() != 4 or tensor.shape[1] % K:
        raise ValueError(f"permute_to_N_HWA_K: tensor must be (B, A * {K}, H, W), got {tuple(tensor.shape)}")
    batch, _, height, width = tensor.shape
    return tensor.view(batch, -1, K, height, width).permute(0, 3, 4, 1, 2).reshape(batch, -1, K)
