"""Check before training that all processes agree on versions, config and data, and have their own GPU."""

import os
import platform
import re
import socket
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from detectory.core.distributed import all_gather, get_local_size, get_world_size
from detectory.data import MetadataCatalog

_PACKAGES = ("detectory-core", "detectory-ops", "detectory-data", "detectory-modeling", "detectory-engine")
_DATASET_PATHS = ("json_file", "image_root", "panoptic_root", "panoptic_json", "sem_seg_root", "dirname")


def check_processes(config: str = "", datasets: Iterable[str] = (), device: str = "cpu") -> None:
    """Compare versions, configs and visible dataset files across all processes. A single process is not checked.

    Such differences would otherwise cause an error much later, or silently wrong results.

    Args:
        config: The config as text, which must be the same in all processes.
        datasets: Names of datasets in the catalog whose files every process must see.
        device: The device of the model. Each process of a machine needs its own GPU.

    Raises:
        RuntimeError: If something differs or is missing, in all processes; the message names the affected ones.
    """
    if get_world_size() == 1:
        return
    reports = all_gather(_report(config, list(datasets), device))
    problems = [f"process {rank} on {own['host']}: {text}" for rank, own in enumerate(reports) for text in own["wrong"]]
    for rank, own in enumerate(reports[1:], start=1):
        problems += [
            f"process {rank} on {own['host']} has {name} {version}, process 0 has {reports[0]['versions'][name]}"
            for name, version in own["versions"].items()
            if version != reports[0]["versions"][name]
        ]
        if difference := _first_difference(reports[0]["config"], own["config"]):
            problems.append(f"process {rank} on {own['host']} has a different config than process 0: {difference}")
    if problems:
        raise RuntimeError(f"check_processes: the processes differ: {'; '.join(problems)}")


def _report(config: str, datasets: list[str], device: str) -> dict[str, Any]:
    wrong = [
        f"{key} of dataset '{name}' does not exist: {path}"
        for name in datasets
        for key in _DATASET_PATHS
        if (path := MetadataCatalog.get(name).get(key)) is not None and not _is_visible(path)
    ]
    gpus = torch.cuda.device_count()
    if torch.device(device).type == "cuda" and get_local_size() > gpus:
        wrong.append(f"{get_local_size()} processes on this machine, but torch sees {gpus} GPUs")
    # The repr of a lambda contains its address, which differs between processes.
    config = re.sub(r" at 0x[0-9a-f]+", "", config)
    versions = {"Python": platform.python_version(), "torch": torch.__version__}
    versions |= {name: _version(name) for name in _PACKAGES}
    return {"host": socket.gethostname(), "versions": versions, "config": config, "wrong": wrong}


def _is_visible(path: Any) -> bool:
    # URLs such as s3://bucket are read by a path handler and cannot be checked here.
    return "://" in str(path) or (Path(path).exists() and os.access(path, os.R_OK))


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _first_difference(expected: str, actual: str) -> str:
    """Describe the first line that differs; return an empty string if the texts are equal."""
    left, right = expected.splitlines(), actual.splitlines()
    for index in range(max(len(left), len(right))):
        a, b = (lines[index].strip() if index < len(lines) else "nothing" for lines in (left, right))
        if a != b:
            return f"'{b}' instead of '{a}'"
    return ""
