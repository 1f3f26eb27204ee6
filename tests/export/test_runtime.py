"""The runtime module: exported files run without torch, with the results of the original model."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from detectory import export
from detectory.data.classes import ClassList
from detectory.data.transforms import ResizeShortestEdge
from detectory.engine.inference.predictor import Predictor
from detectory.export import runtime
from detectory.export.runtime.__main__ import main

RESIZE = (192, 300)
CLASSES = ClassList(("cat", "dog", "cow", "pen", "mug"), (7, 9, 11, 21, 40))

#: Python code that fails on `import torch` and on other Detectory packages, then runs the command of the module.
WITHOUT_TORCH = """
import importlib.abc, sys
class Blocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        top = ".".join(name.split(".")[:2])
        if name.split(".")[0] in ("torch", "onnx") or (top.startswith("detectory.") and top != "detectory.export"):
            raise ImportError(name + " is blocked")
sys.meta_path.insert(0, Blocked())
from detectory.export.runtime.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def photo(tmp_path_factory) -> Path:
    pixels = np.random.default_rng(0).integers(0, 255, (30, 40, 3), dtype=np.uint8)
    path = tmp_path_factory.mktemp("images") / "photo.png"
    Image.fromarray(pixels).resize((320, 240), Image.Resampling.BICUBIC).save(path)
    return path


def export_file(name, model, inputs, folder) -> tuple[torch.nn.Module, Path]:
    original, path = model(name), folder / "model.onnx"
    export.export(original, path, inputs(name, (192, 256)), resize=RESIZE, classes=CLASSES)
    return original, path


@pytest.fixture(scope="module")
def semantic_file(model, inputs, tmp_path_factory) -> Path:
    return export_file("semantic FPN", model, inputs, tmp_path_factory.mktemp("runtime"))[1]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["FCOS", "mask R-CNN", "keypoint R-CNN", "panoptic FPN"])
def test_results_equal_those_of_the_predictor(name, model, inputs, photo, tmp_path):
    original, path = export_file(name, model, inputs, tmp_path)
    predictor = Predictor(original, ResizeShortestEdge(*RESIZE), channels_last=False, classes=CLASSES)
    expected, result = predictor(str(photo)), runtime.load(path).predict(photo)
    instances = expected["instances"].to("cpu")
    assert len(result) == len(instances) > 3
    np.testing.assert_allclose(result.boxes, instances.pred_boxes.tensor.numpy(), atol=0.02)
    np.testing.assert_allclose(result.scores, instances.scores.numpy(), atol=1e-4)
    assert result.class_names == instances.pred_class_names
    assert result.category_ids == [CLASSES.ids[label] for label in result.classes]
    if result.masks is not None:
        masks = np.stack([runtime.decode_rle(rle) for rle in result.masks])
        assert (masks != instances.pred_masks.numpy()).mean() < 1e-4
    if result.keypoints is not None:
        distance = np.linalg.norm(result.keypoints - instances.pred_keypoints.numpy(), axis=2)
        assert np.quantile(distance, 0.9) < 1
    if result.panoptic is not None:
        ids, segments = expected["panoptic_seg"]
        assert (result.panoptic != ids.numpy()).mean() < 0.001
        assert [segment["category_id"] for segment in result.segments] == [s["category_id"] for s in segments]


def test_semantic_labels_equal_those_of_the_predictor(semantic_file, model, photo):
    predictor = Predictor(model("semantic FPN"), ResizeShortestEdge(*RESIZE), channels_last=False)
    expected = predictor(str(photo))["sem_seg"].argmax(dim=0).numpy()
    result = runtime.load(semantic_file).predict(photo)
    assert len(result) == 0
    assert (result.sem_seg != expected).mean() < 1e-4


@pytest.mark.slow
def test_openvino_files_have_the_same_results(semantic_file, model, inputs, photo, tmp_path):
    pytest.importorskip("openvino")
    path = tmp_path / "model.xml"
    export.export(model("semantic FPN"), path, inputs("semantic FPN", (192, 256)), resize=RESIZE)
    expected = runtime.load(semantic_file).predict(photo).sem_seg
    assert (runtime.load(path, threads=1).predict(photo).sem_seg != expected).mean() < 0.001


def test_images_can_be_bytes_arrays_and_pillow_images(semantic_file, photo):
    model = runtime.load(semantic_file, threads=1)
    expected = model.predict(photo).sem_seg
    with Image.open(photo) as image:
        for source in (photo.read_bytes(), np.asarray(image), image, str(photo)):
            assert (model.predict(source).sem_seg == expected).all()


