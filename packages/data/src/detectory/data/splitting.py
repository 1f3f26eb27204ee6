"""Random splits of a dataset: by image, stratified by class, or by folder."""

import math
import os
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

Record = TypeVar("Record", bound=Mapping[str, Any])

SPLIT_METHODS = ("image", "class", "folder")
# Images that are compared for a move between splits.
_MAX_CANDIDATES = 200


def split_records(
    records: Sequence[Record], fractions: Mapping[str, float], method: str = "image", seed: int = 0
) -> dict[str, list[Record]]:
    """Distribute records to splits at random. The same seed returns the same splits.

    Args:
        records: Records in the standard format.
        fractions: The fraction per split, for example `{"train": 0.8, "val": 0.2}`. The sum must be 1.
        method: `"image"` distributes the images. `"class"` also keeps the fractions of the objects of each class, rare
            classes first; the number of images then differs from the fraction by up to 10 %, rounded outwards.
            `"folder"` keeps the images of a folder together, for images from the same scene or video.
        seed: Seed of the random order.

    Returns:
        The records per split, in the order of `records`. Every record is in exactly one split.

    Raises:
        ValueError: If the fractions are not positive or their sum is not 1, `method` is unknown, or there are fewer
            images (or folders) than splits.

    Source: K. Sechidis et al., "On the Stratification of Multi-Label Data", ECML 2011, for `method="class"`.
    """
    if not fractions or min(fractions.values()) <= 0 or abs(sum(fractions.values()) - 1) > 1e-6:
        raise ValueError(f"split_records: fractions must be positive and their sum must be 1, got {dict(fractions)}")
    if method not in SPLIT_METHODS:
        raise ValueError(f"split_records: method must be one of {', '.join(SPLIT_METHODS)}, got {method!r}")
    groups = _groups(records, method)
    if len(groups) < len(fractions):
        raise ValueError(f"split_records: {len(fractions)} splits need as many {method}s, got {len(groups)}")
    random.Random(seed).shuffle(groups)
    assigned = (
        _stratified(records, groups, fractions) if method == "class" else _filled(groups, fractions, len(records))
    )
    return {split: [records[index] for index in sorted(indices)] for split, indices in assigned.items()}


def _groups(records: Sequence[Mapping[str, Any]], method: str) -> list[list[int]]:
    """Return the indices of the records that must stay together."""
    if method != "folder":
        return [[index] for index in range(len(records))]
    folders: dict[str, list[int]] = {}
    for index, record in enumerate(records):
        folders.setdefault(os.path.dirname(str(record["file_name"])), []).append(index)
    return list(folders.values())


def _filled(groups: list[list[int]], fractions: Mapping[str, float], total: int) -> dict[str, list[int]]:
    """Assign every group, large ones first, to the split that lacks the most images."""
    result: dict[str, list[int]] = {split: [] for split in fractions}
    remaining = sorted(groups, key=len, reverse=True)
    while remaining:
        empty = [split for split in result if not result[split]]
        # As many groups are left as there are empty splits: every split gets at least one.
        candidates = empty if len(remaining) <= len(empty) else list(result)
        lack = {split: fractions[split] * total - len(result[split]) for split in candidates}
        result[max(candidates, key=lambda split: lack[split])] += remaining.pop(0)
    return result


def _stratified(
    records: Sequence[Mapping[str, Any]], groups: list[list[int]], fractions: Mapping[str, float]
) -> dict[str, list[int]]:
    """Assign the images of the rarest class first, each to the split that lacks the most objects of the class."""
    classes = [Counter(a["category_id"] for a in record.get("annotations", [])) for record in records]
    order = [index for group in groups for index in group]
    result: dict[str, list[int]] = {split: [] for split in fractions}
    wanted_images = {split: fraction * len(records) for split, fraction in fractions.items()}
    totals: Counter[int] = sum(classes, Counter())
    wanted = {split: {c: fraction * n for c, n in totals.items()} for split, fraction in fractions.items()}
    remaining = dict.fromkeys(order)
    while remaining:
        left: Counter[int] = Counter()
        for index in remaining:
            left.update(classes[index].keys())
        rarest = min(left, key=lambda c: (left[c], c)) if left else None
        chosen = [index for index in remaining if rarest is None or rarest in classes[index]]
        for index in chosen:
            del remaining[index]
            split = max(
                result,
                key=lambda name: (wanted[name].get(rarest, 0.0) if rarest is not None else 0.0, wanted_images[name]),
            )
            result[split].append(index)
            wanted_images[split] -= 1
            for category, count in classes[index].items():
                wanted[split][category] -= count
    _balance_images(result, {split: fraction * len(records) for split, fraction in fractions.items()}, classes, wanted)
    return result


def _balance_images(
    result: dict[str, list[int]],
    targets: Mapping[str, float],
    classes: Sequence[Mapping[int, int]],
    wanted: Mapping[str, dict[int, float]],
) -> None:
    """Move images until the number per split is within 10 % of its target, rounded outwards, and at least 1.

    With few images and many rare classes, the rarest class of almost every image requires the largest split. The image
    that changes the fractions of the classes least is moved.

    Args:
        result: The indices of the images per split, changed in place.
        targets: The number of images per split.
        classes: The number of objects per class for every image.
        wanted: The number of objects per class that each split lacks; changed in place.
    """
    lowest = {split: max(1, math.floor(0.9 * target)) for split, target in targets.items()}
    highest = {split: math.ceil(1.1 * target) for split, target in targets.items()}
    lack = {split: targets[split] - len(indices) for split, indices in result.items()}
    for _ in range(len(classes)):
        short = [split for split in result if len(result[split]) < lowest[split]]
        full = [split for split in result if len(result[split]) > max(1, highest[split])]
        donors = full or [split for split in result if len(result[split]) > 1 and split not in short]
        if not (short or full) or not donors:
            return
        donor = min(donors, key=lambda split: lack[split])
        receiver = max(short or [split for split in result if split != donor], key=lambda split: lack[split])
        missing, spare = wanted[receiver], wanted[donor]

        def cost(index: int, missing: dict[int, float] = missing, spare: dict[int, float] = spare) -> float:
            changes = (
                abs(missing[c] - n) - abs(missing[c]) + abs(spare[c] + n) - abs(spare[c])
                for c, n in classes[index].items()
            )
            return sum(changes)

        moved = min(result[donor][:_MAX_CANDIDATES], key=cost)
        result[donor].remove(moved)
        result[receiver].append(moved)
        lack[donor] += 1
        lack[receiver] -= 1
        for category, count in classes[moved].items():
            missing[category] -= count
            spare[category] += count
