"""Writers of the formats that Detectory only reads, after the documentation of the tools.

Every writer has the arguments `records` (in the standard format), `names` (the classes) and `folder`, with the images
in `images/train`.
"""

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from detectory.structures import BoxMode, rle_to_bitmask

KEYPOINTS = ["nose", "left_ear", "right_ear", "tail"]


def file_name(record):
    return Path(record["file_name"]).name


def corners(annotation):
    return [float(v) for v in BoxMode.convert(list(annotation["bbox"]), annotation["bbox_mode"], BoxMode.XYXY_ABS)]


def is_rotated(annotation):
    return annotation["bbox_mode"] == BoxMode.XYWHA_ABS


def column_runs(mask):
    """Return the uncompressed COCO counts of a mask: lengths of runs in columns, background first."""
    flat = np.asarray(mask, np.uint8).T.reshape(-1)
    changes = np.flatnonzero(np.diff(flat)) + 1
    return row_runs_of(flat, changes)


def row_runs_of(flat, changes):
    runs = np.diff([0, *changes, len(flat)]).tolist()
    return runs if flat[0] == 0 else [0, *runs]


def write_cvat(records, names, folder):
    root = ElementTree.Element("annotations")
    labels = ElementTree.SubElement(ElementTree.SubElement(ElementTree.SubElement(root, "meta"), "job"), "labels")
    circles = "".join(f'<circle data-node-id="{i}" data-label-name="{name}">' for i, name in enumerate(KEYPOINTS))
    has_skeletons = any("keypoints" in a for record in records for a in record["annotations"])
    for name in names:
        label = ElementTree.SubElement(labels, "label")
        ElementTree.SubElement(label, "name").text = name
        if has_skeletons:
            ElementTree.SubElement(label, "type").text = "skeleton"
            ElementTree.SubElement(label, "svg").text = circles
    for index, record in enumerate(records):
        size = {side: str(record[side]) for side in ("width", "height")}
        image = ElementTree.SubElement(root, "image", id=str(index), name=f"train/{file_name(record)}", **size)
        for annotation in record["annotations"]:
            cvat_shape(image, annotation, names[annotation["category_id"]])
    ElementTree.ElementTree(root).write(folder / "annotations.xml", "utf-8", xml_declaration=True)


def cvat_shape(image, annotation, label):
    if "keypoints" in annotation:
        skeleton = ElementTree.SubElement(image, "skeleton", label=label)
        points = np.reshape(annotation["keypoints"], (-1, 3)).tolist()
        for name, (x, y, v) in zip(KEYPOINTS, points, strict=True):
            flags = {"outside": str(int(v == 0)), "occluded": str(int(v == 1))}
            ElementTree.SubElement(skeleton, "points", label=name, points=f"{x!r},{y!r}", **flags)
    elif "segmentation" in annotation:
        mask = rle_to_bitmask(annotation["segmentation"]) != 0
        left, top, right, bottom = (int(value) for value in corners(annotation))
        flat = mask[top:bottom, left:right].astype(np.uint8).reshape(-1)
        runs = row_runs_of(flat, np.flatnonzero(np.diff(flat)) + 1)
        box = {"left": left, "top": top, "width": right - left, "height": bottom - top}
        fields = {key: str(value) for key, value in box.items()}
        ElementTree.SubElement(image, "mask", label=label, rle=", ".join(map(str, runs)), **fields)
    elif is_rotated(annotation):
        cx, cy, w, h, angle = annotation["bbox"]
        box = {"xtl": cx - w / 2, "ytl": cy - h / 2, "xbr": cx + w / 2, "ybr": cy + h / 2, "rotation": -angle % 360}
        ElementTree.SubElement(image, "box", label=label, **{key: repr(value) for key, value in box.items()})
    else:
        fields = dict(zip(("xtl", "ytl", "xbr", "ybr"), map(repr, corners(annotation)), strict=True))
        ElementTree.SubElement(image, "box", label=label, **fields)


def write_via(records, names, folder):
    content = {}
    for record in records:
        regions = []
        for annotation in record["annotations"]:
            x1, y1, x2, y2 = corners(annotation)
            shape = {"name": "rect", "x": x1, "y": y1, "width": x2 - x1, "height": y2 - y1}
            regions.append(
                {"shape_attributes": shape, "region_attributes": {"class": names[annotation["category_id"]]}}
            )
        entry = {"filename": file_name(record), "size": -1, "regions": regions, "file_attributes": {}}
        content[f"{file_name(record)}-1"] = entry
    (folder / "images/train/via_region_data.json").write_text(json.dumps(content))


def write_datumaro(records, names, folder):
    items = []
    for record in records:
        annotations = []
        for group, annotation in enumerate(record["annotations"], start=1):
            annotations += datumaro_annotations(annotation, group, record)
        image = {"path": file_name(record), "size": [record["height"], record["width"]]}
        items.append({"id": Path(file_name(record)).stem, "annotations": annotations, "image": image})
    points = [{"label_id": index, "labels": KEYPOINTS, "joints": [[1, 2]]} for index in range(len(names))]
    categories = {"label": {"labels": [{"name": name, "parent": ""} for name in names]}, "points": {"items": points}}
    (folder / "annotations").mkdir()
    (folder / "annotations/train.json").write_text(json.dumps({"categories": categories, "items": items}))


def datumaro_annotations(annotation, group, record):
    common = {"id": 0, "group": group, "label_id": annotation["category_id"], "attributes": {}, "z_order": 0}
    if "segmentation" in annotation:
        mask = rle_to_bitmask(annotation["segmentation"]) != 0
        rle = {"size": [record["height"], record["width"]], "counts": column_runs(mask)}
        return [{**common, "type": "mask", "rle": rle}]
    if is_rotated(annotation):
        cx, cy, w, h, angle = annotation["bbox"]
        attributes = {"rotation": -angle % 360}
        return [{**common, "type": "bbox", "bbox": [cx - w / 2, cy - h / 2, w, h], "attributes": attributes}]
    result = [{**common, "type": "bbox", "bbox": annotation["bbox"]}]
    if "keypoints" in annotation:
        values = np.reshape(annotation["keypoints"], (-1, 3))
        points = {"points": values[:, :2].reshape(-1).tolist(), "visibility": values[:, 2].astype(int).tolist()}
        result.append({**common, "type": "points", **points})
    return result


def write_csv(records, names, folder):
    rows = ["filename,width,height,class,xmin,ymin,xmax,ymax"]
    for record in records:
        size = f"{record['width']},{record['height']}"
        for annotation in record["annotations"]:
            box = ",".join(map(repr, corners(annotation)))
            rows.append(f"{file_name(record)},{size},{names[annotation['category_id']]},{box}")
    (folder / "images/train/_annotations.csv").write_text("\n".join(rows) + "\n")


def write_instance_masks(records, names, folder):
    """Write a mask per image, with later objects on top; the objects become what is visible."""
    (folder / "images/train").rename(folder / "PNGImages")
    (folder / "PedMasks").mkdir()
    for record in records:
        ids = np.zeros((record["height"], record["width"]), np.uint8)
        for number, annotation in enumerate(record["annotations"], start=1):
            ids[rle_to_bitmask(annotation["segmentation"]) != 0] = number
        Image.fromarray(ids).save(folder / "PedMasks" / f"{Path(file_name(record)).stem}_mask.png")
