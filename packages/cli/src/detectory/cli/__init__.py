"""The command `detectory`: train, evaluate, predict, check data, and a demonstration of all of it."""

from detectory.cli.app import main

__all__ = ["main"]
