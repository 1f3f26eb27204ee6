"""A look at all processes before they train together: what differs would fail later, or never be noticed."""

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
_PLACES = ("json_file", "image_root", "panoptic_root", "panoptic_json", "sem_seg_root", "dirname")


def check_processes(config: str = "", datasets: Iterable[str] = (), device: str = "cpu") -> None:
    """Compare versions, configs and what is visible of the data between all processes; with one, nothing is done.

    Args:
        config: The configuration as text, which must be the same everywhere.
        datasets: Names in the catalog, whose files every process must see.
        device: Where the model will be; on GPUs each process of a machine needs its own.

    Raises:
        RuntimeError: something differs or is missing; the message names the processes. It is raised in all of them.
    """
    if get_world_size() == 1:
        return
    of_all = all_gather(_own_facts(config, list(datasets), device))
    problems = [f"process {rank} on {own['host']}: {text}" for rank, own in enumerate(of_all) for text in own["wrong"]]
    for rank, own in enumerate(of_all[1:], start=1):
        problems += [
            f"process {rank} on {own['host']} has {name} {version}, process 0 has {of_all[0]['versions'][name]}"
            for name, version in own["versions"].items()
            if version != of_all[0]["versions"][name]
        ]
        if difference := _first_difference(of_all[0]["config"], own["config"]):
            problems.append(f"process {rank} on {own['host']} has another config than process 0: {difference}")
    if problems:
        raise RuntimeError(f"the processes cannot train together: {'; '.join(problems)}")


def _own_facts(config: str, datasets: list[str], device: str) -> dict[str, Any]:
    wrong = [
        f"the {kind} of the dataset '{name}' is missing: {path}"
        for name in datasets
        for kind in _PLACES
        if (path := MetadataCatalog.get(name).get(kind)) is not None and not _is_visible(path)
    ]
    gpus = torch.cuda.device_count()
    if torch.device(device).type == "cuda" and get_local_size() > gpus:
        wrong.append(f"{get_local_size()} processes on this machine, but torch sees {gpus} GPUs")
    # A lambda in a config is shown with its address, which is another one in each process.
    config = re.sub(r" at 0x[0-9a-f]+", "", config)
    versions = {"Python": platform.python_version(), "torch": torch.__version__}
    versions |= {name: _version(name) for name in _PACKAGES}
    return {"host": socket.gethostname(), "versions": versions, "config": config, "wrong": wrong}


def _is_visible(path: Any) -> bool:
    # An address such as s3://bucket is read by a handler of its own.
    return "://" in str(path) or (Path(path).exists() and os.access(path, os.R_OK))


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _first_difference(expected: str, found: str) -> str:
    """Return the first line that differs, empty when none does."""
    left, right = expected.splitlines(), found.splitlines()
    for index in range(max(len(left), len(right))):
        a, b = (lines[index].strip() if index < len(lines) else "nothing" for lines in (left, right))
        if a != b:
            return f"'{b}' instead of '{a}'"
    return ""
