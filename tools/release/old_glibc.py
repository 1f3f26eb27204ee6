"""Linker options for a library that also loads on systems with an old glibc.

A library that is linked on a recent Linux refers to the newest versions of glibc's symbols, so older systems cannot
load it. The options of this module make the linker resolve these symbols in empty copies of an old glibc, which the
compiler `zig` (on PyPI as `ziglang`) provides, and include GCC's C++ runtime in the library. The compiler remains GCC,
because only GCC compiles the kernels for several instruction sets (packages/ops/cmake/instruction_sets.cmake).
"""

import os
import subprocess
from pathlib import Path

#: The glibc of the wheel tag manylinux_2_28: Debian 10, Ubuntu 18.10, RHEL 8 and later systems.
GLIBC = "2.28"

_LIBRARIES = {
    "c": "libc.so.6",
    "m": "libm.so.6",
    "pthread": "libpthread.so.0",
    "dl": "libdl.so.2",
    "rt": "librt.so.1",
}
# libstdc++ reads this variable of glibc 2.32 to skip atomic operations in programs with one thread; 0 always uses them.
_MISSING = '__attribute__((visibility("hidden"))) char __libc_single_threaded = 0;\n'


def linker_options(zig: list[str], folder: Path) -> str:
    """Create the copies of the old glibc in a folder and return the options of the linker that use them.

    Args:
        zig: Command of the zig compiler.
        folder: Folder for the files; it must exist as long as the options are used.

    Raises:
        subprocess.CalledProcessError: If a compiler fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "missing.c"
    source.write_text(_MISSING, encoding="utf-8")
    cache = folder / "zig"
    environment = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": str(cache), "ZIG_LOCAL_CACHE_DIR": str(cache)}
    target = [
        *zig,
        "cc",
        "-target",
        f"{os.uname().machine}-linux-gnu.{GLIBC}",
        "-shared",
        "-fPIC",
        "-o",
        folder / "empty.so",
        source,
    ]
    subprocess.run([*target, *(f"-l{name}" for name in _LIBRARIES)], env=environment, check=True)
    for name, file in _LIBRARIES.items():
        (found,) = cache.glob(f"o/*/{file}")
        link = folder / f"lib{name}.so"
        link.unlink(missing_ok=True)
        link.symlink_to(found)
    compiled = folder / "missing.o"
    subprocess.run(["gcc", "-c", "-fPIC", source, "-o", compiled], check=True)
    return f"-L{folder} -static-libstdc++ -static-libgcc {compiled}"
