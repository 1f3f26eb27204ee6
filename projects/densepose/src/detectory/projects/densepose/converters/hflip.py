"""Mirror images of predictor outputs of charts."""

from typing import Any

import torch

from detectory.projects.densepose.structures import DensePoseTransformData


def hflip(output: Any, symmetries: DensePoseTransformData) -> Any:
    """Return the output that a predictor of charts would have for the mirrored image.

    Args:
        output: `DensePoseChartPredictorOutput` of `N` regions; not modified.
        symmetries: Symmetries of the charts.
    """
    flipped = output._map(lambda maps: maps.flip(3))
    symmetries = symmetries.to(flipped.u.device)
    order = torch.tensor(symmetries.point_label_symmetries, device=flipped.u.device)
    u, v = flipped.u.clone(), flipped.v.clone()
    for part in range(1, len(order)):
        mapped_u, mapped_v = symmetries.mirrored_uv(part, flipped.u[:, part], flipped.v[:, part])
        u[:, part], v[:, part] = mapped_u.to(u.dtype), mapped_v.to(v.dtype)
    flipped.u, flipped.v = u[:, order], v[:, order]
    flipped.fine_segm = flipped.fine_segm[:, order]
    if flipped.coarse_segm.shape[1] == len(symmetries.mask_label_symmetries):
        flipped.coarse_segm = flipped.coarse_segm[:, symmetries.mask_label_symmetries]
    for name in ("sigma_1", "sigma_2", "kappa_u", "kappa_v"):
        maps = getattr(flipped, name, None)
        if maps is not None:
            setattr(flipped, name, maps[:, order])
    return flipped
