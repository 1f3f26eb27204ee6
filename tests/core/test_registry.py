import pytest

from detectory.core.registry import Registry


@pytest.fixture
def registry():
    registry = Registry("BACKBONE")
    registry.register(int, name="Int")
    return registry


def test_decorator_registers_under_the_class_name(registry):
    @registry.register()
    class Toy:
        pass

    assert registry.get("Toy") is Toy
    assert "Toy" in registry


def test_register_returns_the_object(registry):
    assert registry.register(str) is str


def test_rejects_a_duplicate_name(registry):
    with pytest.raises(ValueError, match="'Int' is already registered"):
        registry.register(float, name="Int")


def test_registering_the_same_object_again_changes_nothing(registry):
    registry.register(int, name="Int")
    assert list(registry) == [("Int", int)]


def test_an_unknown_name_is_reported_with_a_suggestion(registry):
    with pytest.raises(KeyError, match="registry 'BACKBONE': unknown name 'Intt': did you mean 'Int'"):
        registry.get("Intt")
