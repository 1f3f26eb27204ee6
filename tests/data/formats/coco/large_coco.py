"""A COCO file as large as `instances_train2017.json`, made by repeating the images of a small one with new ids."""

import json
from pathlib import Path

IMAGES, INSTANCES = 118_287, 860_001


def write_large_coco(source: Path, target: Path, images: int = IMAGES, instances: int = INSTANCES) -> None:
    """Repeat the images of a COCO file with their annotations until both counts are reached.

    Args:
        source: For example `instances_train2017.json` of the sample images.
        target: The file to write.
        images: How many images.
        instances: How many annotations; where the repeated images have more, the last ones are left out, where they
            have fewer, annotations are repeated on their images.
    """
    content = json.loads(source.read_text())
    by_image: dict[int, list[dict]] = {}
    for annotation in content["annotations"]:
        by_image.setdefault(annotation["image_id"], []).append(annotation)
    new_images, new_annotations = [], []
    for number in range(images):
        image = content["images"][number % len(content["images"])]
        new_images.append({**image, "id": number + 1})
        new_annotations += [(number + 1, annotation) for annotation in by_image.get(image["id"], [])]
    missing = instances - len(new_annotations)
    new_annotations = new_annotations[:instances] + new_annotations[: max(missing, 0)]
    content["images"] = new_images
    content["annotations"] = [
        {**annotation, "id": place + 1, "image_id": image_id}
        for place, (image_id, annotation) in enumerate(new_annotations)
    ]
    target.write_text(json.dumps(content))
