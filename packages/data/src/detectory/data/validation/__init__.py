"""Find all problems of a dataset in one run, whatever its format."""

from .dataset import check_dataset

__all__ = ["check_dataset"]
