"""ONNX models in int8 and float32 on one thread, compared with eager inference, one image of 480×640.

The speed of int8 depends on the processor: instructions such as AVX-512 VNNI multiply int8 four times as fast as
float32. All layers are quantised; the weights are random, so that the results are not compared.
"""

from pathlib import Path

import onnx
import onnxruntime
import pytest
import torch
from bench_mask_rcnn import HEIGHT, WIDTH, random_image
from mask_rcnn_models import randomize

from detectory import zoo
from detectory.core.config import instantiate
from detectory.export import Tolerance, export
from detectory.export.quantization import (
    find_layers,
    measure_ranges,
    measured_tensors,
    quantize,
    replace_deconvolutions,
)

MODELS = {
    "RetinaNet": "COCO-Detection/retinanet_R_50_FPN_1x.py",
    "Mask R-CNN": "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.py",
}
ANY = Tolerance(*[float("inf")] * 6)


def session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module", params=MODELS)
def runs(request, tmp_path_factory):
    """Return the name of the model, and a function for each implementation that runs it on one image."""
    model = randomize(instantiate(zoo.get_config(MODELS[request.param]).model)).eval()
    inputs = [{"image": random_image(1), "height": HEIGHT, "width": WIDTH}]
    path: Path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    export(model, path, inputs, tolerance=ANY)
    float32 = onnx.load(path)
    prepared = replace_deconvolutions(float32)
    layers, images = find_layers(prepared.graph), [random_image(seed).numpy() for seed in (1, 2)]
    ranges = measure_ranges(prepared, measured_tensors(prepared.graph, layers), images)
    sessions = {"detectory": session(quantize(prepared, ranges, layers)), "onnxruntime float32": session(float32)}
    functions = {name: lambda run=one.run: run(None, {"image": images[0]}) for name, one in sessions.items()}
    functions["eager"] = torch.inference_mode()(lambda: model(inputs))
    return request.param, functions


@pytest.mark.parametrize("implementation", ["detectory", "onnxruntime float32", "eager"])
def test_int8(benchmark, runs, implementation):
    name, functions = runs
    torch.set_num_threads(1)
    benchmark.group = f"{name} R-50-FPN, one image, int8"
    benchmark.pedantic(functions[implementation], rounds=3, warmup_rounds=1)
