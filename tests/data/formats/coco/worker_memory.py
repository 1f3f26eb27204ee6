"""Print the memory of a loader's worker processes, in MB, after every epoch, as JSON.

Arguments: start method, annotation file in COCO format or `-` for a dataset of one record, number of epochs.
"""

import json
import multiprocessing
import sys
from pathlib import Path
from typing import Any

from detectory.data import build_detection_test_loader
from detectory.data.formats import open_coco_index

WORKERS = 2


def touched(record: dict[str, Any]) -> int:
    """Read all of a record and hand on a number only."""
    return len(record["annotations"]) + len(record["file_name"])


def proportional_set_size(pid: int) -> float:
    """Memory of a process in MB, where what several processes share counts by its part.

    Libraries do not count: their part changes whenever any process of the machine that has them too starts or ends.
    """
    total, counts = 0, False
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        first, *rest = line.split(maxsplit=5)
        if not first.endswith(":"):  # the head of a mapping: addresses, permissions, …, its file
            file = rest[4] if len(rest) > 4 else ""
            counts = not file.startswith("/") or file.startswith("/dev/shm") or file.endswith(".index")
        elif first == "Pss:" and counts:
            total += int(rest[0])
    return total / 1024


def main(method: str, file: str, epochs: int) -> None:
    """Go through the dataset and print a list of the workers' mean memory after each epoch."""
    records: Any = [{"file_name": "", "annotations": []}] if file == "-" else open_coco_index(file, "")
    loader = build_detection_test_loader(
        records,
        mapper=touched,
        batch_size=256,
        num_workers=WORKERS,
        multiprocessing_context=method,
        persistent_workers=True,
    )
    measured = []
    for _ in range(epochs):
        for _batch in loader:
            pass
        workers = [child.pid for child in multiprocessing.active_children()]
        measured.append(sum(proportional_set_size(pid) for pid in workers if pid) / len(workers))
    print(json.dumps(measured))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
