"""Connected components of a mask and the position of its label."""

import numpy as np
from PIL import Image

_MAX_COARSE_SIDE = 48


def without_small_components(mask: np.ndarray, area: float) -> np.ndarray:
    """Remove the 4-connected regions of a mask that have fewer than `area` pixels.

    Args:
        mask: (H, W) bool.
        area: Minimum number of pixels of a region.

    Returns:
        A copy of the mask, (H, W) bool.
    """
    height, width = mask.shape
    padded = np.zeros((height, width + 2), dtype=np.int8)
    padded[:, 1:-1] = mask
    # Union-find over horizontal runs: runs of neighbouring rows that overlap belong to the same region.
    steps = np.diff(padded, axis=1)
    rows, starts = np.nonzero(steps == 1)
    ends = np.nonzero(steps == -1)[1]
    first = np.searchsorted(rows, np.arange(height + 1))
    parent = list(range(len(rows)))

    def root(run: int) -> int:
        while parent[run] != run:
            parent[run] = parent[parent[run]]
            run = parent[run]
        return run

    start_list, end_list, bounds = starts.tolist(), ends.tolist(), first.tolist()
    for row in range(1, height):
        above, above_end, here, here_end = bounds[row - 1], bounds[row], bounds[row], bounds[row + 1]
        while above < above_end and here < here_end:
            if start_list[above] < end_list[here] and start_list[here] < end_list[above]:
                parent[root(here)] = root(above)
            if end_list[above] < end_list[here]:
                above += 1
            else:
                here += 1
    roots = np.array([root(run) for run in range(len(rows))], dtype=np.int64)
    sizes = np.bincount(roots, weights=ends - starts, minlength=len(rows))
    kept = mask.copy()
    for run in np.flatnonzero(sizes[roots] < area) if len(rows) else ():
        kept[rows[run], starts[run] : ends[run]] = False
    return kept


def visual_center(mask: np.ndarray) -> tuple[float, float]:
    """Return the point (x, y) of a mask (H, W) bool that is approximately farthest from its border.

    The mask is downscaled to at most 48 pixels per side and eroded; of the pixels that survive longest the one nearest
    to their mean is chosen. For an empty mask the centre of the image is returned.
    """
    height, width = mask.shape
    block = max(-(-max(height, width) // _MAX_COARSE_SIDE), 1)
    coarse = np.asarray(Image.fromarray(mask.astype(np.uint8) * 255).reduce(block))
    inside = np.pad(coarse > 127 if (coarse > 127).any() else coarse > 0, 1)
    innermost = inside
    while inside.any():
        innermost = inside
        inner = inside[1:-1, 1:-1] & inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:]
        inside = np.pad(inner, 1)
    ys, xs = np.nonzero(innermost)
    if not len(ys):
        return width / 2, height / 2
    nearest = np.argmin((ys - ys.mean()) ** 2 + (xs - xs.mean()) ** 2)
    return min((xs[nearest] - 0.5) * block, width - 0.5), min((ys[nearest] - 0.5) * block, height - 0.5)
