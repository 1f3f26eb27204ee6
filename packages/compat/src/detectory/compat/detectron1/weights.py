"""Weights of Detectron's models."""

from collections.abc import Mapping

from torch import Tensor

from detectory.compat._pytorch_resnet import sizes_before_ratios
from detectory.core.checkpoint.caffe2_names import convert_caffe2_names

#: Aspect ratios of the anchors of all Detectron's models.
RATIOS = 3


def convert_weights(blobs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the blobs of one of Detectron's `.pkl` files.

    The names are ends of ours, as `DetectionCheckpointer` matches them; it reads these files itself, but leaves
    the anchors of C4 models in Detectron's order.

    Args:
        blobs: Tensors by name, without the momenta.

    Returns:
        Tensors by name: the background's rows moved or gone, and the anchors of a proposal network with several sizes
        on one map size by size.

    Raises:
        ValueError: two blobs would get the same name.
    """
    state, origins = convert_caffe2_names(blobs)
    for name, tensor in state.items():
        single = name.startswith("proposal_generator.rpn_head.") and "_fpn" not in origins[name]
        if single and ".conv." not in name:
            anchors = tensor.shape[0] // (4 if "anchor_deltas" in name else 1)
            state[name] = sizes_before_ratios(tensor, anchors // RATIOS, RATIOS)
    return state
