"""Validation of datasets: `check_dataset` finds all problems in one run."""

from .dataset import check_dataset

__all__ = ["check_dataset"]
