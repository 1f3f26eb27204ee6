"""Test utilities used by Detectron2's own tests and by projects."""

import importlib.util
import io
import os
import tempfile
import unittest
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from detectory.compat.detectron2 import model_zoo
from detectory.compat.detectron2.config import CfgNode, LazyConfig, instantiate
from detectory.compat.detectron2.utils.file_io import PathManager
from detectory.core.config import locate
from detectory.data import DatasetCatalog
from detectory.data.images import read_image
from detectory.structures import Boxes, Instances, ROIMasks

__all__ = [
    "SLOW_PUBLIC_CPU_TEST",
    "assert_instances_allclose",
    "convert_scripted_instances",
    "get_model_no_weights",
    "get_sample_coco_image",
    "has_dynamic_axes",
    "is_onnx_installed",
    "random_boxes",
    "register_custom_op_onnx_export",
    "reload_lazy_config",
    "reload_script_model",
    "skipIfOnCPUCI",
    "skipIfUnsupportedMinOpsetVersion",
    "skipIfUnsupportedMinTorchVersion",
    "unregister_custom_op_onnx_export",
]


def get_model_no_weights(config_path: str) -> nn.Module:
    """Build a model of the zoo with random weights, on the CPU if a GPU is unavailable."""
    config = model_zoo.get_config(config_path)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if not isinstance(config, CfgNode):
        return instantiate(config.model).to(device)
    from detectory.compat.detectron2.modeling import build_model

    config.MODEL.DEVICE = device
    return build_model(config)


def random_boxes(num_boxes: int, max_coord: int = 100, device: str = "cpu") -> Tensor:
    """Return random boxes `(num_boxes, 4)` in `[0, max_coord]`, at least one pixel wide and high."""
    boxes = torch.rand(num_boxes, 4, device=device) * (max_coord * 0.5)
    boxes.clamp_(min=1.0)  # the last two columns are sizes
    boxes[:, 2:] += boxes[:, :2]
    return boxes


def get_sample_coco_image(tensor: bool = True) -> Any:
    """Return a COCO image: the first of `coco_2017_val_100` or `coco_2017_val` if present, else a downloaded one.

    Args:
        tensor: Return a `(3, H, W)` uint8 tensor instead of an `(H, W, 3)` array; both are BGR.
    """
    path = None
    for name in ("coco_2017_val_100", "coco_2017_val"):
        if path is None and name in DatasetCatalog:
            try:
                path = DatasetCatalog.get(name)[0]["file_name"]
            except OSError:
                continue
        if path is not None and not os.path.isfile(path):
            path = None
    if path is None:
        path = PathManager.get_local_path("http://images.cocodataset.org/val2017/000000439715.jpg")
    image = read_image(path, format="BGR")
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))) if tensor else image


def convert_scripted_instances(instances: Any) -> Instances:
    """Convert a scripted object with fields in attributes `_<name>` to `Instances`."""
    if isinstance(instances, Instances):
        return instances
    converted = Instances(instances.image_size)
    for name in instances._field_names:
        value = getattr(instances, "_" + name, None)
        if value is not None:
            converted.set(name, value)
    return converted


def assert_instances_allclose(
    input: Any, other: Any, *, rtol: float = 1e-5, msg: str = "", size_as_tensor: bool = False
) -> None:
    """Assert that two `Instances` have the same image size and close fields.

    Args:
        input: The first instances.
        other: The second instances.
        rtol: Tolerance of floating-point values, relative to the maximum of a field.
        msg: Prefix of the error message.
        size_as_tensor: Compare image sizes by value even if one is a tensor.

    Raises:
        AssertionError: If they differ; the message names the field.
    """
    first, second = convert_scripted_instances(input), convert_scripted_instances(other)
    begin = f"{msg}: " if msg else ""
    if size_as_tensor:
        same = np.array_equal(np.asarray(first.image_size), np.asarray(second.image_size))
    else:
        same = first.image_size == second.image_size
    if not same:
        raise AssertionError(f"{begin}image sizes differ: {first.image_size} and {second.image_size}")
    fields = sorted(first.get_fields())
    if fields != sorted(second.get_fields()):
        raise AssertionError(f"{begin}fields differ: {fields} and {sorted(second.get_fields())}")
    for name in fields:
        a, b = _comparable(first.get(name)), _comparable(second.get(name))
        if not _close(a, b, rtol):
            raise AssertionError(f"{begin}field '{name}' differs: {a} and {b}")


