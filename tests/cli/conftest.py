"""Fixtures of the commands' tests."""

from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from detectory.cli import main


@pytest.fixture
def detectory() -> Callable[..., Result]:
    """Return a function that runs the command line in this process."""

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(main, [str(argument) for argument in arguments])

    return run
