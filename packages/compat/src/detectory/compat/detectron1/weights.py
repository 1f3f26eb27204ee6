"""Conversion of Detectron 1's weights."""

from collections.abc import Mapping

from torch import Tensor

from detectory.compat._pytorch_resnet import sizes_before_ratios
from detectory.core.checkpoint.caffe2_names import convert_caffe2_names

#: Aspect ratios of the anchors in all Detectron models.
RATIOS = 3


def convert_weights(blobs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the blobs of a Detectron `.pkl` file.

    The returned names are suffixes of our parameter names, as `DetectionCheckpointer` matches them. The checkpointer
    reads these files directly, but leaves the anchors of C4 models in Detectron's order.

    Args:
        blobs: Tensors by name, without momentum buffers.

    Returns:
        Tensors by name. Background rows are moved to the end or removed, and the anchors of an RPN with several sizes
            on one feature map are reordered to size-major.

    Raises:
        ValueError: If two blobs would get the same name.
    """
    state, origins = convert_caffe2_names(blobs)
    for name, tensor in state.items():
        single = name.startswith("proposal_generator.rpn_head.") and "_fpn" not in origins[name]
        if single and ".conv." not in name:
            anchors = tensor.shape[0] // (4 if "anchor_deltas" in name else 1)
            state[name] = sizes_before_ratios(tensor, anchors // RATIOS, RATIOS)
    return state
