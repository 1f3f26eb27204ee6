"""Generates a COCO-format dataset of textured shapes over crops of photographs: JPEG files and a JSON on disk."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from detectory.cli.demo.shapes import CLASSES, coverage, place, texture

#: Photographs inside scikit-image ("skimage") and scikit-learn ("sklearn") wheels. A scene is in one split only.
PHOTOGRAPHS = {
    "train": (
        "skimage/astronaut.png",
        "skimage/coffee.png",
        "skimage/chelsea.png",
        "skimage/motorcycle_left.png",
        "skimage/hubble_deep_field.jpg",
        "skimage/grass.png",
        "skimage/coins.png",
        "sklearn/china.jpg",
    ),
    "val": ("skimage/rocket.jpg", "skimage/brick.png", "skimage/camera.png", "sklearn/flower.jpg"),
}
IMAGE_SIZE = 256
_OBJECTS_PER_IMAGE = (3, 8)
_OBJECT_EXTENT = (28, 116)  # pixels between opposite corners, before stretching
_LEAST_VISIBLE_SHARE = 0.4
_LEAST_EXTENT, _LARGEST_EXTENT = 16, 120  # pixels, of the visible part's box


def photograph(name: str) -> np.ndarray:
    """Read a photograph that ships inside an installed package, (H, W, 3) uint8 RGB.

    Raises:
        ModuleNotFoundError: scikit-image or scikit-learn is not installed; says how to install them.
        FileNotFoundError: the installed version does not ship the file.
    """
    try:
        import skimage
        import sklearn.datasets
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"the demo needs {error.name} for its photographs: pip install 'detectory[demo]'"
        ) from error
    folders = {
        "skimage": Path(skimage.__file__).parent / "data",
        "sklearn": Path(sklearn.datasets.__file__).parent / "images",
    }
    package, file = name.split("/")
    with Image.open(folders[package] / file) as image:
        return np.asarray(image.convert("RGB"))


def random_crop(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a random square part of a photograph at `IMAGE_SIZE`, mirrored half of the time, (S, S, 3) float32."""
    side = int(rng.uniform(0.5, 1.0) * min(picture.shape[:2]))
    top, left = (int(rng.integers(0, length - side + 1)) for length in picture.shape[:2])
    part = Image.fromarray(picture[top : top + side, left : left + side]).resize(
        (IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BILINEAR
    )
    pixels = np.asarray(part, np.float32) * rng.uniform(0.7, 1.1)
    return pixels[:, ::-1] if rng.random() < 0.5 else pixels


def draw_scene(background: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, list[tuple[int, np.ndarray]]]:
    """Draw 3 to 8 shapes onto a background, later ones over earlier ones.

    Returns:
        The picture (S, S, 3) uint8, and for each object its class index and its visible mask (S, S) bool.
    """
    wanted = int(rng.integers(_OBJECTS_PER_IMAGE[0], _OBJECTS_PER_IMAGE[1] + 1))
    picture = background.copy()
    objects: list[tuple[int, np.ndarray]] = []
    for _ in range(60):
        if len(objects) == wanted:
            break
        label = int(rng.integers(len(CLASSES)))
        radius = rng.uniform(*_OBJECT_EXTENT) / 2
        center = tuple(rng.uniform(0.1 * IMAGE_SIZE, 0.9 * IMAGE_SIZE, 2))
        points = place(CLASSES[label], center, radius, rng.uniform(0, 2 * math.pi), rng.uniform(0.75, 1.0))
        cover = coverage(points, IMAGE_SIZE)
        mask = cover > 0.5
        kept = [(earlier, visible & ~mask) for earlier, visible in objects]
        if any(not (mask & ~visible).any() for _, visible in objects):
            continue  # a shape wholly inside another would leave a hole, which COCO polygons cannot say
        if not _acceptable(mask) or not all(
            _acceptable(left) and left.sum() >= _LEAST_VISIBLE_SHARE * before.sum()
            for (_, left), (_, before) in zip(kept, objects, strict=True)
        ):
            continue
        surface = texture(CLASSES[label], IMAGE_SIZE, rng)
        picture = picture * (1 - cover[..., None]) + surface * cover[..., None]
        objects = [*kept, (label, mask)]
    noisy = picture + rng.normal(0, 3, picture.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8), objects


def scatter_shapes(picture: np.ndarray, seed: int) -> np.ndarray:
    """Draw shapes on a whole photograph, made as high as `IMAGE_SIZE` and at least that wide; (S, W, 3) uint8."""
    rng = np.random.default_rng([seed, 99])
    height, width = picture.shape[:2]
    width = max(round(width * IMAGE_SIZE / height), IMAGE_SIZE)
    resized = Image.fromarray(picture).resize((width, IMAGE_SIZE), Image.Resampling.BILINEAR)
    pixels = np.asarray(resized).copy()
    for left in range(0, width - IMAGE_SIZE + 1, IMAGE_SIZE):
        window = pixels[:, left : left + IMAGE_SIZE]
        window[:] = draw_scene(window.astype(np.float32), rng)[0]
    return pixels


def _acceptable(mask: np.ndarray) -> bool:
    """Whether the box around a mask has sides of 16 to 120 pixels."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return False
    sides = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    return min(sides) >= _LEAST_EXTENT and max(sides) <= _LARGEST_EXTENT


def polygons_of(mask: np.ndarray) -> list[list[float]]:
    """Return the outlines of a mask's parts as COCO polygons `[x0, y0, x1, y1, …]`; pixel corners are at integers."""
    from skimage.measure import approximate_polygon, find_contours

    padded = np.pad(mask.astype(np.float32), 1)
    polygons = []
    for contour in find_contours(padded, 0.5):
        simple = approximate_polygon(contour, tolerance=0.4)[:-1, ::-1] - 0.5  # (P, 2) as x, y
        x, y = simple.T
        area = (np.dot(y, np.roll(x, 1)) - np.dot(x, np.roll(y, 1))) / 2  # negative around holes
        if len(simple) >= 3 and area >= 4:
            polygons.append(np.clip(simple, 0, IMAGE_SIZE).round(2).reshape(-1).tolist())
    return polygons


def write_split(folder: Path, split: str, images: int, seed: int, progress: Callable[[int], None]) -> Path:
    """Write `images` scenes of a split to `folder/split/*.jpg` and `folder/annotations/instances_split.json`.

    Args:
        folder: Is made where it is missing.
        split: "train" or "val"; their photographs differ.
        images: How many.
        seed: The same seed gives the same files.
        progress: Called with 1 after each image.

    Returns:
        The path of the JSON.
    """
    rng = np.random.default_rng([seed, len(split)])
    photographs = [photograph(name) for name in PHOTOGRAPHS[split]]
    (folder / split).mkdir(parents=True, exist_ok=True)
    (folder / "annotations").mkdir(exist_ok=True)
    records: list[dict] = []
    annotations: list[dict] = []
    for number in range(1, images + 1):
        background = random_crop(photographs[rng.integers(len(photographs))], rng)
        picture, objects = draw_scene(background, rng)
        name = f"{number:06d}.jpg"
        Image.fromarray(picture).save(folder / split / name, quality=92)
        records.append({"id": number, "file_name": name, "height": IMAGE_SIZE, "width": IMAGE_SIZE})
        for label, mask in objects:
            annotations.append(_annotation(len(annotations) + 1, number, label, mask))
        progress(1)
    path = folder / "annotations" / f"instances_{split}.json"
    categories = [{"id": index + 1, "name": name} for index, name in enumerate(CLASSES)]
    path.write_text(
        json.dumps({"images": records, "annotations": annotations, "categories": categories}), encoding="utf-8"
    )
    return path


def _annotation(identity: int, image: int, label: int, mask: np.ndarray) -> dict:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    x, y = int(columns[0]), int(rows[0])
    return {
        "id": identity,
        "image_id": image,
        "category_id": label + 1,
        "bbox": [x, y, int(columns[-1]) + 1 - x, int(rows[-1]) + 1 - y],
        "area": int(mask.sum()),
        "iscrowd": 0,
        "segmentation": polygons_of(mask),
    }
