"""Deprecated functions warn at the caller's line, and keep their results and documentation."""

import warnings

import pytest

from detectory.core.deprecation import deprecated


@deprecated(since="0.3", removed_in="0.5", instead="`math.prod`")
def product(a: int, b: int = 2) -> int:
    """Multiply."""
    return a * b


def test_deprecated_function_warns_with_versions_and_replacement() -> None:
    expected = r"product is deprecated since 0\.3 and will be removed in 0\.5\. Use `math\.prod` instead"
    with pytest.warns(FutureWarning, match=expected) as caught:
        assert product(3, b=4) == 12
    assert caught[0].filename == __file__


def test_deprecated_function_keeps_its_documentation_and_does_not_warn_on_definition() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        renamed = deprecated(since="1.0", removed_in="1.2", instead="`max`")(max)
    assert product.__doc__ == "Multiply."
    assert renamed.__name__ == "max"
