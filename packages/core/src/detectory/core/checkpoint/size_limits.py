"""Refusal of files that state larger sizes than they contain, before a reader allocates memory for them.

- `check_pickle_sizes`: counts and memo indices in a pickle
- `check_torch_sizes`: sizes in a file written by `torch.save`

Memory for a refused file would be bounded by the numbers in the file, not by its size: a memo index of four bytes makes
Python's unpickler allocate up to 64 GiB, and a compressed archive grows by a factor of a thousand.

Source: Python documentation, `pickletools` (the opcodes and their arguments).
"""

import os
import pickle
import pickletools
import struct
import zipfile
from typing import IO

_ZIP_MAGIC = b"PK\x03\x04"
_BYTEARRAY = (b"cbuiltins\nbytearray\n", b"c__builtin__\nbytearray\n")
_COUNT_FORMATS = {
    pickletools.TAKEN_FROM_ARGUMENT1: "<B",
    pickletools.TAKEN_FROM_ARGUMENT4: "<i",
    pickletools.TAKEN_FROM_ARGUMENT4U: "<I",
    pickletools.TAKEN_FROM_ARGUMENT8U: "<Q",
}
_ARGUMENTS = {opcode.code.encode("latin1"): opcode.arg for opcode in pickletools.opcodes}
_FIXED_SIZES = {code: argument.n if argument else 0 for code, argument in _ARGUMENTS.items()}
_MEMO_FORMATS = {b"q": "<B", b"r": "<I"}
_FRAME = b"\x95"
_CHUNK = 1 << 20


def check_pickle_sizes(file: IO[bytes]) -> None:
    """Read through the opcodes of a pickle without executing them; return to the same position of the file.

    Args:
        file: A seekable binary file at the start of a pickle.

    Raises:
        pickle.UnpicklingError: If a byte count or an index of the memo exceeds the rest of the file, an opcode is
            unknown, or the file ends early.
    """
    start = file.tell()
    size = file.seek(0, os.SEEK_END) - start
    file.seek(start)
    try:
        while (code := file.read(1)) != b".":
            if code in _MEMO_FORMATS:
                index = _number(file, _MEMO_FORMATS[code])
            elif code == b"p":
                index = _decimal(file.readline(_CHUNK))
            else:
                _skip_argument(file, code, start + size)
                continue
            # An unpickler keeps an array of all indices up to the largest. Picklers count from 0 or 1.
            if index > size:
                raise pickle.UnpicklingError(f"memo index {index} in {size} bytes")
    finally:
        file.seek(start)


def _skip_argument(file: IO[bytes], code: bytes, end: int) -> None:
    size = _FIXED_SIZES.get(code)
    if size is None:
        raise pickle.UnpicklingError(f"unknown opcode {code!r}" if code else "the file ends early")
    if size == pickletools.UP_TO_NEWLINE:
        for _ in range(2 if code in b"ci" else 1):  # two lines: the module and the name of a global
            _skip_line(file)
        return
    if size < 0:
        size = _number(file, _COUNT_FORMATS[size])
    elif code == _FRAME:
        # The opcodes in a frame follow; the frame only states their size.
        if _number(file, "<Q") > end - file.tell():
            raise pickle.UnpicklingError("a frame exceeds the file")
        return
    if not 0 <= size <= end - file.tell():
        raise pickle.UnpicklingError(f"{size} bytes at position {file.tell()} of {end}")
    if size > _CHUNK:
        file.seek(size, os.SEEK_CUR)
    elif size:
        file.read(size)


def _skip_line(file: IO[bytes]) -> None:
    while (line := file.readline(_CHUNK)) and not line.endswith(b"\n"):
        pass


def _number(file: IO[bytes], layout: str) -> int:
    data = file.read(struct.calcsize(layout))
    if len(data) != struct.calcsize(layout):
        raise pickle.UnpicklingError("the file ends early")
    return int(struct.unpack(layout, data)[0])


def _decimal(line: bytes) -> int:
    try:
        return int(line)
    except ValueError as error:
        raise pickle.UnpicklingError(f"the memo index {line!r:.40} is not a number") from error


def check_torch_sizes(file: IO[bytes]) -> None:
    """Check a file written by `torch.save`, as an archive or in the legacy format; return to the same position.

    Args:
        file: A seekable binary file.

    Raises:
        pickle.UnpicklingError: If an archive has compressed or overlapping records, or the file constructs a
            `bytearray`, for which `torch.load` allocates any requested size.
    """
    start = file.tell()
    try:
        if file.read(len(_ZIP_MAGIC)) == _ZIP_MAGIC:
            _check_archive(file)
        else:
            file.seek(start)
            _check_globals(file)
    finally:
        file.seek(start)


def _check_archive(file: IO[bytes]) -> None:
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, NotImplementedError, struct.error, ValueError):
        return  # torch.load reports archives that are damaged
    size = file.seek(0, os.SEEK_END)
    with archive:
        records = archive.infolist()
        if any(record.compress_type != zipfile.ZIP_STORED for record in records):
            raise pickle.UnpicklingError("the archive has compressed records, which torch.save does not write")
        if (total := sum(record.file_size for record in records)) > size:
            raise pickle.UnpicklingError(f"the records of the archive have {total} bytes, the file has {size}")
        for record in records:
            if record.filename.endswith("/data.pkl"):
                with archive.open(record) as stream:
                    _check_globals(stream)


def _check_globals(file: IO[bytes]) -> None:
    end = b""
    while chunk := file.read(_CHUNK):
        if any(name in end + chunk for name in _BYTEARRAY):
            raise pickle.UnpicklingError("global 'builtins.bytearray' is not an array, tensor or container")
        end = chunk[-max(map(len, _BYTEARRAY)) :]
