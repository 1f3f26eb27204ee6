"""Files of a dataset with the density of COCO and the results of a detector."""

import json

import numpy as np


def write_dataset(folder, images, objects_per_image, detections_per_image, masks=False, classes=80):
    """Write ground_truth.json and results.json with boxes, or ellipses as RLEs; most results are near an object."""
    from pycocotools import mask as mask_api

    rng = np.random.default_rng(0)
    height, width = 480, 640
    ground_truth = {
        "images": [],
        "annotations": [],
        "categories": [{"id": k + 1, "name": f"class {k}"} for k in range(classes)],
    }
    results = []
    ys, xs = np.mgrid[:height, :width]

    def mask_of(box):
        x, y, w, h = box
        inside = ((xs - x - w / 2) / (w / 2)) ** 2 + ((ys - y - h / 2) / (h / 2)) ** 2 <= 1
        rle = mask_api.encode(np.asfortranarray(inside.astype(np.uint8)))
        return {"size": [height, width], "counts": rle["counts"].decode()}

    for image in range(1, images + 1):
        ground_truth["images"].append({"id": image, "height": height, "width": width, "file_name": f"{image}.jpg"})
        count = rng.poisson(objects_per_image)
        boxes = np.concatenate(
            [rng.uniform([0, 0], [width * 0.7, height * 0.7], (count, 2)), rng.uniform(8, 180, (count, 2))], 1
        )
        labels = rng.integers(1, classes + 1, count)
        for box, label in zip(boxes.round(2).tolist(), labels.tolist(), strict=True):
            entry = {"id": len(ground_truth["annotations"]) + 1, "image_id": image, "category_id": label, "bbox": box}
            entry |= {"area": box[2] * box[3] * 0.7, "iscrowd": int(rng.random() < 0.01)}
            x, y, w, h = box
            entry["segmentation"] = mask_of(box) if masks else [[x, y, x + w, y, x, y + h]]
            ground_truth["annotations"].append(entry)
        for _ in range(rng.poisson(detections_per_image)):
            near = rng.integers(count) if count and rng.random() < 0.6 else None
            box = (
                boxes[near] + rng.normal(0, 8, 4)
                if near is not None
                else rng.uniform([0, 0, 8, 8], [400, 300, 200, 150])
            )
            box = np.maximum(box, 1).round(2).tolist()
            label = int(labels[near]) if near is not None else int(rng.integers(1, classes + 1))
            entry = {"image_id": image, "category_id": label, "score": round(float(rng.random()), 5)}
            results.append(entry | ({"segmentation": mask_of(box)} if masks else {"bbox": box}))
    (folder / "ground_truth.json").write_text(json.dumps(ground_truth), encoding="utf-8")
    (folder / "results.json").write_text(json.dumps(results), encoding="utf-8")
    return folder / "ground_truth.json", folder / "results.json"
