"""Losses of continuous surface embeddings."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from detectory.structures import Instances

from .cycles import PixToShapeCycleLoss, ShapeToShapeCycleLoss
from .embedding import EmbeddingLoss, SoftEmbeddingLoss
from .matched_annotations import pack_annotations
from .point_sampling import point_sampler
from .segmentation import MaskLoss, SegmentationLoss


class DensePoseCseLoss:
    """Losses of the foreground, of the embeddings at annotated points, and of cycles.

    Args:
        embed_loss: Loss of the embeddings.
        segm_weight: Weight of the loss of the foreground.
        embed_weight: Weight of the loss of the embeddings.
        num_coarse_segm_channels: 2 for foreground and background.
        segm_trained_by_masks: Whether instance masks replace the masks of the annotations.
        shape2shape: Cycle loss between meshes; `None` for none.
        shape2shape_weight: Weight of this loss.
        pix2shape: Cycle loss between pixels and meshes; `None` for none.
        pix2shape_weight: Weight of this loss.

    Sources: Neverova et al., "Continuous Surface Embeddings", 2020; Neverova et al., "Discovering Relationships between
        Object Categories via Universal Canonical Maps", 2021.
    """

    def __init__(
        self,
        embed_loss: EmbeddingLoss | SoftEmbeddingLoss | None = None,
        segm_weight: float = 5.0,
        embed_weight: float = 0.6,
        num_coarse_segm_channels: int = 2,
        segm_trained_by_masks: bool = False,
        shape2shape: ShapeToShapeCycleLoss | None = None,
        shape2shape_weight: float = 0.025,
        pix2shape: PixToShapeCycleLoss | None = None,
        pix2shape_weight: float = 0.0001,
    ) -> None:
        self.embed_loss = embed_loss or EmbeddingLoss()
        self.segm_loss: Any = MaskLoss() if segm_trained_by_masks else SegmentationLoss(num_coarse_segm_channels)
        self.w_segm, self.w_embed = segm_weight, embed_weight
        self.shape2shape, self.w_shape2shape = shape2shape, shape2shape_weight
        self.pix2shape, self.w_pix2shape = pix2shape, pix2shape_weight

    def __call__(
        self, proposals_with_gt: Sequence[Instances], densepose_predictor_outputs: Any, embedder: nn.Module
    ) -> dict[str, Tensor]:
        """Return the losses by name.

        Args:
            proposals_with_gt: Foreground proposals with `proposal_boxes`, `gt_boxes`, `gt_densepose`, `gt_masks`.
            densepose_predictor_outputs: `DensePoseEmbeddingPredictorOutput` of these proposals.
            embedder: `Embedder` of the meshes.
        """
        output = densepose_predictor_outputs
        annotations = pack_annotations(proposals_with_gt) if len(proposals_with_gt) else None
        sampler = None
        if annotations is not None:
            if annotations.vertex_ids is None:
                raise ValueError("DensePoseCseLoss: annotations must have dp_vertex and ref_model, not charts")
            sampler = point_sampler(annotations, *output.embedding.shape[2:])
        by_mesh = self.embed_loss(output.embedding, annotations, sampler, embedder)
        losses = {f"loss_densepose_E{name}": self.w_embed * loss for name, loss in by_mesh.items()}
        losses["loss_densepose_S"] = self.w_segm * self.segm_loss(output, annotations, proposals_with_gt)
        if self.shape2shape is not None:
            losses["loss_shape2shape"] = self.w_shape2shape * self.shape2shape(embedder)
        if self.pix2shape is not None:
            losses["loss_pix2shape"] = self.w_pix2shape * self.pix2shape(
                output, annotations, proposals_with_gt, embedder
            )
        return losses
