"""Datasets of eight COCO images with all their annotations, for overfitting tests."""

import json
from collections import defaultdict

from detectory.data import (
    DatasetCatalog,
    MetadataCatalog,
    register_coco_instances,
    register_coco_panoptic_separated,
)
from detectory.data.builtin.prepare import separate_coco_semantic_from_panoptic
from detectory.data.metadata.coco import coco_panoptic_separated_metadata, coco_person_metadata

#: Minimum areas in pixels: smaller objects are hard to detect at the low resolution that a CPU can train in minutes.
MIN_OBJECT_AREA = 4000
MIN_SEGMENT_AREA = 2000


def read(coco, stem):
    """Return the content of an annotation file, and its annotations by image id."""
    content = json.loads((coco / "annotations" / f"{stem}_train2017.json").read_text())
    by_image = defaultdict(list)
    for annotation in content["annotations"]:
        by_image[annotation["image_id"]].append(annotation)
    return content, by_image


def write(content, by_image, selected, path):
    """Write an annotation file reduced to the selected images, and return its path."""
    content["images"] = [image for image in content["images"] if image["id"] in selected]
    content["annotations"] = [annotation for image in selected for annotation in by_image[image]]
    path.write_text(json.dumps(content))
    return str(path)


def instances(coco, folder):
    """Register the images with the most objects among those with only large objects and no crowds."""
    content, by_image = read(coco, "instances")
    suitable = [
        image
        for image, annotations in by_image.items()
        if all(one["area"] > MIN_OBJECT_AREA and not one["iscrowd"] for one in annotations)
    ]
    selected = sorted(suitable, key=lambda image: (-len(by_image[image]), image))[:8]
    file = write(content, by_image, selected, folder / "instances.json")
    register_coco_instances("eight_instances", {}, file, coco / "train2017")
    return "eight_instances"


def keypoints(coco, folder):
    """Register images in which every person has keypoints and is not a crowd."""
    content, by_image = read(coco, "person_keypoints")
    suitable = [
        image
        for image, annotations in by_image.items()
        if all(one["num_keypoints"] > 0 and not one["iscrowd"] for one in annotations)
    ]
    file = write(content, by_image, sorted(suitable)[:8], folder / "keypoints.json")
    register_coco_instances("eight_keypoints", coco_person_metadata(), file, coco / "train2017")
    return "eight_keypoints"


def panoptic(coco, folder):
    """Register images with only large segments."""
    content, by_image = read(coco, "panoptic")
    suitable = [
        image
        for image, (annotation,) in by_image.items()
        if min(segment["area"] for segment in annotation["segments_info"]) > MIN_SEGMENT_AREA
    ]
    selected = sorted(suitable)[:8]
    file = write(content, by_image, selected, folder / "panoptic.json")
    parts = write(*read(coco, "instances"), selected, folder / "instances_of_panoptic.json")
    segments, stuff = coco / "panoptic_train2017", folder / "stuff"
    separate_coco_semantic_from_panoptic(file, segments, stuff)
    paths = [str(coco / "train2017"), str(segments), file, str(stuff), parts]
    register_coco_panoptic_separated("eight_panoptic", coco_panoptic_separated_metadata(), *paths)
    return "eight_panoptic_separated"


def unregister(name):
    """Remove a dataset, and the datasets registered with it, from the catalogs."""
    for registered in (name, name.replace("_separated", "_stuffonly")):
        if registered in DatasetCatalog:
            DatasetCatalog.remove(registered)
            MetadataCatalog.remove(registered)
