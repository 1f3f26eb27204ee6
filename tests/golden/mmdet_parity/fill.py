"""Deterministic weights and images for the models of the goldens in this folder.

Each entry of a state dict is drawn from a generator that is seeded by its name, so that the goldens do not contain
weights. The file of a golden lists rules `[pattern, factor, addend]`: an entry with a name that matches the regular
expression is multiplied by the factor, and the addend is added. All matching rules apply.
"""

import math
import re
import zlib
from collections.abc import Iterable, Mapping

import numpy as np


def tensor_for(
    name: str, shape: Iterable[int], rules: Iterable = (), seed: int = 0, draw_name: str | None = None
) -> np.ndarray:
    """Return the float32 array of the state-dict entry `name`."""
    shape = tuple(shape)
    rng = np.random.default_rng([seed, zlib.crc32((draw_name or name).encode())])
    draw = rng.standard_normal(shape).astype(np.float32)
    leaf = name.rsplit(".", 1)[-1]
    if leaf in ("num_batches_tracked",):
        return np.zeros(shape, np.int64)
    if leaf == "running_var":
        value = 1.0 + 0.1 * np.abs(draw)
    elif leaf == "running_mean":
        value = 0.1 * draw
    elif len(shape) == 0:
        value = np.float32(1.0)
    elif len(shape) == 1:
        value = 1.0 + 0.1 * draw if leaf in ("weight", "scale") else 0.05 * draw
    else:
        value = draw * np.float32(math.sqrt(2.0 / int(np.prod(shape[1:]))))
    for fragment, factor, *add in rules:
        if re.search(fragment, name):
            value = value * np.float32(factor) + np.float32(add[0] if add else 0.0)
    return np.asarray(value, np.float32)


def flat_bias(name: str, array: np.ndarray, period: Mapping[str, int]) -> np.ndarray:
    """Repeat the first `period` values of biases that MMDetection's own converter of 1.x files shifts by one row.

    The converter and the correct conversion then return the same tensor.
    """
    for fragment, length in period.items():
        if name.endswith(fragment) and array.ndim == 1:
            return np.resize(array[:length], array.shape)
    return array


def entry(info: Mapping, name: str, shape: Iterable[int]) -> np.ndarray:
    """Return the value of one entry of a golden's state dict.

    `info["const"]` contains values that are not learned; `info["alias"]` names the entry with the same tensor.
    """
    if name in info.get("const", {}):
        return np.asarray(info["const"][name], np.float32).reshape(tuple(shape))
    value = tensor_for(name, shape, info["rules"], draw_name=info.get("alias", {}).get(name))
    return flat_bias(name, value, info.get("bias_period", {}))


def state_for(info: Mapping) -> dict[str, np.ndarray]:
    """Return all entries of a golden by name, as MMDetection 2 and 3 save them."""
    return {name: entry(info, name, shape) for name, shape in info["state"].items()}


def version_1(info: Mapping) -> dict[str, np.ndarray]:
    """Return the 1.x file that MMDetection's converter turns into the golden's state dict.

    `info["v1"][name]` is `[new name, shape, operation]`. The operation inverts the conversion: "same"; "bg_first" (last
    row first); "bg_first:81" (the same in every group of 81 rows); "add_bg:r" (`r` rows of background in front).
    """
    result = {}
    for name, (new, shape, operation) in info["v1"].items():
        shape = tuple(shape)
        op, _, argument = operation.partition(":")
        new_shape = list(shape)
        if op == "add_bg":
            new_shape[0] -= int(argument)
        value = entry(info, new, new_shape)
        if op == "bg_first":
            group = int(argument) if argument else shape[0]
            grouped = value.reshape(-1, group, *shape[1:])
            value = np.concatenate((grouped[:, -1:], grouped[:, :-1]), 1).reshape(shape)
        elif op == "add_bg":
            rows = int(argument)
            background = tensor_for(name, (rows, *shape[1:]), info["rules"], seed=1)
            if value.ndim == 1:
                background = value[:rows]
            value = np.concatenate((background, value))
        result[name] = np.array(value)
    return result


def image(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Return a uint8 BGR array of shape (height, width, 3): different smooth shapes with sharp edges."""
    rng = np.random.default_rng([seed, height, width])
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    canvas = np.full((height, width, 3), 96.0, np.float32)
    for _ in range(24):
        cx, cy = rng.uniform(0, width), rng.uniform(0, height)
        rx, ry = rng.uniform(0.03, 0.25) * width, rng.uniform(0.03, 0.25) * height
        color = rng.uniform(0, 255, 3).astype(np.float32)
        inside = ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 < 1
        canvas[inside] = 0.3 * canvas[inside] + 0.7 * color
    wave = 12 * np.sin(x[..., None] / np.array([7, 11, 13], np.float32) + y[..., None] / 17)
    return np.clip(canvas + wave, 0, 255).astype(np.uint8)
