"""Graphs of exported files, run by onnxruntime or OpenVINO."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from detectory.export.description import KEY, Description
from detectory.export.digest import check_seal, files_of

RunArrays = Callable[[Sequence[np.ndarray]], list[np.ndarray]]


def open_graph(path: str | os.PathLike[str], threads: int | None = None) -> tuple[RunArrays, Description]:
    """Load the graph of a file.

    Args:
        path: A `.onnx` file, or the `.xml` file of an OpenVINO model.
        threads: Number of threads; by default all cores.

    Returns:
        A function from input arrays to output arrays, and the description.

    Raises:
        FileNotFoundError: If the file does not exist.
        ModuleNotFoundError: If the runtime of the format is not installed.
        ValueError: If the format is not supported, the runtime cannot read the file, or the file was not written by
            `detectory.export` or was changed.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"load: file {path} does not exist")
    suffix = Path(path).suffix
    if suffix not in _OPENERS:
        raise ValueError(f"load: path must end in {' or '.join(_OPENERS)}, got {path}")
    try:
        run_graph, text = _OPENERS[suffix](os.fspath(path), threads)
    except ModuleNotFoundError:
        raise
    except Exception as error:  # each runtime raises its own classes
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"load: {path} is damaged or not a model: {reason[:300]}") from error
    if not text:
        raise ValueError(f"load: {path} does not contain {KEY}. Was the file written by detectory.export?")
    description = Description.from_json(text, os.fspath(path))
    check_seal(files_of(Path(path)), description.digest)
    return run_graph, description


def _open_onnx(path: str, threads: int | None) -> tuple[RunArrays, str | None]:
    onnxruntime = _imported("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only
    options.intra_op_num_threads = threads or 0
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [entry.name for entry in session.get_inputs()]

    def run(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        return session.run(None, dict(zip(names, arrays, strict=True)))

    return run, session.get_modelmeta().custom_metadata_map.get(KEY)


def _open_openvino(path: str, threads: int | None) -> tuple[RunArrays, str | None]:
    openvino = _imported("openvino")
    core = openvino.Core()
    model = core.read_model(path)
    text = model.get_rt_info([KEY]).astype(str) if model.has_rt_info([KEY]) else None
    dtype = Description.from_json(text, path).dtype if text else "float32"
    settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": _OPENVINO_PRECISIONS.get(dtype, "f32")}
    if threads:
        settings["INFERENCE_NUM_THREADS"] = threads
    compiled = core.compile_model(model, "CPU", settings)

    def run(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        results = compiled(list(arrays))
        return [np.array(results[i]) for i in range(len(compiled.outputs))]

    return run, text


_OPENVINO_PRECISIONS = {"float16": "f16", "bfloat16": "bf16"}
_OPENERS = {".onnx": _open_onnx, ".xml": _open_openvino}


def _imported(name: str) -> Any:
    try:
        return __import__(name)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"load: {name} is not installed: pip install {name}") from error
