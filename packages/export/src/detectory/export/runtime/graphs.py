"""Graphs of exported files, run by onnxruntime, OpenVINO or LiteRT."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from detectory.export.description import KEY, Description
from detectory.export.digest import check_seal, files_of
from detectory.export.runtime.candidates import select_detections
from detectory.export.runtime.litert import LiteRTGraph
from detectory.export.trailer import read_description

RunArrays = Callable[[Sequence[np.ndarray]], list[np.ndarray]]


def open_graph(path: str | os.PathLike[str], threads: int | None = None) -> tuple[RunArrays, Description]:
    """Load the graph of a file.

    Args:
        path: A `.onnx` file, the `.xml` file of an OpenVINO model, or a `.tflite` file.
        threads: Number of threads; by default all cores.

    Returns:
        A function from input arrays to output arrays, and the description.

    Raises:
        FileNotFoundError: If the file does not exist.
        ModuleNotFoundError: If the runtime of the format is not installed.
        ValueError: If the format is not supported, the runtime cannot read the file, or the file was not written by
            `detectory.export` or was changed.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"load: file {path} does not exist")
    suffix = path.suffix
    if suffix not in _OPENERS:
        raise ValueError(f"load: path must end in {', '.join(_OPENERS)}, got {path}")
    try:
        return _OPENERS[suffix](path, threads)
    except (ModuleNotFoundError, ValueError):
        raise
    except Exception as error:  # each runtime raises its own classes
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"load: {path} is damaged or not a model: {reason[:300]}") from error


def _open_onnx(path: Path, threads: int | None) -> tuple[RunArrays, Description]:
    onnxruntime = _imported("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only
    options.intra_op_num_threads = threads or 0
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [entry.name for entry in session.get_inputs()]

    def run(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        return session.run(None, dict(zip(names, arrays, strict=True)))

    return run, _checked(path, session.get_modelmeta().custom_metadata_map.get(KEY))


def _open_openvino(path: Path, threads: int | None) -> tuple[RunArrays, Description]:
    openvino = _imported("openvino")
    core = openvino.Core()
    model = core.read_model(str(path))
    description = _checked(path, model.get_rt_info([KEY]).astype(str) if model.has_rt_info([KEY]) else None)
    settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": _OPENVINO_PRECISIONS.get(description.dtype, "f32")}
    if threads:
        settings["INFERENCE_NUM_THREADS"] = threads
    compiled = core.compile_model(model, "CPU", settings)

    def run(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        results = compiled(list(arrays))
        return [np.array(results[i]) for i in range(len(compiled.outputs))]

    return run, description


def _open_litert(path: Path, threads: int | None) -> tuple[RunArrays, Description]:
    content, description = read_description(path)
    graph = LiteRTGraph(content, threads)

    def run(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        boxes, scores, factors = graph(arrays[0])
        settings = description.levels, description.thresholds, description.clip
        return list(select_detections(boxes, scores, factors, *settings))

    return run, description


def _checked(path: Path, text: str | None) -> Description:
    """Return the description of a file after checking its digest."""
    if not text:
        raise ValueError(f"load: {path} does not contain {KEY}. Was the file written by detectory.export?")
    description = Description.from_json(text, str(path))
    check_seal(files_of(path), description.digest)
    return description


_OPENVINO_PRECISIONS = {"float16": "f16", "bfloat16": "bf16"}
_OPENERS = {".onnx": _open_onnx, ".xml": _open_openvino, ".tflite": _open_litert}


def _imported(name: str) -> Any:
    try:
        return __import__(name)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"load: {name} is not installed: pip install {name}") from error
