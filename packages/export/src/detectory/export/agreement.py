"""`Agreement` between an exported model and its original, and the `Tolerance` allowed."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Tolerance:
    """Maximum differences between an exported model and its original.

    Args:
        boxes: Any box coordinate, pixels.
        scores: Any score, absolute.
        masks: Fraction of an image's instance-mask pixels that differ.
        keypoints: 99th percentile of the keypoint distance, pixels.
        labels: Fraction of an image's pixels with a different semantic class.
        unmatched: Fraction of all detections without a counterpart in the other model. Rounding breaks ties
            differently: between two equally good boxes in NMS, or at the cutoff of 100 detections per image.
    """

    boxes: float = 0.5
    scores: float = 0.01
    masks: float = 0.02
    keypoints: float = 1.0
    labels: float = 0.001
    unmatched: float = 0.02

    @classmethod
    def for_dtype(cls, dtype: str) -> "Tolerance":
        """Return the default for a type of the weights: half precision and int8 move boxes and scores."""
        if dtype == "float32":
            return cls()
        return cls(boxes=16.0, scores=0.1, masks=0.1, keypoints=16.0, labels=0.05, unmatched=0.2)


@dataclass(frozen=True)
class Agreement:
    """The result of comparing two models; differences are maxima over all images.

    Args:
        images: Number of images.
        detections: Number of detections of the original model.
        exported_detections: Number of detections of the exported model.
        matched: Number of matched pairs: same class, overlapping boxes.
        boxes: Largest difference of a box coordinate, pixels.
        scores: Largest difference of a score.
        masks: Largest fraction of an image's instance-mask pixels that differ.
        keypoints: 99th percentile of the keypoint distance, pixels.
        labels: Largest fraction of an image's pixels with a different semantic class.
        worst: The name of the image with the largest difference, for each difference.
    """

    images: int
    detections: int
    exported_detections: int
    matched: int
    boxes: float = 0.0
    scores: float = 0.0
    masks: float = 0.0
    keypoints: float = 0.0
    labels: float = 0.0
    worst: Mapping[str, str] = field(default_factory=dict)

    @property
    def unmatched(self) -> float:
        """Fraction of all detections without a counterpart."""
        total = self.detections + self.exported_detections
        return 1 - 2 * self.matched / total if total else 0.0

    def problems(self, tolerance: Tolerance) -> list[str]:
        """Return one message per difference that exceeds the tolerance."""
        names = ("unmatched", "boxes", "scores", "masks", "keypoints", "labels")
        measured = {name: (getattr(self, name), getattr(tolerance, name)) for name in names}
        # `not value <= limit` also reports NaN.
        return [
            f"{name}: {value:.4g}, allowed {limit:g}{self._where(name)}"
            for name, (value, limit) in measured.items()
            if not value <= limit
        ]

    def _where(self, name: str) -> str:
        return f" ({self.worst[name]})" if name in self.worst else ""

    def __str__(self) -> str:
        return (
            f"{self.images} images, {self.detections} detections, {self.exported_detections} exported, "
            f"{self.matched} matched; largest differences: boxes {self.boxes:.2g} px, scores {self.scores:.2g}, "
            f"masks {self.masks:.2%}, keypoints {self.keypoints:.2g} px, labels {self.labels:.2%}"
        )


class ExportDisagreement(RuntimeError):
    """The exported model differs from the original by more than the tolerance.

    Attributes:
        agreement: The measured differences.
    """

    def __init__(self, agreement: Agreement, tolerance: Tolerance) -> None:
        super().__init__(
            f"the exported model differs from the original ({'; '.join(agreement.problems(tolerance))}); "
            f"nothing was written. Compared: {agreement}"
        )
        self.agreement = agreement