def _comparable(value: Any) -> Any:
    return value.tensor if isinstance(value, Boxes | ROIMasks) else value


def _close(a: Any, b: Any, rtol: float) -> bool:
    if not isinstance(a, Tensor):
        raise TypeError(f"assert_instances_allclose: unsupported field type {type(a).__name__}")
    if a.shape != b.shape:
        return False
    if not a.is_floating_point():
        return bool((a == b).all())
    largest = max(float(b.abs().max()), 1e-12) if b.numel() else 1.0
    return bool((a - b).abs().max() <= rtol * largest) if a.numel() else True


def reload_script_model(module: torch.jit.ScriptModule) -> torch.jit.ScriptModule:
    """Save and reload a scripted module."""
    buffer = io.BytesIO()
    torch.jit.save(module, buffer)
    buffer.seek(0)
    return torch.jit.load(buffer)


def reload_lazy_config(cfg: Any) -> Any:
    """Save a lazy config as YAML and reload it."""
    with tempfile.TemporaryDirectory(prefix="lazy_config") as folder:
        path = os.path.join(folder, "config.yaml")
        LazyConfig.save(cfg, path)
        return LazyConfig.load(path)


def has_dynamic_axes(onnx_model: Any) -> bool:
    """Return whether every output of an ONNX model has a dynamic dimension."""
    outputs = onnx_model.graph.output
    return all(any(not axis.dim_value > 0 for axis in output.type.tensor_type.shape.dim) for output in outputs)


def register_custom_op_onnx_export(
    opname: str, symbolic_fn: Callable[..., Any], opset_version: int, min_version: str
) -> None:
    """Register an ONNX symbolic function with torch's TorchScript exporter, if torch is older than `min_version`.

    Args:
        opname: Name such as `"::unsqueeze"`.
        symbolic_fn: The symbolic function.
        opset_version: ONNX opset version.
        min_version: First torch version that exports the operator itself; `"0"` if none does.
    """
    if _needs_registration(min_version):
        torch.onnx.register_custom_op_symbolic(opname, symbolic_fn, opset_version)


def unregister_custom_op_onnx_export(opname: str, opset_version: int, min_version: str) -> None:
    """Undo `register_custom_op_onnx_export`."""
    if _needs_registration(min_version):
        torch.onnx.unregister_custom_op_symbolic(opname, opset_version)


def _needs_registration(min_version: str) -> bool:
    from detectory.compat.detectron2.utils.torch_version_utils import min_torch_version

    return min_version == "0" or not min_torch_version(min_version)


skipIfOnCPUCI = unittest.skipIf(
    os.environ.get("CI") is not None and not torch.cuda.is_available(),
    "too slow on a CI machine without a GPU",
)


SLOW_PUBLIC_CPU_TEST = skipIfOnCPUCI


def is_onnx_installed() -> bool:
    """Return whether `onnx` is installed."""
    return importlib.util.find_spec("onnx") is not None


def skipIfUnsupportedMinOpsetVersion(min_opset_version: int, current_opset_version: int | None = None) -> Any:
    """Return a decorator that skips a test if the ONNX opset is too old."""
    current = (
        locate("detectory.export.STABLE_ONNX_OPSET_VERSION") if current_opset_version is None else current_opset_version
    )
    return unittest.skipIf(current < min_opset_version, f"needs ONNX opset {min_opset_version}, {current} is used")


def skipIfUnsupportedMinTorchVersion(min_version: str) -> Any:
    """Return a decorator that skips a test if torch is too old."""
    from detectory.compat.detectron2.utils.torch_version_utils import min_torch_version

    return unittest.skipIf(not min_torch_version(min_version), f"needs torch {min_version}")


def _pytorch1111_symbolic_opset9_to(g: Any, self: Any, *args: Any) -> Any:
    """Export `aten::to` with torch's current symbolic function."""
    return locate("torch.onnx.symbolic_opset9.to")(g, self, *args)


def _pytorch1111_symbolic_opset9_repeat_interleave(g: Any, self: Any, repeats: Any, dim: Any = None, *args: Any) -> Any:
    """Export `aten::repeat_interleave` with torch's current symbolic function."""
    return locate("torch.onnx.symbolic_opset9.repeat_interleave")(g, self, repeats, dim, *args)
