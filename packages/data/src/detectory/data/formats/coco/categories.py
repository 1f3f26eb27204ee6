"""Order, contiguous ids and keypoints of COCO categories."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any


def id_order(item_id: Any) -> tuple[bool, Any]:
    """Return a sort key for ids of mixed types: integers before strings."""
    return isinstance(item_id, str), item_id


def contiguous_categories(categories: Sequence[Mapping[str, Any]]) -> tuple[list[str], dict[Any, int]]:
    """Sort categories by id and number them from 0.

    Returns:
        The class names in this order, and the mapping from the ids of the file to contiguous ids.
    """
    ordered = sorted(categories, key=lambda category: id_order(category["id"]))
    names = [category["name"] for category in ordered]
    return names, {category["id"]: index for index, category in enumerate(ordered)}


KEYPOINT_KEYS = ("keypoint_names", "keypoint_flip_map", "keypoint_connection_rules")
"""Keys of the metadata about keypoints."""


def keypoint_metadata(categories: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the metadata of the keypoints that categories describe in COCO's format.

    Returns:
        The keys `KEYPOINT_KEYS` of the first category with keypoints, or an empty dict: `keypoint_names`,
        `keypoint_flip_map` (pairs of left and right names) and `keypoint_connection_rules` (edges of the skeleton with
        a colour). Flip pairs follow from the names, or from YOLO's `flip_idx`, which Detectory adds to files whose
        names do not show the pairs.
    """
    for category in categories:
        names = category.get("keypoints")
        if isinstance(names, list) and names and all(isinstance(name, str) for name in names):
            return described_keypoints(names, category.get("flip_idx"), category.get("skeleton"))
    return {}


def described_keypoints(names: Sequence[str], flip_indices: Any = None, skeleton: Any = None) -> dict[str, Any]:
    """Return the metadata of keypoints, see `keypoint_metadata`.

    Args:
        names: The names.
        flip_indices: The index of the mirrored keypoint per keypoint, as in YOLO's `flip_idx`. If it is not valid, the
            pairs follow from the names.
        skeleton: Edges as pairs of indices from 1, as in COCO files; invalid edges are skipped.
    """
    pairs = _pairs_of_indices(names, flip_indices)
    values = list(names), flip_pairs(names) if pairs is None else pairs, _skeleton(names, skeleton)
    return dict(zip(KEYPOINT_KEYS, values, strict=True))


def keypoint_category(metadata: Mapping[str, Any], counts: Collection[int]) -> dict[str, Any]:
    """Return the fields of a COCO category that describe keypoints; the inverse of `keypoint_metadata`.

    Args:
        metadata: Metadata with `KEYPOINT_KEYS`, or without.
        counts: The numbers of keypoints of the annotations. The fields are omitted if they differ.
    """
    names = list(metadata.get("keypoint_names") or ())
    if len(counts) > 1 or (not counts and not names):
        return {}
    if counts and set(counts) != {len(names)}:
        # The number of keypoints of a model is read from here.
        return {"keypoints": [f"keypoint {index}" for index in range(next(iter(counts)))], "skeleton": []}
    edges = metadata.get("keypoint_connection_rules") or ()
    fields: dict[str, Any] = {
        "keypoints": names,
        "skeleton": [[names.index(start) + 1, names.index(end) + 1] for start, end, *_ in edges],
    }
    indices = flip_indices(metadata)
    if indices != flip_indices({"keypoint_names": names, "keypoint_flip_map": flip_pairs(names)}):
        fields["flip_idx"] = indices
    return fields


def flip_indices(metadata: Mapping[str, Any]) -> list[int]:
    """Return the index of the mirrored keypoint per keypoint of metadata with `keypoint_names`."""
    names = list(metadata["keypoint_names"])
    partner = {name: name for name in names}
    for left, right in metadata.get("keypoint_flip_map") or ():
        partner |= {left: right, right: left}
    return [names.index(partner[name]) for name in names]


def _pairs_of_indices(names: Sequence[str], indices: Any) -> list[tuple[str, str]] | None:
    """Return the pairs of a permutation that exchanges pairs, or None for other values."""
    if not isinstance(indices, list) or not all(type(index) is int for index in indices):
        return None
    if sorted(indices) != list(range(len(names))):
        return None
    if any(indices[other] != index for index, other in enumerate(indices)):
        return None
    return [(names[index], names[other]) for index, other in enumerate(indices) if index < other]


def flip_pairs(names: Sequence[str]) -> list[tuple[str, str]]:
    """Return the pairs of names that differ only in left and right, as words or as the initials L and R.

    Example:
        >>> flip_pairs(["nose", "left_eye", "right_eye", "ear.L", "ear.R"])
        [('left_eye', 'right_eye'), ('ear.L', 'ear.R')]
    """
    by_mirrored = {name: _mirrored(name) for name in names}
    return [(name, other) for name, other in by_mirrored.items() if other in by_mirrored and _is_left(name)]


# `left` and `right` in any position of a word, or `L` or `R` as a separate word.
_SIDE = re.compile(r"left|right|Left|Right|LEFT|RIGHT|(?<![A-Za-z])[lrLR](?![A-Za-z])")
_OTHER_SIDE = {"left": "right", "Left": "Right", "LEFT": "RIGHT", "l": "r", "L": "R"}
_OTHER_SIDE |= {right: left for left, right in _OTHER_SIDE.items()}


def _mirrored(name: str) -> str | None:
    mirrored = _SIDE.sub(lambda match: _OTHER_SIDE[match[0]], name)
    return None if mirrored == name else mirrored


def _is_left(name: str) -> bool:
    match = _SIDE.search(name)
    return match is not None and match[0].lower() in ("left", "l")


def _skeleton(names: Sequence[str], edges: Any) -> list[tuple[str, str, tuple[int, int, int]]]:
    """Return the edges of a skeleton, which COCO stores as pairs of indices from 1; invalid edges are skipped."""
    known = range(1, len(names) + 1)
    valid = [
        edge
        for edge in (edges if isinstance(edges, list) else [])
        if isinstance(edge, list) and len(edge) == 2 and all(end in known for end in edge)
    ]
    return [(names[start - 1], names[end - 1], _EDGE_COLOR) for start, end in valid]


_EDGE_COLOR = (255, 128, 0)
