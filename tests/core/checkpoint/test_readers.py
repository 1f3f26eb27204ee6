import collections
import datetime
import io
import os
import pickle
import warnings

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from detectory.core.checkpoint import CheckpointError, RefusedPickleError, load_checkpoint_file, load_pickle


class Exploit:
    def __reduce__(self):
        return os.system, ("touch exploited",)


def dump(path, content, protocol=2):
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


@pytest.mark.parametrize("protocol", range(6))
def test_reads_a_pickle_of_arrays(tmp_path, protocol):
    arrays = [
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.empty((0, 4)),
        np.array(["a", "bc"]),
        np.asfortranarray(np.eye(2)),
    ]
    arrays.append(np.arange(3, dtype=">i2"))
    path = dump(tmp_path / "a.pkl", {"x": arrays, "n": np.float64(2.0), "b": (b"\xff", b"")}, protocol)
    read = load_pickle(path)
    assert all(np.array_equal(a, b) and a.dtype == b.dtype for a, b in zip(read["x"], arrays, strict=True))
    assert (read["n"], read["b"]) == (2.0, (b"\xff", b""))


def test_reads_a_pickle_of_tensors(tmp_path):
    content = collections.OrderedDict(a=torch.arange(3), b=torch.nn.Parameter(torch.ones(2)))
    read = load_pickle(dump(tmp_path / "a.pkl", content))
    assert torch.equal(read["a"], torch.arange(3))
    assert torch.equal(read["b"], torch.ones(2))


def test_reads_an_array_written_by_numpy_1():
    old = pickle.dumps(np.arange(3), protocol=2).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    assert b"cnumpy.core.multiarray" in old
    assert load_pickle(io.BytesIO(old)).tolist() == [0, 1, 2]


@pytest.mark.parametrize("content", [Exploit(), datetime.date(2020, 1, 1), print], ids=["system", "date", "print"])
def test_rejects_a_pickle_with_other_globals(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    path = dump(tmp_path / "bad.pkl", {"model": content})
    with pytest.raises(RefusedPickleError, match=r"bad.pkl was refused: global '\w+\.\w+'"):
        load_pickle(path)
    assert not (tmp_path / "exploited").exists()


@pytest.mark.parametrize("suffix", ["pkl", "pth"])
def test_rejects_a_checkpoint_with_other_globals(tmp_path, monkeypatch, suffix):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / f"bad.{suffix}"
    dump(path, {"model": Exploit()}) if suffix == "pkl" else torch.save({"model": Exploit()}, path)
    with pytest.raises(CheckpointError, match=f"bad.{suffix}"):
        load_checkpoint_file(path)
    assert not (tmp_path / "exploited").exists()


@pytest.mark.parametrize("suffix", ["pkl", "pth", "safetensors"])
@pytest.mark.parametrize("content", [b"", b"this text is not a checkpoint at all"], ids=["empty", "text"])
def test_rejects_a_corrupt_file(tmp_path, suffix, content):
    path = tmp_path / f"bad.{suffix}"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=f"bad.{suffix}"):
        load_checkpoint_file(path)


class Callback:
    """An object whose pickle calls a function of the operating system."""

    def __reduce__(self) -> tuple:
        return os.system, ("exit 1",)


@pytest.mark.parametrize(
    ("content", "name"),
    [(Callback(), r"\w+\.system"), (torch.nn.Linear(1, 1), r"torch\.nn\.modules\.linear\.Linear"), (eval, "eval")],
    ids=["system", "module", "builtin"],
)
@pytest.mark.parametrize("is_zip", [True, False], ids=["zip", "legacy"])
def test_a_refused_torch_file_is_named_with_the_global_and_no_advice(tmp_path, content, name, is_zip):
    torch.save({"model": {}, "extra": content}, tmp_path / "bad.pth", _use_new_zipfile_serialization=is_zip)
    message = rf"bad\.pth was refused: global '{name}' is not an array, tensor or container$"
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint_file(tmp_path / "bad.pth")