def test_command_runs_without_torch(semantic_file, photo):
    command = [sys.executable, "-c", WITHOUT_TORCH, str(semantic_file), str(photo)]
    process = subprocess.run(command, capture_output=True, text=True, env=os.environ)
    assert process.returncode == 0, process.stderr
    result = json.loads(process.stdout)
    assert (result["height"], result["width"]) == (240, 320)
    assert sum(result["sem_seg_pixels"].values()) == 240 * 320


def test_command_reports_unreadable_images_and_continues(semantic_file, photo, tmp_path, capsys):
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    assert main([str(semantic_file), str(tmp_path / "broken.jpg"), str(photo)]) == 1
    output = capsys.readouterr()
    assert "broken.jpg: not an image format that Pillow supports" in output.err
    assert json.loads(output.out)["image"] == str(photo)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.onnx", None, "load: file .*missing.onnx does not exist"),
        ("model.pt2", b"", "load: path must end in .onnx, .xml, .tflite, got .*model.pt2"),
        ("truncated.onnx", b"broken", "load: .*truncated.onnx is damaged or not a model"),
    ],
)
def test_command_rejects_files_in_one_line(name, content, message, photo, tmp_path, capsys):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert main([str(tmp_path / name), str(photo)]) == 1
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    with pytest.raises(ValueError, match=message):
        raise ValueError(error)


def description(**changes) -> runtime.Description:
    entries = {
        "architecture": "GeneralizedRCNN",
        "input_names": ("image",),
        "output_names": ("pred_boxes", "scores", "pred_classes", "pred_masks"),
        "input_format": "BGR",
        "pixel_mean": (10.0, 20.0, 30.0),
        "pixel_std": (1.0, 1.0, 1.0),
        "shortest_side": 50,
        "longest_side": 100,
        "smallest_side": 40,
        "classes": CLASSES.state_dict(),
    }
    return runtime.Description(**entries | changes)


def test_detections_are_scaled_to_the_image_and_named():
    def run_graph(arrays):
        assert arrays[0].shape == (3, 50, 80)
        boxes = np.array([[10, 10, 30, 40], [5, 5, 5, 9], [60, 20, 90, 40]], np.float32)
        return [boxes, np.array([0.9, 0.8, 0.3], np.float32), np.array([1, 0, 4]), np.ones((3, 1, 28, 28), np.float32)]

    result = runtime.Model(run_graph, description()).predict(np.zeros((100, 160, 3), np.uint8), threshold=0.2)
    assert result.boxes.tolist() == [[20, 20, 60, 80], [120, 40, 160, 80]]
    assert (result.class_names, result.category_ids) == (["dog", "mug"], [9, 40])
    assert [int(runtime.decode_rle(rle).sum()) for rle in result.masks] == [40 * 60, 40 * 40]
    first = result.to_json()["detections"][0]
    assert first["name"] == "dog"
    assert first["box"] == [20, 20, 60, 80]


def test_images_are_padded_for_graphs_of_a_fixed_size_and_batch():
    def run_graph(arrays):
        assert arrays[0].shape == (2, 3, 60, 80)
        assert arrays[0][0, :, 50, 0].tolist() == [10, 20, 30]
        return [np.array([[0, 0, 40, 20], [0, 0, 8, 8]], np.float32), np.array([0.9, 0.8]), np.array([0, 1])]

    settings = description(height=60, width=80, batch=2, output_names=("pred_boxes", "scores", "image_index"))
    result = runtime.Model(run_graph, settings).predict(np.zeros((100, 160, 3), np.uint8))
    assert result.boxes.tolist() == [[0, 0, 80, 40]]


def test_short_images_are_rejected():
    model = runtime.Model(lambda _: [], description())
    with pytest.raises(ValueError, match="must have sides of at least 40 pixels, got 10x100"):
        model.predict(np.zeros((20, 200, 3), np.uint8))


def test_models_without_proposal_generator_are_rejected():
    model = runtime.Model(lambda _: [], description(input_names=("image", "proposal_boxes")))
    with pytest.raises(ValueError, match="GeneralizedRCNN needs proposals"):
        model.predict(np.zeros((100, 100, 3), np.uint8))


def test_names_of_the_package_are_imported_at_first_use():
    assert all(hasattr(export, name) for name in export.__all__)
    assert dir(export) == sorted(export.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'missing'"):
        _ = export.missing
