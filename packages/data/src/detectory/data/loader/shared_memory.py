"""Carry samples from worker processes in shared memory that is used over and over."""

import io
import itertools
import pickle
import weakref
from collections.abc import Sequence
from typing import Any

import torch
from torch.utils.data import get_worker_info

# Bytes of one sample that fit; larger samples go torch's way. Pages that are never written take no memory.
SLOT_BYTES = 8 << 20
_ALIGNMENT = 64
_numbers = itertools.count()
_open_slots: weakref.WeakValueDictionary[int, "SharedSlots"] = weakref.WeakValueDictionary()


class _TensorPickler(pickle.Pickler):
    """Pickles with the contents of CPU tensors out of band."""

    def reducer_override(self, obj: Any) -> Any:
        if type(obj) is not torch.Tensor or obj.device.type != "cpu" or obj.layout != torch.strided:
            return NotImplemented
        if obj.requires_grad or obj.numel() == 0 or obj.is_quantized:
            return NotImplemented
        flat = obj.detach().contiguous().view(-1).view(torch.uint8).numpy()
        return _tensor_from, (pickle.PickleBuffer(flat.data), obj.dtype, tuple(obj.shape))


def _tensor_from(buffer: Any, dtype: torch.dtype, shape: tuple[int, ...]) -> torch.Tensor:
    return torch.frombuffer(buffer, dtype=dtype).reshape(shape)


class SharedSlots:
    """Shared memory in which every worker has a few slots, one sample each.

    torch opens a connection to the worker for every tensor, which waits until the worker's mapper lets go of the
    interpreter; with many small tensors this takes longer than the mapper. Here a worker writes a sample into its next
    slot, and this process copies it out when the message arrives. A worker that has at most `per_worker` messages
    under way never overwrites one that is still to be read.

    Args:
        workers: Number of worker processes.
        per_worker: Slots of each.
    """

    def __init__(self, workers: int, per_worker: int) -> None:
        self.per_worker, self.number, self._next = per_worker, next(_numbers), 0
        self.memory = torch.empty(workers * per_worker, SLOT_BYTES, dtype=torch.uint8).share_memory_()
        _open_slots[self.number] = self

    def pack(self, sample: Any) -> Any:
        """Write a sample into the next slot; return the sample itself where that is not possible."""
        worker = get_worker_info()
        if worker is None:
            return sample
        buffers: list[pickle.PickleBuffer] = []
        stream = io.BytesIO()
        try:
            _TensorPickler(stream, protocol=5, buffer_callback=buffers.append).dump(sample)
        except (pickle.PicklingError, AttributeError, TypeError):
            # torch's own queue says what cannot be sent.
            return sample
        views = [buffer.raw() for buffer in buffers]
        places, end = [], 0
        for view in views:
            places.append((end, view.nbytes))
            end += -(-view.nbytes // _ALIGNMENT) * _ALIGNMENT
        if end > SLOT_BYTES or not views:
            return sample
        slot = worker.id * self.per_worker + self._next
        self._next = (self._next + 1) % self.per_worker
        target = self.memory[slot].numpy()
        for view, (start, size) in zip(views, places, strict=True):
            target[start : start + size] = view
        return _Parcel(self.number, slot, end, stream.getvalue(), places)


class _Parcel:
    """A sample in a slot; unpickling it gives the sample."""

    def __init__(self, *contents: Any) -> None:
        self.contents = contents

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return _unpack, self.contents


def _unpack(number: int, slot: int, end: int, data: bytes, places: Sequence[tuple[int, int]]) -> Any:
    """Copy a sample out of its slot."""
    block = memoryview(_open_slots[number].memory[slot, :end].clone().numpy())
    return pickle.loads(data, buffers=[block[start : start + size] for start, size in places])
