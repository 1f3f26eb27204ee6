"""Point-supervised mask heads that are built from a config."""

from collections.abc import Sequence

from torch import Tensor

from detectory.compat.detectron2.modeling.roi_heads.mask_head import ROI_MASK_HEAD_REGISTRY, MaskRCNNConvUpsampleHead
from detectory.projects.point_rend.detectron2 import ImplicitPointRendMaskHead
from detectory.projects.point_sup import get_point_coords_from_point_annotation
from detectory.projects.point_sup.mask_heads import point_mask_loss
from detectory.structures import Instances

__all__ = ["ImplicitPointRendPointSupHead", "MaskRCNNConvUpsamplePointSupHead"]


@ROI_MASK_HEAD_REGISTRY.register()
class MaskRCNNConvUpsamplePointSupHead(MaskRCNNConvUpsampleHead):
    """`detectory.projects.point_sup.MaskRCNNConvUpsamplePointSupHead` that can also be built from a config."""

    def forward(self, x: Tensor, instances: Sequence[Instances]) -> dict[str, Tensor] | Sequence[Instances]:
        """Return `{"loss_mask": loss}` in training; in inference set `pred_masks` and return `instances`."""
        if self.training:
            return {"loss_mask": point_mask_loss(self.layers(x), instances) * self.loss_weight}
        return super().forward(x, instances)


@ROI_MASK_HEAD_REGISTRY.register()
class ImplicitPointRendPointSupHead(ImplicitPointRendMaskHead):
    """`detectory.projects.point_sup.ImplicitPointRendPointSupHead` that can also be built from a config."""

    def _uniform_sample_train_points(self, instances: Sequence[Instances]) -> tuple[Tensor, Tensor]:
        return get_point_coords_from_point_annotation(instances)
