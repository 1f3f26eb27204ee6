"""Small random Cityscapes splits with predictions, and the metrics of the official scripts for them."""

import os
from unittest import mock

import numpy as np
from PIL import Image

THINGS = {24: "person", 25: "rider", 26: "car", 27: "truck", 28: "bus", 31: "train", 32: "motorcycle", 33: "bicycle"}
STUFF = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23]
NAMES = ["road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation"]
NAMES += ["terrain", "sky", *THINGS.values()]


def rectangle(rng, size):
    """A random window of an image as two slices."""
    (y, x), (h, w) = rng.integers(0, np.array(size) - 6), rng.integers(4, np.array(size) // 2)
    return slice(y, y + h), slice(x, x + w)


def random_scene(rng, size):
    """Ids (H, W) as in an instanceIds.png: stuff, void, groups, large and small instances."""
    ids = np.full(size, int(rng.choice(STUFF)))
    for label in rng.choice([*STUFF, 0, 3, 4, 9, 29001, 30], rng.integers(0, 6)):
        ids[rectangle(rng, size)] = label
    for number in range(rng.integers(0, 8)):
        label = int(rng.choice([24, 26, 33, 31]))
        is_group = rng.random() < 0.2
        ids[rectangle(rng, size)] = label if is_group else label * 1000 + number
    return ids


def random_masks(rng, ids):
    """Masks near the annotated instances or anywhere, with label ids and often equal scores."""
    predicted = []
    instances = [i for i in np.unique(ids).tolist() if i >= 24]
    for _ in range(rng.integers(0, 12)):
        mask = np.zeros(ids.shape, bool)
        label = int(rng.choice([24, 26, 33]))
        if instances and rng.random() < 0.8:
            near = int(rng.choice(instances))
            mask = np.roll(ids == near, rng.integers(-2, 3, 2), (0, 1))
            label = near if near < 1000 else near // 1000
            label = label if label in THINGS else 26
        elif rng.random() < 0.9:
            mask[rectangle(rng, ids.shape)] = True
        predicted.append((mask, label, float(rng.choice([0.5, 0.9, round(rng.random(), 2)]))))
    return predicted


def write_scenes(folder, seed, images=4):
    """Write the ground truth of a split; return its folder, the image names and (ids, masks) of each image."""
    rng = np.random.default_rng(seed)
    size = tuple(rng.integers(24, 60, 2))
    names, scenes = [], []
    for number in range(images):
        ids = random_scene(rng, size)
        stem = f"aachen_{number:06d}_000019"
        city = folder / "gt" / "aachen"
        city.mkdir(parents=True, exist_ok=True)
        Image.fromarray(ids.astype(np.uint16)).save(city / f"{stem}_gtFine_instanceIds.png")
        labels = np.where(ids < 1000, ids, ids // 1000)
        Image.fromarray(labels.astype(np.uint8)).save(city / f"{stem}_gtFine_labelIds.png")
        names.append(f"images/aachen/{stem}_leftImg8bit.png")
        scenes.append((ids, random_masks(rng, ids)))
    # The official script fails if a class has no evaluated prediction, so each class has one false positive.
    ids, masks = scenes[0]
    free = np.argwhere(np.isin(ids, STUFF))
    if len(free):
        mask = np.zeros(ids.shape, bool)
        mask[tuple(free[0])] = True
        masks += [(mask, label, 0.3) for label in THINGS]
    return folder / "gt", names, scenes


def random_labels(rng, ids):
    """A prediction of label ids (H, W), most of which are correct."""
    labels = np.where(ids < 1000, ids, ids // 1000)
    noise = rng.choice([*STUFF, *THINGS], ids.shape)
    predicted = np.where(rng.random(ids.shape) < 0.7, labels, noise)
    return np.where(np.isin(predicted, [*STUFF, *THINGS]), predicted, 7)


def with_old_numpy():
    """Context manager that restores `numpy.in1d`, which the official scripts call and NumPy 2.4 removed."""
    return mock.patch.object(np, "in1d", np.isin, create=True)


def official_instances(folder, ground_truth, scenes):
    """Metrics of the official script in [0, 1]."""
    from cityscapesscripts.evaluation import evalInstanceLevelSemanticLabeling as official

    files = sorted(ground_truth.glob("*/*_gtFine_instanceIds.png"))
    written = []
    for file, (_, masks) in zip(files, scenes, strict=True):
        lines = []
        for index, (mask, label, score) in enumerate(masks):
            name = f"{file.stem}_{index}.png"
            Image.fromarray(mask.astype(np.uint8) * 255).save(folder / name)
            lines.append(f"{name} {label} {score}\n")
        written.append(folder / f"{file.stem}_pred.txt")
        written[-1].write_text("".join(lines))
    args = official.args
    args.predictionPath, args.quiet = os.path.abspath(folder), True
    args.gtInstancesFile = str(folder / "gtInstances.json")
    lists = [str(w) for w in written], [str(f) for f in files]
    with with_old_numpy():  # not its main function, which fails to write NumPy integers as JSON
        official.setInstanceLabels(args)
        matches = official.matchGtWithPreds(*lists, official.getGtInstances(lists[1], args), args)
        return official.computeAverages(official.evaluateMatches(matches, args), args)


def official_labels(folder, ground_truth, predictions):
    """Metrics of the official script for predicted label ids (H, W), in [0, 1]."""
    from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as official

    files = sorted(ground_truth.glob("*/*_gtFine_labelIds.png"))
    written = []
    for file, predicted in zip(files, predictions, strict=True):
        written.append(str(folder / f"{file.stem}_labels.png"))
        Image.fromarray(predicted.astype(np.uint8)).save(written[-1])
    official.args.JSONOutput, official.args.quiet = False, True
    with with_old_numpy():
        return official.evaluateImgLists(written, [str(f) for f in files], official.args)
