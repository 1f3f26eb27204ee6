"""Settings of the confidences of U, V and of the segmentations.

Source: Neverova, Novotny and Vedaldi, "Correlated Uncertainty for Learning Dense Correspondences from Noisy
    Labels", 2019.
"""

from dataclasses import dataclass, field
from enum import Enum


class DensePoseUVConfidenceType(Enum):
    """Model of the errors of U and V.

    `iid_iso` is an isotropic Gaussian, `indep_aniso` a Gaussian with a preferred direction.
    """

    IID_ISO = "iid_iso"
    INDEP_ANISO = "indep_aniso"


@dataclass
class DensePoseUVConfidenceConfig:
    """Settings of the confidence of U and V.

    Attributes:
        enabled: Whether the errors of U and V are predicted.
        epsilon: Minimum variance.
        type: Model of the errors.
    """

    enabled: bool = False
    epsilon: float = 0.01
    type: DensePoseUVConfidenceType = DensePoseUVConfidenceType.IID_ISO


@dataclass
class DensePoseSegmConfidenceConfig:
    """Settings of the confidence of the segmentations.

    Attributes:
        enabled: Whether the confidence is predicted.
        epsilon: Minimum confidence.
    """

    enabled: bool = False
    epsilon: float = 0.01


@dataclass
class DensePoseConfidenceModelConfig:
    """Settings of all confidences."""

    uv_confidence: DensePoseUVConfidenceConfig = field(default_factory=DensePoseUVConfidenceConfig)
    segm_confidence: DensePoseSegmConfidenceConfig = field(default_factory=DensePoseSegmConfidenceConfig)