def test_rejects_a_truncated_file(tmp_path):
    path = tmp_path / "bad.pth"
    torch.save({"model": {"a": torch.ones(1000)}}, path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(CheckpointError, match=r"bad.pth is truncated or corrupt"):
        load_checkpoint_file(path)


def test_reads_numpy_arrays_and_scalars_from_a_torch_file(tmp_path):
    torch.save({"model": {"a": np.ones(2)}, "best": np.float64(0.5), "iteration": 3}, tmp_path / "m.pth")
    read = load_checkpoint_file(tmp_path / "m.pth")
    assert (read["best"], read["iteration"], read["model"]["a"].tolist()) == (0.5, 3, [1, 1])


def test_reads_a_bare_state_dict_as_the_model(tmp_path):
    torch.save(torch.nn.Linear(1, 1).state_dict(), tmp_path / "m.pth")
    assert set(load_checkpoint_file(tmp_path / "m.pth")["model"]) == {"weight", "bias"}


def test_reads_safetensors_as_the_model(tmp_path):
    save_file({"a": torch.ones(2)}, tmp_path / "m.safetensors")
    assert torch.equal(load_checkpoint_file(tmp_path / "m.safetensors")["model"]["a"], torch.ones(2))


def test_keeps_the_metadata_of_a_detectron2_file(tmp_path):
    content = {"model": {"a": np.ones(2)}, "__author__": "Detectron2", "matching_heuristics": True}
    assert set(load_checkpoint_file(dump(tmp_path / "m.pkl", content))) == set(content)


@pytest.mark.parametrize(
    "wrap", [lambda blobs: blobs, lambda blobs: {"blobs": blobs, "cfg": "…"}], ids=["bare", "blobs"]
)
def test_reads_a_caffe2_file_with_matching_and_without_momentum(tmp_path, wrap):
    path = dump(tmp_path / "m.pkl", wrap({"conv1_w": np.ones(2), "conv1_w_momentum": np.ones(2)}))
    read = load_checkpoint_file(path)
    assert list(read["model"]) == ["conv1_w"]
    assert (read["__author__"], read["matching_heuristics"]) == ("Caffe2", True)


def test_reads_a_pycls_file(tmp_path):
    torch.save({"model_state": {"a": torch.ones(2)}}, tmp_path / "m.pyth")
    assert load_checkpoint_file(tmp_path / "m.pyth")["__author__"] == "pycls"


def test_rejects_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load_checkpoint_file(tmp_path / "m.pth")


STATES = {
    "more bytes than the shape needs": (1, (2,), np.dtype("f4"), False, b"\0" * 12),
    "a shape larger than any memory": (1, (1 << 30, 1 << 30), np.dtype("f4"), False, b""),
    "a negative size": (1, (-1,), np.dtype("f4"), False, b"\0" * 4),
    "objects": (1, (1,), np.dtype("O"), False, [1]),
    "no state": (),
}


class Forged:
    """Pickles as an array with a given state."""

    def __init__(self, state):
        self.state = state

    def __reduce__(self):
        return np.empty(0).__reduce__()[0], (np.ndarray, (0,), b"b"), self.state


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
@pytest.mark.parametrize("suffix", ["pkl", "pth"])
def test_rejects_an_inconsistent_array(tmp_path, suffix, state):
    path = tmp_path / f"forged.{suffix}"
    dump(path, {"model": Forged(state)}) if suffix == "pkl" else torch.save({"model": Forged(state)}, path)
    with pytest.raises(CheckpointError, match=rf"forged.{suffix}.*array"):
        load_checkpoint_file(path)


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_a_corrupt_pickle_never_crashes_the_process(protocol):
    warnings.simplefilter("ignore")  # torch warns about storages of an unknown protocol
    content = {"model": {"a": np.arange(6.0), "b": torch.ones(3)}, "names": [slice(1, 2), {1}]}
    good, draw = pickle.dumps(content, protocol=protocol), np.random.default_rng(protocol)
    refused = 0
    for _ in range(300):
        bad = bytearray(good)
        bad[int(draw.integers(len(bad)))] = int(draw.integers(256))
        try:
            load_pickle(io.BytesIO(bytes(bad)))
        except pickle.UnpicklingError:
            refused += 1
    assert refused > 100
