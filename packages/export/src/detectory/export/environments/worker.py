"""`Worker`: a process that maps arrays to arrays."""

import io
import subprocess
import weakref
from collections.abc import Sequence

import numpy as np

_LENGTH = 8


class Worker:
    """A process that runs until the object is deleted.

    A message is an archive of `numpy.savez` after its length, 8 bytes, little-endian. The process sends a message
    without arrays when it is ready.

    Args:
        command: Command line of a program like `run_executorch.py`.
        name: Name of the process in messages.

    Raises:
        RuntimeError: If the process ends before it is ready.
    """

    def __init__(self, command: Sequence[str], name: str) -> None:
        self._name = name
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
        weakref.finalize(self, _stop, self._process)
        self._receive()

    def __call__(self, *arrays: np.ndarray) -> list[np.ndarray]:
        """Send arrays and return the results.

        Raises:
            RuntimeError: If the process ends.
        """
        assert self._process.stdin is not None
        message = io.BytesIO()
        np.savez(message, *arrays)
        self._process.stdin.write(len(message.getvalue()).to_bytes(_LENGTH, "little") + message.getvalue())
        self._process.stdin.flush()
        return self._receive()

    def _receive(self) -> list[np.ndarray]:
        assert self._process.stdout is not None
        length = int.from_bytes(self._process.stdout.read(_LENGTH), "little")
        content = self._process.stdout.read(length)
        if not content or len(content) < length:
            raise RuntimeError(f"{self._name}: the process ended with exit code {self._process.wait()}")
        arrays = np.load(io.BytesIO(content))
        return [arrays[name] for name in arrays.files]


def _stop(process: subprocess.Popen) -> None:
    assert process.stdin is not None
    process.stdin.close()
    process.wait()
