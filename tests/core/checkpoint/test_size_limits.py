"""Files that state larger sizes than they contain are refused before memory is allocated."""

import io
import pickle
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
import torch

from detectory.core.checkpoint import CheckpointError, load_checkpoint_file, load_pickle

HUGE = 1 << 31
FILES = {
    "memo index of 4 bytes": b"\x80\x02}r" + struct.pack("<I", HUGE) + b".",
    "memo index as text": b"}p%d\n." % HUGE,
    "bytes": b"\x80\x03B" + struct.pack("<I", HUGE) + b"abc.",
    "text of 8 bytes": b"\x80\x04\x8d" + struct.pack("<Q", HUGE) + b"abc.",
    "byte array": b"\x80\x05\x96" + struct.pack("<Q", HUGE) + b"abc.",
    "integer": b"\x80\x02\x8b" + struct.pack("<i", HUGE - 1) + b"abc.",
    "frame": b"\x80\x04\x95" + struct.pack("<Q", HUGE) + b"N.",
    "call of bytearray": b"cbuiltins\nbytearray\n(I%d\ntR." % HUGE,
    "call of numpy.bytes_": b"cnumpy\nbytes_\n(I%d\ntR." % HUGE,
}


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_a_pickle_with_a_size_beyond_its_end_is_refused_before_allocation(content):
    tracemalloc.start()
    try:
        with pytest.raises(pickle.UnpicklingError):
            load_pickle(io.BytesIO(content))
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_shared_tuples_are_resolved_once():
    content = (np.arange(3.0),)
    for _ in range(60):
        content = (content, content)
    loaded = load_pickle(io.BytesIO(pickle.dumps(content)))
    for _ in range(60):
        assert loaded[0] is loaded[1]
        loaded = loaded[0]
    assert loaded[0].tolist() == [0, 1, 2]


def test_rejects_many_arrays_of_the_same_bytes():
    rebuild, arguments, state = np.arange(4.0).__reduce__()

    class Forged:
        def __reduce__(self):
            return rebuild, arguments, state

    with pytest.raises(pickle.UnpicklingError, match="two arrays share their data"):
        load_pickle(io.BytesIO(pickle.dumps([Forged(), Forged()])))


@pytest.mark.parametrize("protocol", range(6))
def test_reads_byte_arrays_and_long_values_of_all_protocols(protocol):
    content = {"a": bytearray(b"\xff\0a"), "b": b"x" * 70_000, "c": "é" * 300, "d": 1 << 4000, "e": 2.5, "f": (1, [2])}
    assert load_pickle(io.BytesIO(pickle.dumps(content, protocol=protocol))) == content


def test_reads_a_pickle_from_the_middle_of_a_stream():
    stream = io.BytesIO(b"head" + pickle.dumps([1]) + pickle.dumps([2]))
    stream.seek(4)
    assert load_pickle(stream) == [1]


def test_rejects_an_archive_that_is_larger_unpacked(tmp_path):
    torch.save({"a": torch.zeros(100_000)}, tmp_path / "a.pth")
    packed = zipfile.ZipFile(tmp_path / "b.pth", "w", zipfile.ZIP_DEFLATED)
    with packed, zipfile.ZipFile(tmp_path / "a.pth") as plain:
        for name in plain.namelist():
            packed.writestr(name, plain.read(name))
    with pytest.raises(CheckpointError, match=r"b\.pth was refused: the archive has compressed records"):
        load_checkpoint_file(tmp_path / "b.pth")


@pytest.mark.parametrize("is_zip", [True, False], ids=["archive", "legacy"])
def test_rejects_a_torch_file_that_allocates_a_byte_array(tmp_path, is_zip):
    torch.save({"a": bytearray(3)}, tmp_path / "a.pth", _use_new_zipfile_serialization=is_zip)
    with pytest.raises(CheckpointError, match=r"a\.pth was refused: global 'builtins.bytearray'"):
        load_checkpoint_file(tmp_path / "a.pth")
