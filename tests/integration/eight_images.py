"""Eight real photographs with all of their annotations, for models that learn them by heart."""

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

#: In pixels: objects of fewer are hard to see in the small pictures that two cores can learn in minutes.
SMALLEST_OBJECT = 4000
SMALLEST_SEGMENT = 2000


def read(coco, stem):
    """An annotation file and its annotations by image."""
    content = json.loads((coco / "annotations" / f"{stem}_train2017.json").read_text())
    found = defaultdict(list)
    for annotation in content["annotations"]:
        found[annotation["image_id"]].append(annotation)
    return content, found


def write(content, found, chosen, path):
    """Write the part of an annotation file that tells of the chosen images, and nothing else of it less."""
    content["images"] = [image for image in content["images"] if image["id"] in chosen]
    content["annotations"] = [annotation for image in chosen for annotation in found[image]]
    path.write_text(json.dumps(content))
    return str(path)


def instances(coco, folder):
    """The photographs with the most objects among those whose objects all are large and no crowds."""
    content, found = read(coco, "instances")
    clear = [
        image
        for image, annotations in found.items()
        if all(one["area"] > SMALLEST_OBJECT and not one["iscrowd"] for one in annotations)
    ]
    chosen = sorted(clear, key=lambda image: (-len(found[image]), image))[:8]
    file = write(content, found, chosen, folder / "instances.json")
    register_coco_instances("eight_instances", {}, file, coco / "train2017")
    return "eight_instances"


def keypoints(coco, folder):
    """The photographs where each person has keypoints and none is a crowd."""
    content, found = read(coco, "person_keypoints")
    clear = [
        image
        for image, annotations in found.items()
        if all(one["num_keypoints"] > 0 and not one["iscrowd"] for one in annotations)
    ]
    file = write(content, found, sorted(clear)[:8], folder / "keypoints.json")
    register_coco_instances("eight_keypoints", coco_person_metadata(), file, coco / "train2017")
    return "eight_keypoints"


def panoptic(coco, folder):
    """The photographs whose smallest segment is large."""
    content, found = read(coco, "panoptic")
    clear = [
        image
        for image, (annotation,) in found.items()
        if min(segment["area"] for segment in annotation["segments_info"]) > SMALLEST_SEGMENT
    ]
    chosen = sorted(clear)[:8]
    file = write(content, found, chosen, folder / "panoptic.json")
    parts = write(*read(coco, "instances"), chosen, folder / "instances_of_panoptic.json")
    segments, stuff = coco / "panoptic_train2017", folder / "stuff"
    separate_coco_semantic_from_panoptic(file, segments, stuff)
    places = [str(coco / "train2017"), str(segments), file, str(stuff), parts]
    register_coco_panoptic_separated("eight_panoptic", coco_panoptic_separated_metadata(), *places)
    return "eight_panoptic_separated"


def forget(name):
    """Take a dataset, and what was registered with it, out of the catalogs."""
    for registered in (name, name.replace("_separated", "_stuffonly")):
        if registered in DatasetCatalog:
            DatasetCatalog.remove(registered)
            MetadataCatalog.remove(registered)
