"""Skeletons of CVAT's XML format: labels of their keypoints, and objects with keypoints.

Source: CVAT's documentation, "CVAT format" and "Skeletons". The SVG of a label has a circle per keypoint and a line per
edge.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from detectory.data.formats.annotations import keypoint_annotation
from detectory.data.problems import DatasetError, Problem
from detectory.structures.records import Annotation

_TAG = re.compile(r"<(circle|line)\b([^>]*)>")
_ATTRIBUTE = re.compile(r"([\w-]+)\s*=\s*[\"']([^\"']*)[\"']")


@dataclass(frozen=True)
class Skeleton:
    """The keypoints of a label.

    Attributes:
        names: The labels of the keypoints, in the order of the SVG.
        edges: Pairs of indices from 1.
    """

    names: list[str]
    edges: list[list[int]]


def skeletons_of(root: ElementTree.Element) -> dict[str, Skeleton]:
    """Return the skeletons by label. Labels without an SVG have the keypoints that name them as their parent."""
    found = {}
    for label in root.iter("label"):
        name = (label.findtext("name") or "").strip()
        if (label.findtext("type") or "").strip() != "skeleton":
            continue
        children = [
            (child.findtext("name") or "").strip()
            for child in root.iter("label")
            if (child.findtext("parent") or "").strip() == name
        ]
        found[name] = _of_svg(label.findtext("svg") or "", list(dict.fromkeys(children)))
    return found


def _of_svg(svg: str, names: list[str]) -> Skeleton:
    tags = [(tag, dict(_ATTRIBUTE.findall(attributes))) for tag, attributes in _TAG.findall(svg)]
    circles = [attributes for tag, attributes in tags if tag == "circle" and attributes.get("data-label-name")]
    nodes = {circle.get("data-node-id", ""): circle["data-label-name"] for circle in circles}
    ordered = [*nodes.values(), *(name for name in names if name not in nodes.values())]
    ends = [
        [nodes.get(line.get(f"data-node-{end}", "")) for end in ("from", "to")] for tag, line in tags if tag == "line"
    ]
    edges = [[ordered.index(start) + 1, ordered.index(end) + 1] for start, end in ends if start and end]
    return Skeleton(ordered, edges)


def skeleton_annotation(
    shape: ElementTree.Element, category: int, skeletons: Mapping[str, Skeleton], file: Path, place: str
) -> Annotation:
    """Return the object of a skeleton. Keypoints marked as outside are unlabelled, occluded ones are hidden.

    Raises:
        DatasetError: If a keypoint is unknown or has invalid coordinates.
    """
    skeleton = skeletons.get(shape.get("label", ""))
    names = skeleton.names if skeleton is not None else [node.get("label", "") for node in shape.iter("points")]
    keypoints = [0.0] * (3 * len(names))
    for node in shape.iter("points"):
        name = node.get("label", "")
        if name not in names:
            raise DatasetError(
                Problem(str(file), place, "label", f"unknown keypoint {name!r}, expected one of {names}")
            )
        try:
            x, y = (float(value) for value in node.get("points", "").split(","))
        except ValueError as error:
            message = f"must be 'x,y', got {node.get('points')!r}"
            raise DatasetError(Problem(str(file), f"{place}: keypoint {name}", "points", message)) from error
        if node.get("outside") == "1":
            continue
        first = 3 * names.index(name)
        keypoints[first : first + 3] = [x, y, 1 if node.get("occluded") == "1" else 2]
    return keypoint_annotation(category, keypoints)
