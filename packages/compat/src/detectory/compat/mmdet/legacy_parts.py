"""MMDetection's legacy layers by their names and arguments there."""

from collections.abc import Sequence

from detectory.compat.legacy import LegacyAnchorGenerator as DetectoryLegacyAnchorGenerator
from detectory.compat.legacy import LegacyBox2BoxTransform
from detectory.modeling.layers import ROIAlign


class LegacyAnchorGenerator(DetectoryLegacyAnchorGenerator):
    """Anchors of MMDetection 1.x: corners in whole pixels, around the middle of the first cell.

    Args:
        strides: Stride of every level in pixels.
        ratios: Ratios of height to width.
        scales: Sizes of the anchors in strides; an alternative to the next two arguments.
        octave_base_scale: Smallest size in strides.
        scales_per_octave: Number of sizes between `octave_base_scale` and twice this size.
        center_offset: Position of the centers in their cells; only 0.5, the value of the legacy configs.

    Raises:
        ValueError: If both or neither of the ways to specify sizes is used, or `center_offset` is not 0.5.
    """

    def __init__(
        self,
        strides: Sequence[int],
        ratios: Sequence[float],
        scales: Sequence[float] | None = None,
        *,
        octave_base_scale: float | None = None,
        scales_per_octave: int | None = None,
        center_offset: float = 0.5,
    ) -> None:
        if center_offset != 0.5:
            raise ValueError(f"LegacyAnchorGenerator: center_offset must be 0.5, got {center_offset}")
        if (scales is None) == (octave_base_scale is None or scales_per_octave is None):
            raise ValueError(
                "LegacyAnchorGenerator: expected either scales, or octave_base_scale and scales_per_octave"
            )
        if scales is None:
            assert octave_base_scale is not None
            assert scales_per_octave is not None
            scales = [octave_base_scale * 2 ** (i / scales_per_octave) for i in range(scales_per_octave)]
        super().__init__(
            sizes=[[stride * scale for scale in scales] for stride in strides],
            aspect_ratios=list(ratios),
            strides=strides,
            round_sides=False,
        )


class LegacyDeltaXYWHBBoxCoder(LegacyBox2BoxTransform):
    """The box coder of MMDetection's legacy configs.

    Args:
        target_means: Means of the deltas; only zeros, the value of the legacy configs.
        target_stds: Standard deviations of the deltas.

    Raises:
        ValueError: If a mean is not zero.
    """

    def __init__(
        self,
        target_means: Sequence[float] = (0.0, 0.0, 0.0, 0.0),
        target_stds: Sequence[float] = (1.0, 1.0, 1.0, 1.0),
    ) -> None:
        if any(target_means):
            raise ValueError(f"LegacyDeltaXYWHBBoxCoder: target_means must be zeros, got {tuple(target_means)}")
        super().__init__([1 / deviation for deviation in target_stds], exact_corners=False)


class RoIAlign(ROIAlign):
    """Region pooling with the arguments of `mmcv.ops.RoIAlign`.

    Args:
        output_size: `(height, width)` of the output, or its side length.
        spatial_scale: Scale of the feature map relative to the image.
        sampling_ratio: Samples per bin along each side; 0 chooses the number adaptively.
        aligned: Whether pixel centers have half-integer coordinates; `False` in the legacy configs.
    """

    def __init__(
        self,
        output_size: int | tuple[int, int],
        spatial_scale: float = 1.0,
        sampling_ratio: int = 0,
        aligned: bool = True,
    ) -> None:
        size = (output_size, output_size) if isinstance(output_size, int) else output_size
        super().__init__(size, spatial_scale, sampling_ratio, aligned)
