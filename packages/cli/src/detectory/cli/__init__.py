"""The `detectory` command: train, evaluate, predict, inspect datasets and configs."""

from detectory.cli.app import main

__all__ = ["main"]
