"""Flattening of nested inputs and outputs, and `TracingAdapter`."""

import pytest
import torch

from detectory.export import TracingAdapter, dump_torchscript_IR, flatten_to_tuple
from detectory.structures import Boxes, Instances, ROIMasks

ignores_deprecation = pytest.mark.filterwarnings(
    "ignore:`torch.jit:FutureWarning", "ignore:`torch.jit:DeprecationWarning", "ignore::torch.jit.TracerWarning"
)


def nested() -> list:
    instances = Instances((3, 4), boxes=Boxes(torch.ones(2, 4)), masks=ROIMasks(torch.zeros(2, 5, 5)))
    return [{"b": instances, "a": (torch.ones(1), [torch.zeros(2)])}]


def test_leaves_rebuild_the_same_structure():
    leaves, schema = flatten_to_tuple(nested())
    assert [tuple(leaf.shape) for leaf in leaves] == [(1,), (2,), (2, 4), (2, 5, 5), (2,)]
    (rebuilt,) = schema(leaves)
    assert rebuilt["b"].image_size == (3, 4)
    assert (type(rebuilt["b"].boxes), type(rebuilt["b"].masks)) == (Boxes, ROIMasks)
    assert (type(rebuilt["a"]), type(rebuilt["a"][1])) == (tuple, list)


def test_schemas_of_the_same_structure_are_equal():
    assert flatten_to_tuple(nested())[1] == flatten_to_tuple(nested())[1]
    assert flatten_to_tuple([1, 2])[1] != flatten_to_tuple((1, 2))[1]


def test_rejects_a_wrong_number_of_leaves_and_keys_that_are_not_strings():
    with pytest.raises(ValueError, match="ListSchema: expected 2 values to rebuild the object, got 3"):
        flatten_to_tuple([1, 2])[1]((1, 2, 3))
    with pytest.raises(TypeError, match=r"keys must be strings, got \[1\]"):
        flatten_to_tuple({1: 2})


class Shift(torch.nn.Module):
    def forward(self, item: dict) -> dict:
        boxes = Boxes(item["boxes"].tensor + item["by"])
        return {"instances": Instances((3, 4), boxes=boxes[boxes.nonempty()])}


def shift_input(boxes: int) -> dict:
    return {"boxes": Boxes(torch.rand(boxes, 4)), "by": torch.tensor([1.0, 1, 2, 2])}


@ignores_deprecation
def test_a_traced_adapter_generalises_to_inputs_of_other_sizes():
    adapter = TracingAdapter(Shift(), shift_input(3))
    traced = torch.jit.trace(adapter, adapter.flattened_inputs)
    other = shift_input(5)
    instances = adapter.outputs_schema(traced(*flatten_to_tuple(other)[0]))["instances"]
    torch.testing.assert_close(instances.boxes.tensor, Shift()(other)["instances"].boxes.tensor)
    assert instances.image_size == (3, 4)


def test_inference_func_replaces_the_forward_call():
    adapter = TracingAdapter(Shift(), shift_input(3), inference_func=lambda _, item: item["by"] * 2)
    assert adapter(*adapter.flattened_inputs)[0].tolist() == [2, 2, 4, 4]


def test_rejects_inputs_and_outputs_that_are_not_tensors():
    with pytest.raises(ValueError, match="inputs must only contain tensors to be traced, got str"):
        TracingAdapter(Shift(), {"name": "x"})
    adapter = TracingAdapter(Shift(), shift_input(1), inference_func=lambda *_: "text")
    with pytest.raises(ValueError, match="outputs must only contain tensors to be traced, got str"):
        adapter(*adapter.flattened_inputs)


def test_allow_non_tensor_keeps_other_inputs_as_constants():
    adapter = TracingAdapter(
        Shift(), ({"x": torch.ones(2), "times": 3},), lambda _, item: [item["x"] * item["times"], "text"], True
    )
    assert adapter.inputs_schema is None
    assert [leaf.tolist() for leaf in adapter(torch.full((2,), 2.0))] == [[6, 6]]


def test_rejects_outputs_of_a_different_structure():
    outputs = iter([[torch.ones(1)], (torch.ones(1),)])
    adapter = TracingAdapter(Shift(), shift_input(1), inference_func=lambda *_: next(outputs))
    adapter(*adapter.flattened_inputs)
    with pytest.raises(RuntimeError, match="same structure in every call"):
        adapter(*adapter.flattened_inputs)


@ignores_deprecation
def test_dumps_code_and_graph_of_a_traced_model(tmp_path):
    dump_torchscript_IR(torch.jit.trace(torch.nn.Linear(2, 3), torch.ones(1, 2)), tmp_path)
    names = {"model.txt", "model_ts_IR.txt", "model_ts_IR_inlined.txt", "model_ts_code.txt"}
    assert {path.name for path in tmp_path.iterdir()} == names
    assert "aten::linear" in (tmp_path / "model_ts_IR_inlined.txt").read_text()
    with pytest.raises(TypeError, match="must be traced or scripted, got Linear"):
        dump_torchscript_IR(torch.nn.Linear(2, 3), tmp_path)
