import dataclasses
from collections import namedtuple

import pytest
import torch
from omegaconf import DictConfig, OmegaConf

from detectory.core.config import LazyCall, dotted_path, instantiate, locate


@dataclasses.dataclass
class Shape:
    channels: int
    stride: int | None = None


Point = namedtuple("Point", "x y")


class Holder:
    def __init__(self, value, other=None):
        self.value, self.other = value, other

    @classmethod
    def twice(cls, value):
        return cls(2 * value)


def fail():
    raise ValueError("no such depth")


def test_lazy_call_returns_a_node():
    node = LazyCall(Holder)(value=1)
    assert node == {"_target_": dotted_path(Holder), "value": 1}


def test_instantiate_uses_edited_arguments():
    node = LazyCall(torch.nn.Linear)(in_features=2, out_features=3)
    node.out_features = 5
    assert instantiate(node).weight.shape == (5, 2)


def test_instantiate_builds_arguments_first():
    built = instantiate(LazyCall(Holder)(value=LazyCall(Holder)(value=3), other=[LazyCall(Holder)(value=4)]))
    assert (built.value.value, built.other[0].value) == (3, 4)


def test_instantiate_builds_nodes_in_dictionaries():
    built = instantiate(LazyCall(Holder)(value={"a": LazyCall(Holder)(value=3)}))
    assert type(built.value) is dict
    assert built.value["a"].value == 3


def test_class_methods_can_be_targets():
    assert instantiate(LazyCall(Holder.twice)(value=4)).value == 8


def test_a_target_may_be_a_dotted_path():
    assert instantiate(LazyCall("torch.nn.ReLU")(inplace=True)).inplace


def test_a_target_may_be_a_lambda():
    assert instantiate(LazyCall(lambda x: x + 1)(x=1)) == 2


def test_a_target_may_be_a_function_without_a_module():
    assert instantiate(LazyCall(torch.sum)(input=torch.ones(3))) == 3


def test_instantiate_accepts_a_plain_dictionary():
    assert instantiate({"_target_": "torch.nn.Linear", "in_features": 1, "out_features": 2}).out_features == 2


def test_relative_interpolation_resolves_siblings_and_parents():
    node = LazyCall(Holder)(value=7, other=LazyCall(Holder)(value="${..value}", other="${.value}"))
    built = instantiate(node)
    assert (built.other.value, built.other.other) == (7, 7)


def test_recursive_false_passes_nodes_unchanged():
    node = LazyCall(Holder)(value=LazyCall(Holder)(value=1))
    node["_recursive_"] = False
    assert instantiate(node).value["_target_"] == dotted_path(Holder)


@pytest.mark.parametrize("value", [Shape(3), Point(1, 2)], ids=["dataclass", "namedtuple"])
def test_dataclasses_and_named_tuples_are_rebuilt(value):
    assert instantiate(LazyCall(Holder)(value=value)).value == value


def test_fields_of_a_dataclass_argument_can_be_edited():
    node = LazyCall(Holder)(value=Shape(3))
    node.value.channels = 9
    assert instantiate(node).value == Shape(9)


def test_a_dataclass_assigned_later_is_built():
    node = LazyCall(Holder)(value=None)
    node.value = Shape(3)
    assert instantiate(node).value == Shape(3)


@pytest.mark.parametrize("value", [3, "text", None, Holder(1)], ids=["int", "str", "none", "object"])
def test_instantiate_returns_other_values_unchanged(value):
    assert instantiate(value) is value


def test_lists_become_plain_lists():
    assert type(instantiate(OmegaConf.create([1, 2]))) is list


def test_lazy_call_rejects_an_unknown_argument():
    with pytest.raises(TypeError, match="Linear has no argument 'in_feature': did you mean 'in_features'"):
        LazyCall(torch.nn.Linear)(in_feature=1)


def test_rejects_an_unknown_argument_of_a_dotted_path_with_the_node_path():
    config = DictConfig({"model": LazyCall("torch.nn.ReLU")(inplac=True)})
    with pytest.raises(TypeError, match="node 'model': ReLU has no argument 'inplac': did you mean 'inplace'"):
        instantiate(config)


def test_an_error_in_a_call_names_its_node():
    config = DictConfig({"model": {"parts": [LazyCall(fail)()]}})
    with pytest.raises(ValueError, match=r"no such depth \(while instantiating 'model.parts\[0\]': .*fail\)"):
        instantiate(config)


def test_an_error_in_a_subnode_has_the_path_from_the_root():
    config = DictConfig({"model": LazyCall(Holder)(value=LazyCall(fail)())})
    with pytest.raises(ValueError, match=r"while instantiating 'model.value'"):
        instantiate(config.model)


def test_an_unknown_target_is_reported_with_a_suggestion():
    with pytest.raises(ImportError, match=r"node 'a': .*'Linaer' in 'torch.nn.Linaer': did you mean 'Linear'"):
        instantiate({"a": {"_target_": "torch.nn.Linaer"}})


def test_rejects_a_target_that_is_not_callable():
    with pytest.raises(TypeError, match="_target_ must be callable"):
        instantiate({"_target_": "torch.nn.functional"})


def test_rejects_lazy_call_of_a_number():
    with pytest.raises(TypeError, match="LazyCall: target must be a callable"):
        LazyCall(3)


@pytest.mark.parametrize("target", [torch.nn.Linear, Holder.twice, len], ids=["class", "method", "builtin"])
def test_locate_inverts_dotted_path(target):
    assert locate(dotted_path(target)) == target


def test_dotted_path_rejects_instances():
    with pytest.raises(TypeError, match="has no dotted path"):
        dotted_path(Holder(1))


def test_locate_finds_objects_of_renamed_modules_in_their_package():
    assert locate("detectory.core.config.former.LazyConfig") is locate("detectory.core.config.LazyConfig")
    method = locate("detectory.core.config.former.deeper.LazyConfig.load")
    assert method == locate("detectory.core.config.LazyConfig.load")
    with pytest.raises(ImportError, match="cannot resolve 'former'"):
        locate("detectory.core.config.former.Unknown")


def test_locate_propagates_import_errors_of_a_module(tmp_path, monkeypatch):
    (tmp_path / "module_that_breaks.py").write_text("import module_that_is_missing\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="module_that_is_missing"):
        locate("module_that_breaks.Thing")
