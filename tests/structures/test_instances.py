"""Fields, indexing and concatenation of `Instances`."""

import numpy as np
import pytest
import torch

from detectory.structures import BitMasks, Boxes, Instances, Keypoints, PolygonMasks


def three_objects() -> Instances:
    triangle = np.array([0.0, 0, 4, 0, 4, 4])
    return Instances(
        (10, 20),
        boxes=Boxes([[0, 0, 1, 1], [0, 0, 2, 2], [0, 0, 3, 3]]),
        scores=torch.tensor([0.9, 0.5, 0.1]),
        masks=BitMasks(torch.eye(3).reshape(3, 1, 3)),
        polygons=PolygonMasks([[triangle], [triangle, triangle], []]),
        keypoints=Keypoints(torch.arange(9).reshape(3, 1, 3)),
        names=["a", "b", "c"],
    )


def test_fields_are_attributes():
    instances = three_objects()
    assert instances.image_size == (10, 20)
    assert instances.scores.tolist() == pytest.approx([0.9, 0.5, 0.1])
    assert instances.has("scores")
    assert "masks" in instances
    assert list(instances.get_fields()) == ["boxes", "scores", "masks", "polygons", "keypoints", "names"]


@pytest.mark.parametrize(
    "index",
    [1, -2, slice(1, 2), [1], torch.tensor([1]), torch.tensor([False, True, False]), np.array([False, True, False])],
    ids=["int", "negative", "slice", "list", "indices", "bools", "array"],
)
def test_index_selects_from_every_field(index):
    second = three_objects()[index]
    assert second.boxes.tensor.tolist() == [[0, 0, 2, 2]]
    assert second.scores.tolist() == [0.5]
    assert second.masks.tensor.tolist() == [[[False, True, False]]]
    assert len(second.polygons.polygons[0]) == 2
    assert second.keypoints.tensor.tolist() == [[[3, 4, 5]]]
    assert (second.names, len(second), second.image_size) == (["b"], 1, (10, 20))


def test_string_index_returns_the_field():
    assert three_objects()["names"] == ["a", "b", "c"]


@pytest.mark.parametrize("index", [3, -4])
def test_rejects_an_index_out_of_range(index):
    with pytest.raises(IndexError, match=f"index {index} is out of range for 3 objects"):
        three_objects()[index]


def test_rejects_a_field_of_different_length():
    with pytest.raises(ValueError, match="field 'classes' has 2 entries, but 'boxes' has 3"):
        three_objects().classes = torch.tensor([1, 2])


def test_the_only_field_can_change_its_length():
    instances = Instances((1, 1), scores=torch.ones(3))
    instances.scores = torch.ones(2)
    assert len(instances) == 2


def test_rejects_a_field_without_a_length():
    with pytest.raises(TypeError, match="field 'score' must have a length, got float"):
        Instances((1, 1)).score = 0.5
    with pytest.raises(TypeError, match="field 'score' must have a length, got Tensor"):
        Instances((1, 1)).score = torch.tensor(0.5)


def test_rejects_setting_the_image_size():
    with pytest.raises(ValueError, match="image_size is read-only"):
        three_objects().image_size = (1, 2)


def test_unknown_field_suggests_the_closest_name():
    with pytest.raises(AttributeError, match=r"no field 'score', the fields are .*did you mean 'scores'"):
        three_objects().score  # noqa: B018
    with pytest.raises(KeyError, match="did you mean 'scores'"):
        three_objects().get("score")


def test_remove_and_del_delete_a_field():
    instances = three_objects()
    instances.remove("masks")
    del instances.names
    assert list(instances.get_fields()) == ["boxes", "scores", "polygons", "keypoints"]
    with pytest.raises(KeyError, match="no field 'masks'"):
        instances.remove("masks")


def test_cat_concatenates_every_field_in_order():
    joined = Instances.cat([three_objects(), three_objects()[:1]])
    assert joined.names == ["a", "b", "c", "a"]
    assert joined.boxes.tensor[:, 2].tolist() == [1, 2, 3, 1]
    assert len(joined.polygons) == len(joined.masks) == len(joined.keypoints) == 4


@pytest.mark.parametrize(
    ("entries", "error", "message"),
    [
        ([], ValueError, "must not be empty"),
        ([three_objects(), "x"], TypeError, "entry 1 must be Instances, got str"),
        (
            [three_objects(), Instances((9, 9))],
            ValueError,
            r"must be equal, got \(10, 20\) in entry 0 and \(9, 9\)",
        ),
        ([Instances((1, 1), a=[1]), Instances((1, 1), b=[1])], ValueError, r"\['a'\] in entry 0 and \['b'\]"),
        (
            [Instances((1, 1), a="x"), Instances((1, 1), a="y")],
            TypeError,
            "'a' of type str cannot be concatenated",
        ),
    ],
    ids=["empty list", "wrong type", "different image size", "different fields", "unsupported field"],
)
def test_cat_rejects(entries, error, message):
    with pytest.raises(error, match=message):
        Instances.cat(entries)


def test_iteration_is_rejected():
    with pytest.raises(TypeError, match="not iterable, because fields are columns"):
        iter(three_objects())


def test_length_is_unknown_without_fields():
    empty = Instances((4, 5))
    assert "num_instances=unknown" in repr(empty)
    with pytest.raises(ValueError, match="unknown without any fields"):
        len(empty)


def test_str_contains_size_and_fields():
    text = str(Instances((4, 5), scores=torch.tensor([1.0])))
    assert text == "Instances(num_instances=1, image_height=4, image_width=5, fields=[scores: tensor([1.])])"


def test_to_moves_tensor_fields(device):
    moved = three_objects().to(device)
    assert moved.boxes.device.type == moved.scores.device.type == device.type
    assert moved.names == ["a", "b", "c"]
