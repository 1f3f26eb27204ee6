"""Environment report under Detectron2's module path."""

import os
import sys

import torch

from detectory.core.distributed import all_gather
from detectory.core.environment import format_environment

__all__ = [
    "collect_env_info",
    "collect_torch_env",
    "detect_compute_compatibility",
    "get_env_module",
    "main",
    "test_nccl_ops",
]


def collect_torch_env() -> str:
    """Return torch's build configuration."""
    return torch.__config__.show()


def get_env_module() -> tuple[str, str]:
    """Return the name and value of the environment variable for the setup module."""
    name = "DETECTRON2_ENV_MODULE"
    return name, os.environ.get(name, "<not set>")


def detect_compute_compatibility(CUDA_HOME: str | None, so_file: str) -> str:
    """Return the GPU architectures in a compiled library, according to `cuobjdump`.

    Args:
        CUDA_HOME: Folder of the CUDA toolkit.
        so_file: Path of the library.
    """
    import subprocess

    tool = os.path.join(CUDA_HOME or "", "bin", "cuobjdump")
    if not os.path.isfile(tool):
        return f"{so_file}; cuobjdump not found"
    shown = subprocess.run([tool, "--list-elf", so_file], capture_output=True, text=True, check=False).stdout
    architectures = {
        part.split("_")[-1] for line in shown.splitlines() for part in line.split(".") if part.startswith("sm_")
    }
    return ", ".join(sorted(architectures)) or f"{so_file}; no GPU code"


def collect_env_info() -> str:
    """Return a report of machine, Python, torch and libraries."""
    return f"{format_environment()}\n{collect_torch_env()}"


def test_nccl_ops() -> None:
    """Test communication by gathering the ranks of all processes."""
    ranks = all_gather(int(os.environ.get("RANK", 0)))
    sys.stdout.write(f"communication between {len(ranks)} processes works\n")


def main() -> None:
    """Print the report."""
    sys.stdout.write(collect_env_info() + "\n")


if __name__ == "__main__":
    main()
