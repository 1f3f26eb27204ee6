"""Region pooling of MMDetection 1.x."""

from typing import Any

from torch import Tensor

from detectory.modeling.layers import ROIAlign
from detectory.ops import roi_align


class InclusiveROIAlign(ROIAlign):
    """`ROIAlign` for boxes that include their last pixel, without a minimum size of the regions.

    Takes the arguments of `ROIAlign`. With `aligned=False` the half pixel is not subtracted, as in `ROIAlign`, but
    regions that are smaller than one feature cell are not enlarged.
    """

    def forward(self, input: Tensor, rois: Tensor) -> Any:
        """See `ROIAlign.forward`."""
        # The operator enlarges small regions only without alignment: align, and move the boxes by half a cell instead.
        shift = 0.0 if self.aligned else 0.5 / self.spatial_scale
        moved = rois + rois.new_tensor([0.0, shift, shift, shift + 1, shift + 1])
        return roi_align(input, moved, self.output_size, self.spatial_scale, self.sampling_ratio, True)
