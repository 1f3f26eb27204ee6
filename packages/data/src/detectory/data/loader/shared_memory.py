"""Transfer of samples from worker processes through reused shared memory.

torch sends every tensor of a sample as its own shared-memory file: the receiving process connects to the worker and
waits until the worker's mapper releases the interpreter lock. With many small tensors per sample (boxes, classes,
polygons) this takes longer than the mapping. `SharedSlots` instead copies all tensors of a sample into one slot of a
buffer that is allocated once, and sends only the pickle without the tensor data through the queue.
"""

import io
import itertools
import logging
import mmap
import multiprocessing
import os
import pickle
import shutil
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import get_worker_info

# Capacity per sample in bytes; larger samples are sent by torch. Pages that are never written use no memory.
SLOT_BYTES = 8 << 20
# The same in memory that is not limited by /dev/shm: torch could not send larger samples.
_LARGE_SLOT_BYTES = 128 << 20
_logger = logging.getLogger(__name__)
# Start of every tensor within its slot; a multiple of every element size and of a cache line.
_ALIGNMENT = 64
_buffer_ids = itertools.count()
# The buffers of this process, by id. Workers inherit or receive the buffer itself; messages refer to it by id.
_open_slots: "weakref.WeakValueDictionary[int, SharedSlots]" = weakref.WeakValueDictionary()


class _TensorPickler(pickle.Pickler):
    """A pickler that stores the contents of CPU tensors out of band (pickle protocol 5, PEP 574)."""

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
    """A shared-memory buffer with a ring of slots per worker, one sample per slot.

    A worker writes a sample into its next slot; the main process copies the sample out when it receives the message.
    Invariant: a worker has at most `per_worker` unread messages, so that it never overwrites a slot that is still to be
    read. `DataLoader` guarantees this with `prefetch_factor < per_worker`, provided that batches are returned in order.

    If `/dev/shm` is too small, as in containers by default, forked workers use anonymous memory instead, which has no
    such limit.

    Args:
        workers: The number of worker processes.
        per_worker: The number of slots per worker.
        is_forked: Whether the workers are forked; by default, whether this is the default start method.

    Raises:
        RuntimeError: If shared memory cannot be allocated; the message has the remedies.
    """

    def __init__(self, workers: int, per_worker: int, is_forked: bool | None = None) -> None:
        self.per_worker = per_worker
        self.buffer_id = next(_buffer_ids)
        self.memory = _allocate(workers * per_worker, is_forked)
        self._next = 0
        _open_slots[self.buffer_id] = self

    def pack(self, sample: Any) -> Any:
        """Write a sample into the next slot and return a reference to it; return the sample itself if it does not fit.

        Outside worker processes the sample is returned unchanged.
        """
        worker = get_worker_info()
        if worker is None:
            return sample
        buffers: list[pickle.PickleBuffer] = []
        stream = io.BytesIO()
        try:
            _TensorPickler(stream, protocol=5, buffer_callback=buffers.append).dump(sample)
        except (pickle.PicklingError, AttributeError, TypeError):
            # torch's own queue will report what cannot be pickled.
            return sample
        views = [buffer.raw() for buffer in buffers]
        ranges, end = [], 0
        for view in views:
            ranges.append((end, view.nbytes))
            end += -(-view.nbytes // _ALIGNMENT) * _ALIGNMENT
        if end > self.memory.shape[1] or not views:
            return sample
        slot = worker.id * self.per_worker + self._next
        self._next = (self._next + 1) % self.per_worker
        target = self.memory[slot].numpy()
        for view, (start, size) in zip(views, ranges, strict=True):
            target[start : start + size] = view
        return _PackedSample(self.buffer_id, slot, end, stream.getvalue(), ranges)


def _allocate(slots: int, is_forked: bool | None) -> torch.Tensor:
    """Return shared memory for slots, (slots, bytes) uint8. Pages that are never written use no memory."""
    free = free_shared_memory()
    if is_forked is None:
        is_forked = multiprocessing.get_start_method() == "fork"
    if free is None or free >= slots * SLOT_BYTES or not is_forked:
        try:
            return torch.empty(slots, SLOT_BYTES, dtype=torch.uint8).share_memory_()
        except RuntimeError as error:
            raise RuntimeError(
                f"the data loader workers need {slots * SLOT_BYTES >> 20} MiB in /dev/shm: {error}. "
                "Start the container with --shm-size=8g or --ipc=host, or set num_workers=0"
            ) from error
    _logger.warning(
        "/dev/shm has only %d MiB: the data loader workers use anonymous shared memory instead. "
        "A container started with --shm-size=8g or --ipc=host avoids this",
        free >> 20,
    )
    memory = mmap.mmap(-1, slots * _LARGE_SLOT_BYTES)
    return torch.from_numpy(np.frombuffer(memory, np.uint8).reshape(slots, _LARGE_SLOT_BYTES))


def free_shared_memory() -> int | None:
    """Return the free bytes of `/dev/shm`, or None if it does not exist."""
    return shutil.disk_usage("/dev/shm").free if os.path.isdir("/dev/shm") else None


class _PackedSample:
    """A reference to a sample in a slot. Unpickling the reference returns the sample."""

    def __init__(self, *contents: Any) -> None:
        self.contents = contents

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return _unpack, self.contents


def _unpack(buffer_id: int, slot: int, end: int, data: bytes, ranges: Sequence[tuple[int, int]]) -> Any:
    """Copy a sample out of its slot. The copy is required: the worker will overwrite the slot."""
    block = _open_slots[buffer_id].memory[slot, :end].clone().numpy().data
    return pickle.loads(data, buffers=[block[start : start + size] for start, size in ranges])
