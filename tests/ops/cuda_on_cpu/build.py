"""Compile the CUDA kernels of `detectory.ops` for the CPU: `python tests/ops/cuda_on_cpu/build.py OUTPUT.so`.

The sources are translated, compiled as C++ with the headers in `include/`, and linked to a library that registers the
kernels for CPU tensors. Loaded after `detectory.ops`, it replaces the CPU kernels, so that every test of the operators
tests the CUDA kernels.
"""

import argparse
import os
import re
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
SOURCES = FOLDER.parents[2] / "packages" / "ops" / "csrc"
OPTIONS = ["-std=c++17", "-O1", "-g", "-fPIC", "-ffp-contract=off", "-fno-math-errno", "-w"]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-fno-omit-frame-pointer"]
_SHARED_ARRAY = re.compile(r"extern __shared__ (?:__align__\(\d+\) )?(unsigned char) (\w+)\[\];")


def translate(code: str) -> str:
    """Translate a CUDA source to C++: launches, dynamic shared memory, device guards and the dispatch key."""
    code = _SHARED_ARRAY.sub(r"\1* \2 = ::cuda_on_cpu::dynamic_memory();", code)
    code = code.replace("torch::stable::accelerator::DeviceGuard", "::cuda_on_cpu::DeviceGuard")
    code = code.replace("STABLE_TORCH_LIBRARY_IMPL(detectory, CUDA, m)", "STABLE_TORCH_LIBRARY_IMPL(detectory, CPU, m)")
    while (position := code.find("<<<")) >= 0:
        start = _start_of_kernel(code, position)
        settings_end = code.index(">>>", position)
        arguments = settings_end + 3
        end = _closing(code, arguments)
        kernel, settings = code[start:position].strip(), code[position + 3 : settings_end]
        call = f"[&](auto... values) {{ {kernel}(values...); }}"
        launch = f"::cuda_on_cpu::launch({settings}, {call}, {code[arguments + 1 : end]})"
        code = code[:start] + launch + code[end + 1 :]
    return code


def _start_of_kernel(code: str, end: int) -> int:
    """Return the position of the kernel's name before `end`; template arguments may follow the name."""
    position = len(code[:end].rstrip())
    if code[position - 1] == ">":
        depth = 1
        position -= 1
        while depth:
            position -= 1
            depth += {">": 1, "<": -1}.get(code[position], 0)
    while re.match(r"[\w:]", code[position - 1]):
        position -= 1
    return position


def _closing(code: str, opening: int) -> int:
    """Return the position of the parenthesis that closes the one at `opening`."""
    depth = 0
    for position in range(opening, len(code)):
        depth += {"(": 1, ")": -1}.get(code[position], 0)
        if depth == 0:
            return position
    raise ValueError(f"a parenthesis is not closed: {code[opening : opening + 60]}")


def build(
    output: Path, *, sanitize: bool = True, pattern: str = "*", edit: Callable[[str, str], str] | None = None
) -> None:
    """Compile CUDA sources into one library.

    Args:
        output: The library.
        sanitize: Whether to use AddressSanitizer and UndefinedBehaviorSanitizer.
        pattern: Names of the operators' files without `_cuda.cu`, as a shell pattern.
        edit: Function of file name and source that returns the source to compile, to test what the tests detect.

    Raises:
        subprocess.CalledProcessError: If a file cannot be compiled.
    """
    torch = Path(find_spec("torch").submodule_search_locations[0])
    options = [*OPTIONS, *(SANITIZERS if sanitize else []), "-DTORCH_TARGET_VERSION=0x020a000000000000"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path in SOURCES.glob("*"):
            if path.suffix in {".h", ".cu"}:
                code = path.read_text(encoding="utf-8")
                code = edit(path.name, code) if edit else code
                (folder / path.name.replace(".cu", ".cpp")).write_text(translate(code), encoding="utf-8")
        includes = ["-include", "cuda_runtime.h", f"-I{FOLDER / 'include'}", f"-isystem{torch / 'include'}"]
        sources = sorted(folder.glob(f"{pattern}_cuda.cpp"))

        def compile_one(source: Path) -> Path:
            compiled = source.with_suffix(".o")
            subprocess.run(["g++", *options, *includes, "-c", source, "-o", compiled], check=True)
            return compiled

        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            compiled = list(pool.map(compile_one, sources))
        output.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["g++", *options, "-shared", *compiled, f"-L{torch / 'lib'}", "-ltorch_cpu", "-o", output], check=True
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--no-sanitizers", action="store_true")
    arguments = parser.parse_args()
    build(arguments.output, sanitize=not arguments.no_sanitizers)
