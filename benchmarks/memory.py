"""Resident memory of this process."""

from pathlib import Path


def resident(field: str = "VmRSS") -> int:
    """Return the current resident memory in bytes, or its peak with "VmHWM" (Linux).

    `getrusage` is not suitable for the peak: a child process starts with the peak of its parent.
    """
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(field))
