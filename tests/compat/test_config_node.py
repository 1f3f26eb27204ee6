"""Access, freezing and merging of CfgNode."""

import copy
import pickle

import pytest
from omegaconf import OmegaConf

from detectory.compat.fvcore.common.config import CfgNode


@pytest.fixture
def node():
    return CfgNode({"A": {"B": 1, "C": [1, 2]}, "NAME": "x", "RATE": 0.5})


def test_keys_are_attributes_at_every_level(node):
    node.A.B = 7
    assert (node.A.B, node["A"]["C"]) == (7, [1, 2])


def test_unknown_attribute_error_suggests_the_nearest_key(node):
    with pytest.raises(AttributeError, match=r"'NAMME'.*'NAME'"):
        _ = node.NAMME


def test_assigned_dictionaries_become_nodes(node):
    node.NEW = {"X": {"Y": 3}}
    assert node.NEW.X.Y == 3


def test_rejects_values_that_yaml_cannot_represent(node):
    with pytest.raises(TypeError, match=r"'NEW'.*object"):
        node.NEW = object()


def test_freezing_applies_to_child_nodes(node):
    node.freeze()
    with pytest.raises(AttributeError, match=r"frozen"):
        node.A.B = 2
    node.defrost()
    node.A.B = 2
    assert node.A.B == 2


def test_computed_keys_can_be_set_once_even_if_frozen(node):
    node.freeze()
    node.COMPUTED_SIZE = 3
    with pytest.raises(KeyError, match=r"COMPUTED_SIZE"):
        node.COMPUTED_SIZE = 4


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda n: n.clone(), lambda n: pickle.loads(pickle.dumps(n))])
def test_copies_are_equal_and_independent(node, copied):
    other = copied(node)
    assert other == node
    other.A.B = 9
    assert node.A.B == 1


def test_dump_can_be_loaded_to_an_equal_tree(node):
    assert CfgNode.load_cfg(node.dump()) == node


def test_omegaconf_reads_a_dump(node):
    assert OmegaConf.create(node.dump()).A.C[1] == 2


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        (["A.B", "3"], 3),
        (["A.B", 4], 4),
    ],
    ids=["text", "number"],
)
def test_merge_from_list_sets_values_by_dotted_key(node, entries, expected):
    node.merge_from_list(entries)
    assert expected == node.A.B


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [("A.C", "(3, 4)", [3, 4]), ("RATE", "1", 1.0), ("NAME", "a-b", "a-b"), ("NAME", None, None)],
    ids=["tuple to list", "integer to float", "text that is not a literal", "none"],
)
def test_merged_values_are_converted_to_the_type_of_the_default(node, key, value, expected):
    node.merge_from_list([key, value])
    *_, last = key.split(".")
    merged = (node.A if key.startswith("A.") else node)[last]
    assert merged == expected
    assert type(merged) is type(expected)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (["A.BB", 1], "no key 'A.BB'.*'B'"),
        (["A.B.C", 1], "no key 'A.B.C'"),
        (["_BASE_", "x.yaml"], "_BASE_"),
    ],
)
def test_rejects_unknown_keys_in_lists(node, entries, message):
    with pytest.raises(KeyError, match=message):
        node.merge_from_list(entries)


@pytest.mark.parametrize("value", ["True", "text", "[1]"])
def test_rejects_values_of_another_type(node, value):
    with pytest.raises(ValueError, match=r"'A\.B'"):
        node.merge_from_list(["A.B", value])


def test_rejects_a_list_of_odd_length(node):
    with pytest.raises(ValueError, match=r"alternate"):
        node.merge_from_list(["A.B"])


def test_new_keys_are_merged_if_allowed(node):
    node.A.set_new_allowed(True)
    node.merge_from_other_cfg(CfgNode({"A": {"D": {"E": "5"}}}))
    assert node.A.D.E == "5"


def test_deprecated_keys_are_ignored_and_renamed_keys_rejected(node):
    node.register_deprecated_key("A.OLD")
    node.register_renamed_key("A.GONE", "A.B", message="see the notes")
    node.merge_from_other_cfg(CfgNode({"A": {"OLD": 1}}))
    with pytest.raises(KeyError, match=r"renamed to 'A\.B'.*see the notes"):
        node.merge_from_other_cfg(CfgNode({"A": {"GONE": 1}}))


def test_base_files_merge_in_order(node, tmp_path):
    (tmp_path / "one.yaml").write_text("A: {B: 5, C: [9]}\n")
    (tmp_path / "two.yaml").write_text("A: {B: 6}\n")
    (tmp_path / "top.yaml").write_text("_BASE_: [one.yaml, two.yaml]\nNAME: top\n")
    node.merge_from_file(str(tmp_path / "top.yaml"))
    assert (node.A.B, node.A.C, node.NAME) == (6, [9], "top")


@pytest.mark.parametrize("length", [1, 2, 3])
def test_rejects_bases_that_lead_in_a_circle(node, tmp_path, length):
    for index in range(length):
        (tmp_path / f"{index}.yaml").write_text(f"_BASE_: {(index + 1) % length}.yaml\n")
    with pytest.raises(ValueError, match=r"0\.yaml: _BASE_ leads in a circle: .*0\.yaml$"):
        node.merge_from_file(str(tmp_path / "0.yaml"))


def test_two_files_may_share_a_base(node, tmp_path):
    (tmp_path / "root.yaml").write_text("NAME: root\n")
    for name in ("left", "right"):
        (tmp_path / f"{name}.yaml").write_text("_BASE_: root.yaml\n")
    (tmp_path / "top.yaml").write_text("_BASE_: [left.yaml, right.yaml]\n")
    node.merge_from_file(str(tmp_path / "top.yaml"))
    assert node.NAME == "root"


def test_rejects_a_file_that_is_not_a_mapping(node, tmp_path):
    (tmp_path / "list.yaml").write_text("- 1\n")
    with pytest.raises(ValueError, match=r"list\.yaml.*mapping"):
        node.merge_from_file(str(tmp_path / "list.yaml"))
