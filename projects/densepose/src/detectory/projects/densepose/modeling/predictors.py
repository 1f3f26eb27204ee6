"""Predictors: the last layers, which map head features to charts or embeddings on a fine grid.

Sources: Güler, Neverova and Kokkinos, "DensePose", 2018, section 3; Neverova, Novotny and Vedaldi, "Correlated
    Uncertainty for Learning Dense Correspondences from Noisy Labels", 2019; Neverova et al., "Continuous Surface
    Embeddings", 2020.
"""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from detectory.modeling.layers import c2_msra_fill
from detectory.projects.densepose.structures.predictor_output import (
    DensePoseChartPredictorOutput,
    DensePoseEmbeddingPredictorOutput,
    decorate_predictor_output_class_with_confidences,
)

from .confidence import DensePoseConfidenceModelConfig, DensePoseUVConfidenceType


class _Predictor(nn.Module):
    """Transposed convolutions that double the resolution, each followed by bilinear upsampling.

    Args:
        input_channels: Channels of the head features.
        kernel: Side length of the kernels, an even number.
        up_scale: Factor of the bilinear upsampling.
    """

    def __init__(self, input_channels: int, kernel: int = 4, up_scale: int = 2) -> None:
        super().__init__()
        if kernel % 2 or kernel < 2:
            raise ValueError(f"{type(self).__name__}: kernel must be even, got {kernel}")
        self.input_channels, self.kernel, self.scale_factor = input_channels, kernel, up_scale

    def _layer(self, channels: int) -> nn.ConvTranspose2d:
        kernel = self.kernel
        layer = nn.ConvTranspose2d(self.input_channels, channels, kernel, stride=2, padding=kernel // 2 - 1)
        c2_msra_fill(layer)
        return layer

    def interp2d(self, x: Tensor) -> Tensor:
        """Upsample bilinearly by the factor of the predictor."""
        return F.interpolate(x, scale_factor=float(self.scale_factor), mode="bilinear", align_corners=False)


class DensePoseChartPredictor(_Predictor):
    """Segmentations and chart coordinates.

    Args:
        input_channels: Channels of the head features.
        num_coarse_segm_channels: 2 for foreground and background, or 15 for body parts and background.
        num_patches: Number of charts.
        kernel: Side length of the kernels.
        up_scale: Factor of the bilinear upsampling.
    """

    def __init__(
        self,
        input_channels: int,
        num_coarse_segm_channels: int = 2,
        num_patches: int = 24,
        kernel: int = 4,
        up_scale: int = 2,
    ) -> None:
        super().__init__(input_channels, kernel, up_scale)
        self.num_charts = num_patches + 1
        self.ann_index_lowres = self._layer(num_coarse_segm_channels)
        self.index_uv_lowres = self._layer(self.num_charts)
        self.u_lowres = self._layer(self.num_charts)
        self.v_lowres = self._layer(self.num_charts)

    def forward(self, head_outputs: Tensor) -> Any:
        """Map `(R, input_channels, S, S)` to a `DensePoseChartPredictorOutput` with side `2 * up_scale * S`."""
        return DensePoseChartPredictorOutput(
            coarse_segm=self.interp2d(self.ann_index_lowres(head_outputs)),
            fine_segm=self.interp2d(self.index_uv_lowres(head_outputs)),
            u=self.interp2d(self.u_lowres(head_outputs)),
            v=self.interp2d(self.v_lowres(head_outputs)),
        )


class DensePoseEmbeddingPredictor(_Predictor):
    """Foreground and embeddings.

    Args:
        input_channels: Channels of the head features.
        num_coarse_segm_channels: 2 for foreground and background.
        embed_size: Dimension of the embeddings.
        kernel: Side length of the kernels.
        up_scale: Factor of the bilinear upsampling.
    """

    def __init__(
        self,
        input_channels: int,
        num_coarse_segm_channels: int = 2,
        embed_size: int = 16,
        kernel: int = 4,
        up_scale: int = 2,
    ) -> None:
        super().__init__(input_channels, kernel, up_scale)
        self.coarse_segm_lowres = self._layer(num_coarse_segm_channels)
        self.embed_lowres = self._layer(embed_size)

    def forward(self, head_outputs: Tensor) -> Any:
        """Map `(R, input_channels, S, S)` to a `DensePoseEmbeddingPredictorOutput` with side `2 * up_scale * S`."""
        return DensePoseEmbeddingPredictorOutput(
            embedding=self.interp2d(self.embed_lowres(head_outputs)),
            coarse_segm=self.interp2d(self.coarse_segm_lowres(head_outputs)),
        )


class _WithConfidences(_Predictor):
    """Adds the enabled confidences to a predictor."""

    confidence_model_cfg: DensePoseConfidenceModelConfig

    def _add_confidence_layers(self, confidences: DensePoseConfidenceModelConfig, num_channels: int) -> None:
        self.confidence_model_cfg = confidences
        uv = confidences.uv_confidence
        if uv.enabled:
            self.sigma_2_lowres = self._layer(num_channels)
            if uv.type is DensePoseUVConfidenceType.INDEP_ANISO:
                self.kappa_u_lowres = self._layer(num_channels)
                self.kappa_v_lowres = self._layer(num_channels)

    def _add_segmentation_layers(self, names: tuple[str, ...]) -> None:
        if self.confidence_model_cfg.segm_confidence.enabled:
            for name in names:
                self.add_module(f"{name}_confidence_lowres", self._layer(1))

    def _with_confidences(self, output: Any, head_outputs: Tensor, segmentations: tuple[str, ...]) -> Any:
        """Return the output with confidences; segmentation logits are multiplied by theirs."""
        fields: dict[str, Any] = dict(vars(output))
        for name in ("sigma_2", "kappa_u", "kappa_v"):
            if hasattr(self, f"{name}_lowres"):
                fields[name] = self.interp2d(getattr(self, f"{name}_lowres")(head_outputs))
        segm = self.confidence_model_cfg.segm_confidence
        if segm.enabled:
            for name in segmentations:
                scores = self.interp2d(getattr(self, f"{name}_confidence_lowres")(head_outputs))
                fields[f"{name}_confidence"] = F.softplus(scores) + segm.epsilon
                fields[name] = fields[name] * fields[f"{name}_confidence"]
        return decorate_predictor_output_class_with_confidences(type(output))(**fields)


class DensePoseChartWithConfidencePredictor(_WithConfidences, DensePoseChartPredictor):
    """Segmentations and chart coordinates with confidences.

    Args:
        input_channels: Channels of the head features.
        confidences: The enabled confidences; none by default.
        kwargs: Further arguments of `DensePoseChartPredictor`.
    """

    def __init__(
        self, input_channels: int, confidences: DensePoseConfidenceModelConfig | None = None, **kwargs: Any
    ) -> None:
        super().__init__(input_channels, **kwargs)
        self._add_confidence_layers(confidences or DensePoseConfidenceModelConfig(), self.num_charts)
        self._add_segmentation_layers(("fine_segm", "coarse_segm"))

    def forward(self, head_outputs: Tensor) -> Any:
        """Map `(R, input_channels, S, S)` to a chart output with the fields `CONFIDENCE_FIELDS`."""
        return self._with_confidences(super().forward(head_outputs), head_outputs, ("fine_segm", "coarse_segm"))


class DensePoseEmbeddingWithConfidencePredictor(_WithConfidences, DensePoseEmbeddingPredictor):
    """Foreground and embeddings, with the confidence of the foreground.

    Args:
        input_channels: Channels of the head features.
        confidences: The enabled confidences; none by default.
        kwargs: Further arguments of `DensePoseEmbeddingPredictor`.
    """

    def __init__(
        self, input_channels: int, confidences: DensePoseConfidenceModelConfig | None = None, **kwargs: Any
    ) -> None:
        super().__init__(input_channels, **kwargs)
        self.confidence_model_cfg = confidences or DensePoseConfidenceModelConfig()
        self._add_segmentation_layers(("coarse_segm",))

    def forward(self, head_outputs: Tensor) -> Any:
        """Map `(R, input_channels, S, S)` to an embedding output with the fields `CONFIDENCE_FIELDS`."""
        return self._with_confidences(super().forward(head_outputs), head_outputs, ("coarse_segm",))
