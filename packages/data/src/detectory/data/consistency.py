"""Consistency of the metadata of datasets that are used together."""

from collections.abc import Sequence

from .catalog import MetadataCatalog


def check_metadata_consistency(key: str, dataset_names: Sequence[str]) -> None:
    """Check that a metadata attribute is equal for all datasets.

    Args:
        key: The name of the attribute.
        dataset_names: Registered names, at least one.

    Raises:
        ValueError: If the attribute differs between two datasets.
        AttributeError: If a dataset does not have the attribute.
    """
    if not dataset_names:
        raise ValueError("check_metadata_consistency: dataset_names must not be empty")
    first = getattr(MetadataCatalog.get(dataset_names[0]), key)
    for name in dataset_names[1:]:
        value = getattr(MetadataCatalog.get(name), key)
        if value != first:
            raise ValueError(
                f"datasets {dataset_names[0]!r} and {name!r} have different metadata {key!r}: "
                f"{_difference(first, value)}"
            )


def _difference(first: object, second: object) -> str:
    if isinstance(first, list) and isinstance(second, list):
        if len(first) != len(second):
            return f"{len(first)} and {len(second)} entries"
        for index, (one, other) in enumerate(zip(first, second, strict=True)):
            if one != other:
                return f"entry {index} is {one!r} and {other!r}"
    return f"{first!r} and {second!r}"
