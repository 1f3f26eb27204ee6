"""Properties of the CPU: the cores granted to this process and the instruction set that convolutions use."""

import logging
import os
import platform
from collections.abc import Mapping
from pathlib import Path

import torch

_logger = logging.getLogger(__name__)

#: Environment variables by which a user chooses the number of threads.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
_CGROUP_ROOT = Path("/sys/fs/cgroup")
_CGROUP_MEMBERSHIP = Path("/proc/self/cgroup")
#: Values of oneDNN's ONEDNN_MAX_CPU_ISA that exclude AVX-512, and those that exclude bfloat16 arithmetic as well.
_BELOW_AVX512 = ("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2")
_BELOW_BFLOAT16 = (*_BELOW_AVX512, "AVX512_CORE", "AVX512_CORE_VNNI")


def granted_cores() -> int:
    """Return the number of cores that this process may use, at least 1.

    The minimum of the machine's cores, the affinity mask and the CPU quota of the control group (versions 1 and 2),
    including the groups that contain it. A fractional quota is rounded up.
    """
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cores = min(cores, len(os.sched_getaffinity(0)))
    quota = cpu_quota(_CGROUP_ROOT, _CGROUP_MEMBERSHIP)
    if quota is not None:
        cores = min(cores, max(1, -int(-quota // 1)))
    return cores


def cpu_quota(root: Path, membership: Path) -> float | None:
    """Return the CPU quota of a process in cores, or None if there is no limit.

    Args:
        root: Mount point of the control groups, usually `/sys/fs/cgroup`.
        membership: The file that lists the groups of the process, usually `/proc/self/cgroup`.

    Source: Linux kernel documentation, "Control Group v2" (`cpu.max`) and "CFS Bandwidth Control"
        (`cpu.cfs_quota_us`, `cpu.cfs_period_us`).
    """
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux, or /proc is not mounted
        return None
    quotas: list[float] = []
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if not controllers:
            quotas += _quotas_v2(root, group)
        elif "cpu" in controllers.split(","):
            quotas += _quotas_v1(root, controllers, group)
    return min(quotas, default=None)


def _quotas_v2(root: Path, group: str) -> list[float]:
    """Quotas of a version 2 group and of the groups above it."""
    quotas = []
    for folder in _group_and_parents(root, group):
        fields = _read_words(folder / "cpu.max")
        if len(fields) == 2 and fields[0] != "max":
            quotas.append(int(fields[0]) / int(fields[1]))
    return quotas


def _quotas_v1(root: Path, controllers: str, group: str) -> list[float]:
    """Quotas of a version 1 group and of the groups above it; a negative quota means unlimited."""
    quotas = []
    for mount in (root / controllers, root / "cpu"):
        for folder in _group_and_parents(mount, group):
            quota, period = _read_words(folder / "cpu.cfs_quota_us"), _read_words(folder / "cpu.cfs_period_us")
            if quota and period and int(quota[0]) > 0:
                quotas.append(int(quota[0]) / int(period[0]))
    return quotas


def _group_and_parents(mount: Path, group: str) -> list[Path]:
    # Inside a container the group of /proc/self/cgroup may not exist below the mount point, which is then the group.
    folder = mount / group.lstrip("/")
    return [folder, *(parent for parent in folder.parents if parent.is_relative_to(mount))]


def _read_words(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").split()
    except OSError:
        return []


def limit_threads(processes: int = 1, environment: Mapping[str, str] = os.environ) -> None:
    """Reduce torch's threads to the granted cores, unless the user has chosen a number.

    By default torch starts one thread per physical core of the machine, which makes a container with a CPU quota many
    times slower. A value of `OMP_NUM_THREADS` or `MKL_NUM_THREADS`, or a call of `torch.set_num_threads`, is kept.

    Args:
        processes: Number of processes on this machine that share the cores.
        environment: The environment variables.
    """
    if any(environment.get(name) for name in THREAD_VARIABLES):
        return
    cores, threads = max(1, granted_cores() // processes), torch.get_num_threads()
    if threads <= cores or threads not in _default_thread_counts():
        return
    _logger.info("using %d threads instead of %d: this process may use %d cores", cores, threads, cores)
    torch.set_num_threads(cores)


def _default_thread_counts() -> set[int]:
    """Default thread counts of torch: the logical or physical cores of the machine or of the mask."""
    counts = {os.cpu_count() or 1}
    if hasattr(os, "sched_getaffinity"):
        counts.add(len(os.sched_getaffinity(0)))
    return counts | {max(count // 2, 1) for count in counts}


def has_avx512() -> bool:
    """Return whether oneDNN, which computes torch's convolutions, may use AVX-512 on this machine."""
    return torch.cpu._is_avx512_supported() and _instruction_cap() not in _BELOW_AVX512


def has_avx2_only() -> bool:
    """Return whether this is an x86 processor for which oneDNN uses at most AVX2."""
    return platform.machine().lower() in ("x86_64", "amd64") and not has_avx512()


def has_bfloat16_arithmetic() -> bool:
    """Return whether the CPU multiplies bfloat16 numbers with its own instructions.

    Elsewhere oneDNN converts to float32 first (AVX-512 without bfloat16 instructions) or torch uses its reference
    convolution (AVX2), which is up to a hundred times slower than float32.
    """
    if not (torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()):
        return False
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return True
    has_instructions = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return has_instructions and _instruction_cap() not in _BELOW_BFLOAT16


def has_float16_arithmetic() -> bool:
    """Return whether the CPU multiplies float16 numbers with its own instructions."""
    if not (torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_fp16_supported()):
        return False
    return _instruction_cap() not in (*_BELOW_BFLOAT16, "AVX512_CORE_BF16")


def instruction_set() -> str:
    """Return a short name of the instruction set in use, such as "AVX2" or "AVX-512 with bfloat16"."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return platform.machine()
    if not has_avx512():
        is_capped = _instruction_cap() in ("SSE41", "AVX")
        return "AVX2" if torch.cpu._is_avx2_supported() and not is_capped else "baseline x86-64"
    return "AVX-512 with bfloat16" if has_bfloat16_arithmetic() else "AVX-512"


def _instruction_cap() -> str:
    """The user's limit of oneDNN's instruction set, which torch's own queries ignore."""
    cap = os.environ.get("ONEDNN_MAX_CPU_ISA") or os.environ.get("DNNL_MAX_CPU_ISA") or ""
    return cap.upper()
