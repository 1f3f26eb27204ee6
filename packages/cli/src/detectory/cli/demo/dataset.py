"""Generated COCO dataset of textured shapes on natural backgrounds: JPEG files and annotation files."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from detectory.cli.demo.shapes import CLASSES, coverage, place, texture

#: Background images in the wheels of scikit-image ("skimage") and scikit-learn ("sklearn"). The splits are disjoint.
BACKGROUNDS = {
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
_MIN_VISIBLE_FRACTION = 0.4
_MIN_EXTENT, _MAX_EXTENT = 16, 120  # pixels, sides of the visible part's box


def read_background(name: str) -> np.ndarray:
    """Read a background image from an installed package, (H, W, 3) uint8 RGB.

    Raises:
        ModuleNotFoundError: If scikit-image or scikit-learn is not installed; the message has the install command.
        FileNotFoundError: If the installed version does not contain the file.
    """
    try:
        import skimage
        import sklearn.datasets
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"the demo needs the sample images of {error.name}: pip install 'detectory[demo]'"
        ) from error
    folders = {
        "skimage": Path(skimage.__file__).parent / "data",
        "sklearn": Path(sklearn.datasets.__file__).parent / "images",
    }
    package, file = name.split("/")
    with Image.open(folders[package] / file) as image:
        return np.asarray(image.convert("RGB"))


def random_crop(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a random square crop resized to `IMAGE_SIZE`, with random brightness and flip, (S, S, 3) float32."""
    side = int(rng.uniform(0.5, 1.0) * min(image.shape[:2]))
    top, left = (int(rng.integers(0, length - side + 1)) for length in image.shape[:2])
    crop = Image.fromarray(image[top : top + side, left : left + side]).resize(
        (IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BILINEAR
    )
    pixels = np.asarray(crop, np.float32) * rng.uniform(0.7, 1.1)
    return pixels[:, ::-1] if rng.random() < 0.5 else pixels


def draw_scene(background: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, list[tuple[int, np.ndarray]]]:
    """Draw 3 to 8 random shapes on a background; later shapes occlude earlier ones.

    Returns:
        The image (S, S, 3) uint8, and the class index and visible mask (S, S) bool of every object.
    """
    target_count = int(rng.integers(_OBJECTS_PER_IMAGE[0], _OBJECTS_PER_IMAGE[1] + 1))
    image = background.copy()
    objects: list[tuple[int, np.ndarray]] = []
    for _ in range(60):
        if len(objects) == target_count:
            break
        label = int(rng.integers(len(CLASSES)))
        radius = rng.uniform(*_OBJECT_EXTENT) / 2
        center = tuple(rng.uniform(0.1 * IMAGE_SIZE, 0.9 * IMAGE_SIZE, 2))
        points = place(CLASSES[label], center, radius, rng.uniform(0, 2 * math.pi), rng.uniform(0.75, 1.0))
        cover = coverage(points, IMAGE_SIZE)
        mask = cover > 0.5
        kept = [(earlier, visible & ~mask) for earlier, visible in objects]
        if any(not (mask & ~visible).any() for _, visible in objects):
            continue  # a shape inside another one would leave a hole, which COCO polygons cannot represent
        if not _has_valid_size(mask) or not all(
            _has_valid_size(left) and left.sum() >= _MIN_VISIBLE_FRACTION * before.sum()
            for (_, left), (_, before) in zip(kept, objects, strict=True)
        ):
            continue
        surface = texture(CLASSES[label], IMAGE_SIZE, rng)
        image = image * (1 - cover[..., None]) + surface * cover[..., None]
        objects = [*kept, (label, mask)]
    noisy = image + rng.normal(0, 3, image.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8), objects


def scatter_shapes(background: np.ndarray, seed: int) -> np.ndarray:
    """Draw shapes on a whole background image, resized to height S = `IMAGE_SIZE` and width W >= S; (S, W, 3) uint8."""
    rng = np.random.default_rng([seed, 99])
    height, width = background.shape[:2]
    width = max(round(width * IMAGE_SIZE / height), IMAGE_SIZE)
    resized = Image.fromarray(background).resize((width, IMAGE_SIZE), Image.Resampling.BILINEAR)
    pixels = np.asarray(resized).copy()
    for left in range(0, width - IMAGE_SIZE + 1, IMAGE_SIZE):
        window = pixels[:, left : left + IMAGE_SIZE]
        window[:] = draw_scene(window.astype(np.float32), rng)[0]
    return pixels


def _has_valid_size(mask: np.ndarray) -> bool:
    """Whether the sides of a mask's bounding box are within `_MIN_EXTENT` and `_MAX_EXTENT`."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return False
    sides = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    return min(sides) >= _MIN_EXTENT and max(sides) <= _MAX_EXTENT


def mask_to_polygons(mask: np.ndarray) -> list[list[float]]:
    """Return the contours of a mask as COCO polygons `[x0, y0, x1, y1, …]`, with pixel corners at integers."""
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


def write_split(
    folder: Path, split: str, images: int, seed: int = 0, progress: Callable[[int], object] = lambda _: None
) -> Path:
    """Write the images and the annotation file of a split and return the path of the annotation file.

    Args:
        folder: Dataset folder; images are written to `folder/split/*.jpg`, annotations to
            `folder/annotations/instances_split.json`.
        split: "train" or "val".
        images: Number of images.
        seed: Random seed; the same seed produces the same files.
        progress: Called with 1 after each image.
    """
    rng = np.random.default_rng([seed, len(split)])
    backgrounds = [read_background(name) for name in BACKGROUNDS[split]]
    (folder / split).mkdir(parents=True, exist_ok=True)
    (folder / "annotations").mkdir(exist_ok=True)
    records: list[dict] = []
    annotations: list[dict] = []
    for image_id in range(1, images + 1):
        background = random_crop(backgrounds[rng.integers(len(backgrounds))], rng)
        image, objects = draw_scene(background, rng)
        name = f"{image_id:06d}.jpg"
        Image.fromarray(image).save(folder / split / name, quality=92)
        records.append({"id": image_id, "file_name": name, "height": IMAGE_SIZE, "width": IMAGE_SIZE})
        for label, mask in objects:
            annotations.append(_annotation(len(annotations) + 1, image_id, label, mask))
        progress(1)
    path = folder / "annotations" / f"instances_{split}.json"
    categories = [{"id": index + 1, "name": name} for index, name in enumerate(CLASSES)]
    path.write_text(
        json.dumps({"images": records, "annotations": annotations, "categories": categories}), encoding="utf-8"
    )
    return path


def _annotation(annotation_id: int, image_id: int, label: int, mask: np.ndarray) -> dict:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    x, y = int(columns[0]), int(rows[0])
    return {
        "id": annotation_id,
        "image_id": image_id,
        "category_id": label + 1,
        "bbox": [x, y, int(columns[-1]) + 1 - x, int(rows[-1]) + 1 - y],
        "area": int(mask.sum()),
        "iscrowd": 0,
        "segmentation": mask_to_polygons(mask),
    }
