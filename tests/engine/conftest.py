"""Fixtures of the engine tests: a recipe that trains in a second, and separate processes to run it in."""

import multiprocessing
import os
import sys
from pathlib import Path

import pytest

from detectory.core.config import LazyConfig
from detectory.engine import train

RECIPE = Path(__file__).parent / "toy_recipe.py"


def load_recipe(output_dir, *overrides):
    config = LazyConfig.load(str(RECIPE))
    return LazyConfig.apply_overrides(config, [f"train.output_dir={output_dir}", *overrides])


def run_recipe(output_dir, overrides, resume):
    """Run the recipe in a separate process; write errors to a file."""
    with open(Path(output_dir).parent / "stderr.txt", "a", buffering=1) as sys.stderr:
        train(load_recipe(output_dir, *overrides), resume=resume)


@pytest.fixture
def recipe(tmp_path):
    """A function that returns the recipe with overrides: `recipe("train.max_iter=3")`."""
    return lambda *overrides: load_recipe(tmp_path / "output", *overrides)


@pytest.fixture(scope="session")
def processes():
    """A context that starts processes with all modules already imported."""
    if os.name != "posix":
        pytest.skip("requires POSIX processes and signals")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["detectory.engine", "detectory.data", "torch._dynamo", "torch.utils.tensorboard"])
    return context
