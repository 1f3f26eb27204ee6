"""Losses of charts.

Sources: Güler, Neverova and Kokkinos, "DensePose", 2018, section 3.2; Neverova, Novotny and Vedaldi, "Correlated
    Uncertainty for Learning Dense Correspondences from Noisy Labels", 2019, section 3.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from detectory.projects.densepose.modeling.confidence import (
    DensePoseConfidenceModelConfig,
    DensePoseUVConfidenceType,
)
from detectory.structures import Instances

from .matched_annotations import PackedAnnotations, pack_annotations
from .point_sampling import PointSampler, point_sampler
from .segmentation import MaskLoss, SegmentationLoss

#: Twice the constant of a Gaussian's negative log-likelihood in the losses of U and V.
_LOG_2_PI = math.log(2 * math.pi)


class DensePoseChartLoss:
    """Losses of the segmentations and of the chart coordinates at annotated points.

    Args:
        point_regression_weight: Weight of the losses of U and V, which are sums over the points.
        part_weight: Weight of the loss of the charts.
        segm_weight: Weight of the loss of the coarse segmentation.
        num_coarse_segm_channels: 2 for foreground and background, or 15.
        segm_trained_by_masks: Whether instance masks replace the coarse parts of the annotations.
    """

    def __init__(
        self,
        point_regression_weight: float = 0.01,
        part_weight: float = 1.0,
        segm_weight: float = 5.0,
        num_coarse_segm_channels: int = 2,
        segm_trained_by_masks: bool = False,
    ) -> None:
        if segm_trained_by_masks and num_coarse_segm_channels != 2:
            raise ValueError(
                f"{type(self).__name__}: segm_trained_by_masks requires num_coarse_segm_channels=2, "
                f"got {num_coarse_segm_channels}"
            )
        self.w_points, self.w_part, self.w_segm = point_regression_weight, part_weight, segm_weight
        self.segm_loss: Any = MaskLoss() if segm_trained_by_masks else SegmentationLoss(num_coarse_segm_channels)

    def __call__(
        self, proposals_with_gt: Sequence[Instances], densepose_predictor_outputs: Any, **_: Any
    ) -> dict[str, Tensor]:
        """Return the losses by name; without annotations all of them are 0 and keep the gradient graph.

        Args:
            proposals_with_gt: Foreground proposals with `proposal_boxes`, `gt_boxes`, `gt_densepose`, `gt_masks`.
            densepose_predictor_outputs: `DensePoseChartPredictorOutput` of these proposals.
        """
        output = densepose_predictor_outputs
        annotations = pack_annotations(proposals_with_gt) if len(proposals_with_gt) else None
        losses = self._no_points(output)
        if annotations is not None:
            if annotations.charts is None:
                raise ValueError(f"{type(self).__name__}: annotations must have dp_I, dp_U and dp_V, not vertices")
            sampler = point_sampler(annotations, *output.u.shape[2:])
            losses = {**self._uv_losses(output, annotations, sampler), **self._part_loss(output, annotations, sampler)}
        losses["loss_densepose_S"] = self.segm_loss(output, annotations, proposals_with_gt) * self.w_segm
        return losses

    def _no_points(self, output: Any) -> dict[str, Tensor]:
        return {
            "loss_densepose_U": output.u.sum() * 0,
            "loss_densepose_V": output.v.sum() * 0,
            "loss_densepose_I": output.fine_segm.sum() * 0,
        }

    def _part_loss(self, output: Any, annotations: PackedAnnotations, sampler: PointSampler) -> dict[str, Tensor]:
        """Return the cross-entropy of the charts, averaged over all points inside the proposals."""
        inside = sampler.is_inside
        if not inside.any():
            return {"loss_densepose_I": output.fine_segm.sum() * 0}
        assert annotations.charts is not None
        logits = sampler.sample(output.fine_segm)[inside]
        return {"loss_densepose_I": F.cross_entropy(logits, annotations.charts[inside]) * self.w_part}

    def _uv_losses(self, output: Any, annotations: PackedAnnotations, sampler: PointSampler) -> dict[str, Tensor]:
        """Return the smooth L1 losses of U and V, summed over the points on the body."""
        assert annotations.charts is not None
        used = sampler.is_inside & (annotations.charts > 0)
        losses = {}
        for name, maps, target in (("U", output.u, annotations.u), ("V", output.v, annotations.v)):
            assert target is not None
            values = sampler.sample(maps, annotations.charts)[used]
            losses[f"loss_densepose_{name}"] = (
                F.smooth_l1_loss(values, target[used], reduction="sum") * self.w_points
                if used.any()
                else maps.sum() * 0
            )
        return losses


class DensePoseChartWithConfidenceLoss(DensePoseChartLoss):
    """Losses of charts in which U and V are Gaussian if their confidence is enabled.

    Args:
        confidences: The enabled confidences; none by default.
        kwargs: Arguments of `DensePoseChartLoss`.
    """

    def __init__(self, confidences: DensePoseConfidenceModelConfig | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.uv = (confidences or DensePoseConfidenceModelConfig()).uv_confidence

    def _maps(self, output: Any) -> dict[str, Tensor]:
        names = ["u", "v", "sigma_2"]
        if self.uv.type is DensePoseUVConfidenceType.INDEP_ANISO:
            names += ["kappa_u", "kappa_v"]
        return {name: getattr(output, name) for name in names}

    def _no_points(self, output: Any) -> dict[str, Tensor]:
        if not self.uv.enabled:
            return super()._no_points(output)
        zero = torch.stack([values.sum() for values in self._maps(output).values()]).sum() * 0
        return {"loss_densepose_UV": zero, "loss_densepose_I": output.fine_segm.sum() * 0}

    def _uv_losses(self, output: Any, annotations: PackedAnnotations, sampler: PointSampler) -> dict[str, Tensor]:
        if not self.uv.enabled:
            return super()._uv_losses(output, annotations, sampler)
        assert annotations.charts is not None
        assert annotations.u is not None
        assert annotations.v is not None
        used = sampler.is_inside & (annotations.charts > 0)
        if not used.any():
            return {"loss_densepose_UV": self._no_points(output)["loss_densepose_UV"]}
        values = {n: sampler.sample(maps, annotations.charts)[used] for n, maps in self._maps(output).items()}
        error_u, error_v = values["u"] - annotations.u[used], values["v"] - annotations.v[used]
        variance = F.softplus(values["sigma_2"]) + self.uv.epsilon
        if self.uv.type is DensePoseUVConfidenceType.IID_ISO:
            loss = isotropic_nll(error_u, error_v, variance)
        else:
            loss = anisotropic_nll(error_u, error_v, variance, values["kappa_u"], values["kappa_v"])
        return {"loss_densepose_UV": loss.sum() * self.w_points}


def isotropic_nll(error_u: Tensor, error_v: Tensor, variance: Tensor) -> Tensor:
    """Return the negative log-likelihood of errors with the covariance `variance * I`, up to a constant.

    Args:
        error_u: Errors of any shape.
        error_v: Errors of the same shape.
        variance: Positive, of the same shape.
    """
    return 0.5 * (_LOG_2_PI + 2 * variance.log() + (error_u**2 + error_v**2) / variance)


def anisotropic_nll(error_u: Tensor, error_v: Tensor, variance: Tensor, kappa_u: Tensor, kappa_v: Tensor) -> Tensor:
    """Return the negative log-likelihood of errors with the covariance `variance * I + r r^T`, up to a constant.

    The vector is `r = (kappa_u, kappa_v)`. The inverse follows from the formula of Sherman and Morrison, the
    determinant is `variance * (variance + |r|^2)`.

    Args:
        error_u: Errors of any shape.
        error_v: Errors of the same shape.
        variance: Positive, of the same shape.
        kappa_u: First component of `r`, same shape.
        kappa_v: Second component of `r`, same shape.
    """
    determinant = variance * (variance + kappa_u**2 + kappa_v**2)
    along = (error_u * kappa_u + error_v * kappa_v) ** 2
    squared = error_u**2 + error_v**2
    return 0.5 * (_LOG_2_PI + determinant.log() + squared / variance - along / determinant)
