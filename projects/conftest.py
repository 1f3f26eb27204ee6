"""The fixtures of the repository, for the tests of the projects."""

from tests.conftest import (
    _restored_loggers,
    _same_seeds_and_restored_generators,
    device,
    golden,
    test_data,
)

__all__ = ["_restored_loggers", "_same_seeds_and_restored_generators", "device", "golden", "test_data"]
