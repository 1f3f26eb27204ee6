"""Environment report: machine, devices, Python, torch and library versions."""

import importlib.metadata
import os
import platform
import sys

import torch

from detectory.core.processor import granted_cores, instruction_set

_LIBRARIES = (
    "torch",
    "torchvision",
    "numpy",
    "Pillow",
    "omegaconf",
    "safetensors",
    "pycocotools",
    "onnx",
    "onnxruntime",
)
_VARIABLES = (
    "CUDA_VISIBLE_DEVICES",
    "DETECTORY_DATASETS",
    "DETECTORY_CACHE",
    "DETECTORY_OFFLINE",
    "DETECTORY_CPU_ISA",
    "ATEN_CPU_CAPABILITY",
    "ONEDNN_MAX_CPU_ISA",
    "OMP_NUM_THREADS",
)


def collect_environment() -> dict[str, str]:
    """Return a report of the machine, Python, torch, its devices, and the versions of Detectory and its libraries.

    The order of the keys is that of `format_environment`. CUDA is not initialized if torch was built without it.
    """
    report = {
        "System": f"{platform.system()} {platform.release()} {platform.machine()}",
        "Python": f"{sys.version.split()[0]} ({sys.executable})",
        "CPU": f"{_processor()}, {instruction_set()}",
        "Cores": f"{granted_cores()} of {os.cpu_count()} granted, torch uses {torch.get_num_threads()} threads",
        "torch": f"{torch.__version__} (CUDA build: {torch.version.cuda or 'no'})",
    }
    report |= _devices()
    for name, version in sorted(_detectory_packages().items()):
        report[name] = version
    for name in _LIBRARIES[1:]:
        report[name] = _version(name)
    for name in _VARIABLES:
        if name in os.environ:
            report[f"${name}"] = os.environ[name]
    return report


def format_environment(report: dict[str, str] | None = None) -> str:
    """Format a report of `collect_environment` as two columns of text; by default, collect a new report."""
    report = collect_environment() if report is None else report
    width = max(len(name) for name in report)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in report.items())


def _processor() -> str:
    if sys.platform == "linux":
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _devices() -> dict[str, str]:
    if torch.version.cuda is None and torch.version.hip is None:
        return {"GPU": "torch was built without GPU support"}
    if not torch.cuda.is_available():
        return {"GPU": "no GPU available to torch"}
    devices = {}
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        capability = f"compute capability {properties.major}.{properties.minor}"
        devices[f"GPU {index}"] = f"{properties.name}, {properties.total_memory / 2**30:.1f} GiB, {capability}"
    return devices


def _detectory_packages() -> dict[str, str]:
    names = (distribution.metadata["Name"] for distribution in importlib.metadata.distributions())
    return {name: _version(name) for name in names if name and (name == "detectory" or name.startswith("detectory-"))}


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
