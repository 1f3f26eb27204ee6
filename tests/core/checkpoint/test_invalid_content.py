"""Files that are not checkpoints, and checkpoints with an unexpected structure, are reported by name."""

import io
import pickle
import zipfile

import pytest
import torch
from torch import nn

from detectory.core.checkpoint import Checkpointer, CheckpointError, checkpoint_problem, load_checkpoint_file


def saved(content):
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def other_zip():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", "hello")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.pth", b"", r"a\.pth is empty"),
        ("a.pth", b"hello world " * 20, r"a\.pth is not a checkpoint, or is corrupt"),
        ("a.pth", b"\xff\xd8\xff\xe0 a JPEG file", r"a\.pth was refused|a\.pth is not a checkpoint"),
        ("a.pth", other_zip(), r"a\.pth is a zip archive, but not a checkpoint"),
        ("a.pth", saved({"a": torch.zeros(2)})[:300], r"a\.pth is truncated or corrupt \(300 bytes\)"),
        ("a.pth", saved([1]), r"a\.pth must contain a dictionary, got list"),
        ("a.pkl", b"hello", r"a\.pkl is not a pickle, or is corrupt"),
        ("a.pkl", pickle.dumps({"blobs": 3}), r"a\.pkl: 'blobs' must be a dictionary of arrays"),
        ("a.safetensors", b"hello", r"a\.safetensors is corrupt"),
    ],
    ids=["empty", "text", "image", "zip", "truncated", "list", "text pickle", "blobs", "safetensors"],
)
def test_rejects_files_that_are_not_checkpoints(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint_file(tmp_path / name)
    assert checkpoint_problem(tmp_path / name) or "must contain" in message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"model": 3}, r"the weights must be a dictionary of tensors, got int"),
        ({"model": {1: torch.zeros(2)}}, r"names of weights must be text, got 1"),
        ({"model": {"a": {"b": torch.zeros(2)}}}, r"'a' must be a tensor or an array, got dict"),
        ({"model": {"a": torch.zeros(2).to_sparse()}}, r"'a' must be a dense tensor, got layout torch\.sparse_coo"),
        (
            {"model": {}, "optimizer": [3]},
            r"entry 'optimizer' has an unexpected structure \(\w+: ",
        ),
    ],
    ids=["number", "names", "nested", "sparse", "optimizer"],
)
def test_rejects_an_unexpected_structure(tmp_path, content, message):
    torch.save(content, tmp_path / "a.pth")
    model = nn.Linear(2, 1)
    checkpointer = Checkpointer(model, optimizer=torch.optim.SGD(model.parameters(), lr=0.1))
    with pytest.raises(CheckpointError, match=rf"a\.pth: {message}"):
        checkpointer.load(str(tmp_path / "a.pth"))


def test_a_file_with_only_weights_is_not_resumed(tmp_path):
    model = nn.Linear(2, 1)
    torch.save({"model": model.state_dict()}, tmp_path / "model_0000003.pth")
    (tmp_path / "last_checkpoint").write_text("model_0000003.pth")
    checkpointer = Checkpointer(model, tmp_path, optimizer=torch.optim.SGD(model.parameters(), lr=0.1))
    with pytest.raises(
        CheckpointError, match=r"model_0000003\.pth contains only weights: entry 'optimizer' is missing"
    ):
        checkpointer.resume_or_load("")


def test_weights_of_another_model_are_named(tmp_path):
    torch.save({"model": {"conv.weight": torch.zeros(2)}}, tmp_path / "a.pth")
    checkpointer = Checkpointer(nn.Linear(2, 1))
    checkpointer.load(str(tmp_path / "a.pth"))
    with pytest.raises(
        CheckpointError, match=r"none of its 1 parameters fits. Its names: conv\.weight. The model's: b"
    ):
        checkpointer.require_loaded("a.pth")


def test_reads_the_state_dict_of_other_libraries(tmp_path):
    torch.save({"state_dict": {"weight": torch.ones(1, 2)}, "epoch": 3}, tmp_path / "a.pth")
    content = load_checkpoint_file(tmp_path / "a.pth")
    assert list(content["model"]) == ["weight"]
    assert content["epoch"] == 3


def test_a_checkpoint_of_a_wider_network_does_not_fit(tmp_path):
    def network(width: int) -> torch.nn.Module:
        return torch.nn.Sequential(torch.nn.Linear(2, width), torch.nn.Linear(width, 3))

    torch.save({"model": network(8).state_dict()}, tmp_path / "wide.pth")
    checkpointer = Checkpointer(network(16))
    checkpointer.load(str(tmp_path / "wide.pth"))
    message = (
        r"wide.pth does not fit the model: 3 of its parameters have other shapes, such as 1.weight: \(3, 8\) instead"
    )
    with pytest.raises(CheckpointError, match=message):
        checkpointer.require_loaded("wide.pth")
