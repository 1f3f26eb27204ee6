"""Latency, memory, size and accuracy of a model in several backends, for `detectory benchmark --formats`.

Each backend is exported in one process and measured in another, so that the peak memory is that of inference.
"""

import multiprocessing
import resource
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from detectory.cli.exported.exporting import sample_image
from detectory.cli.lookup.models import LoadedModel, load_model
from detectory.data.transforms import Resize
from detectory.engine import Predictor
from detectory.export import FORMATS, Tolerance, export, load
from detectory.export.comparison import compare_outputs
from detectory.export.exporting import resize_limits
from detectory.modeling.fast_inference import optimize_for_inference
from detectory.structures import ModelInput

MODULES = ("eager", "optimized", "compile")
"""Backends that run the model's code. The others are export formats."""

BEST = ("eager", "optimized", "onnx", "openvino", "torchscript", "aoti")
"""Backends that `--formats best` compares."""


@dataclass(frozen=True)
class Measurement:
    """What to measure.

    Args:
        model: A run folder, a zoo name, or a recipe or Detectron2 YAML file.
        overrides: `KEY=VALUE` arguments.
        weights: A checkpoint, None for the run's best one or the published weights, `""` for random weights.
        size: Height and width of the input, pixels.
        iterations: Number of timed images.
        warmup: Number of untimed images before them.
        threads: Number of threads.
        image: The image file.
    """

    model: str
    overrides: tuple[str, ...]
    weights: str | None
    size: tuple[int, int]
    iterations: int
    warmup: int
    threads: int
    image: str = ""


def measure_backends(backends: Sequence[str], measurement: Measurement, folder: Path) -> list[dict[str, Any]]:
    """Measure backends in sequence and return one row per backend.

    A row contains `latency_ms_p50`, `latency_ms_p95`, `images_per_second`, `peak_memory_mib`, `file_mib`, the largest
    differences from eager inference, and `agrees`; or `error`.

    Args:
        backends: `"eager"`, `"optimized"`, `"compile"` or formats, each with a type after a colon unless it is float32.
        measurement: What to measure.
        folder: Folder for the exported files; they are named after the backends.
    """
    measurement = replace(measurement, image=measurement.image or sample_image())
    reference = folder / "eager.pt"
    _in_process(_reference, measurement, reference)
    rows = []
    for backend in backends:
        row: dict[str, Any] = {"backend": backend}
        try:
            path = None
            if backend.partition(":")[0] not in MODULES:
                path = folder / backend.replace(":", "-") / f"model{FORMATS[backend.partition(':')[0]].suffix}"
                path.parent.mkdir()
                _in_process(_export, backend, measurement, path)
            row |= _in_process(_measure, backend, measurement, path, reference)
        except Exception as error:  # noqa: BLE001 - one failing backend does not end the others
            row["error"] = " ".join(str(error).split())
        rows.append(row)
    return rows


def _in_process(function: Any, *arguments: Any) -> Any:
    """Call a function in a new process and return its result."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, *arguments).result()


def _loaded(measurement: Measurement) -> LoadedModel:
    torch.set_num_threads(measurement.threads)
    torch.manual_seed(0)  # the same random weights in every process
    return load_model(measurement.model, measurement.overrides, weights=measurement.weights, device="cpu")


def _input(loaded: LoadedModel, measurement: Measurement) -> ModelInput:
    return Predictor(loaded.model, Resize(measurement.size)).prepare(measurement.image)


def _reference(measurement: Measurement, path: Path) -> None:
    """Save the input and the outputs of eager inference."""
    loaded = _loaded(measurement)
    item = _input(loaded, measurement)
    with torch.inference_mode():
        torch.save((item, loaded.model([item])[0]), path)


def _export(backend: str, measurement: Measurement, path: Path) -> None:
    name, _, dtype = backend.partition(":")
    loaded = _loaded(measurement)
    everything = Tolerance(*[float("inf")] * 6)
    export(
        loaded.model,
        path,
        [_input(loaded, measurement)],
        format=name,
        dtype=dtype or "float32",
        resize=resize_limits(Predictor(loaded.model, loaded.resize)),
        classes=loaded.classes,
        tolerance=everything,
    )


def _measure(backend: str, measurement: Measurement, path: Path | None, reference: Path) -> dict[str, Any]:
    torch.set_num_threads(measurement.threads)
    name, _, dtype = backend.partition(":")
    item, expected = torch.load(reference, weights_only=False)
    if path is not None:
        model = load(path).model
    else:
        model = _loaded(measurement).model.to(memory_format=torch.channels_last)  # as in a Predictor
        if name != "eager":
            optimize_for_inference(model, getattr(torch, dtype or "float32"), compile=name == "compile")
    seconds = []
    with torch.inference_mode():
        for _ in range(measurement.warmup + measurement.iterations):
            start = time.perf_counter()
            outputs = model([item])
            seconds.append(time.perf_counter() - start)
    ordered = sorted(seconds[measurement.warmup :])
    agreement = compare_outputs([expected], outputs, [Path(measurement.image).name])
    scale = 2**20 if sys.platform == "darwin" else 2**10  # ru_maxrss is in bytes on macOS
    return {
        "latency_ms_p50": 1000 * ordered[len(ordered) // 2],
        "latency_ms_p95": 1000 * ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))],
        "images_per_second": len(ordered) / sum(ordered),
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale,
        "file_mib": 0.0 if path is None else sum(file.stat().st_size for file in path.parent.iterdir()) / 2**20,
        "detections": agreement.exported_detections,
        "box_difference": agreement.boxes,
        "score_difference": agreement.scores,
        "unmatched": agreement.unmatched,
        "agrees": not agreement.problems(Tolerance.for_dtype(dtype or "float32")),
    }


def fastest(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the row with the lowest median latency among those that agree with eager inference.

    Raises:
        ValueError: If no backend agrees.
    """
    candidates = [row for row in rows if row.get("agrees")]
    if not candidates:
        raise ValueError("no backend agrees with eager inference")
    return min(candidates, key=lambda row: row["latency_ms_p50"])


def format_table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the rows as a table."""
    header = ["backend", "p50 ms", "p95 ms", "images/s", "memory MiB", "file MiB", "box diff px", "score diff"]
    lines = [header]
    for row in rows:
        if "error" in row:
            lines.append([row["backend"], row["error"]])
            continue
        numbers = ("latency_ms_p50", "latency_ms_p95", "images_per_second", "peak_memory_mib", "file_mib")
        cells = [row["backend"], *(f"{row[name]:.4g}" for name in numbers)]
        cells += [f"{row['box_difference']:.1e}", f"{row['score_difference']:.1e}"]
        lines.append(cells if row["agrees"] else [*cells, "differs from eager"])
    whole = [line for line in lines if len(line) >= len(header)]
    widths = [max(len(line[column]) for line in whole) for column in range(len(header))]
    widths[0] = max(len(line[0]) for line in lines)
    return "\n".join(
        "  ".join(
            [
                line[0].ljust(widths[0]),
                *(
                    cell.rjust(width) if len(line) >= len(header) else cell
                    for cell, width in zip(line[1:], [*widths[1:], 0], strict=False)
                ),
            ]
        ).rstrip()
        for line in lines
    )
