"""What the tests of all packages share: seeds, devices and the folder of real data."""

import contextlib
import logging
import os
import random
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent

with contextlib.suppress(ImportError):  # not every package's tests need it
    from hypothesis import HealthCheck, settings

    # The same examples each time, and no limit on their time: a first call compiles, and a machine may be busy.
    settings.register_profile(
        "repeatable",
        max_examples=60,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile("repeatable")


@pytest.fixture(autouse=True)
def _same_seeds_and_restored_generators():
    """Every test starts from the same seeds and leaves the generators as it found them."""
    states = random.getstate(), np.random.get_state(), torch.random.get_rng_state()
    random.seed(0), np.random.seed(0), torch.manual_seed(0)
    yield
    random.setstate(states[0]), np.random.set_state(states[1]), torch.random.set_rng_state(states[2])


@pytest.fixture(autouse=True)
def _restored_loggers():
    """Remove the handlers that a training in this process adds, which would print into the output of later tests."""
    loggers = [logging.getLogger(name) for name in ("detectory", "detectron2", "fvcore", "d2")]
    states = [(logger, list(logger.handlers), logger.level, logger.propagate) for logger in loggers]
    yield
    for logger, handlers, level, propagate in states:
        if logger.handlers != handlers:
            logger.handlers[:], logger.propagate = handlers, propagate
            logger.setLevel(level)
            if setup := sys.modules.get("detectory.core.logging"):
                setup.setup_logger.cache_clear()


@pytest.fixture(scope="session")
def golden() -> Path:
    """The folder of small measured values that are part of the repository."""
    return Path(__file__).parent / "golden"


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real photos and gold files, or a skip that says how to get it."""
    folder = Path(os.environ.get("DETECTORY_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no test data at {folder}: set DETECTORY_TEST_DATA to a folder that holds coco/, coco_gold/, …")
    return folder


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.cuda)])
def device(request: pytest.FixtureRequest) -> torch.device:
    """Each device in turn; CUDA skips where there is none, unless DETECTORY_REQUIRE_CUDA=1 demands it."""
    if request.param == "cuda" and not torch.cuda.is_available():
        if os.environ.get("DETECTORY_REQUIRE_CUDA") == "1":
            pytest.fail("DETECTORY_REQUIRE_CUDA=1, but torch sees no CUDA device")
        pytest.skip("needs a CUDA device")
    return torch.device(request.param)
