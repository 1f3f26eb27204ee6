"""Whole models: exported, loaded and compared with the original."""

import numpy as np
import onnx
import pytest
import torch

from detectory.export import ExportDisagreement, Tolerance, export, load, verify
from detectory.structures import Instances

SUFFIXES = ["onnx", "pt2"]
ARCHITECTURES = [
    "faster R-CNN",
    "mask R-CNN",
    "keypoint R-CNN",
    "fast R-CNN",
    "cascade R-CNN",
    "C4",
    "rotated R-CNN",
    "panoptic FPN",
    "semantic FPN",
    "RPN",
    "RetinaNet",
    "FCOS",
    "DETR",
]
SIZES = (160, 224), (256, 200)


@pytest.fixture(scope="module")
def fast_rcnn_file(model, inputs, tmp_path_factory):
    """An exported Fast R-CNN: covers pooling and NMS without recording a proposal generator, which is slow."""
    path = tmp_path_factory.mktemp("onnx") / "fast_rcnn.onnx"
    agreement = export(model("fast R-CNN"), path, inputs("fast R-CNN", *SIZES), resize=(144, 300))
    return path, agreement


def test_exported_file_agrees_with_the_model(fast_rcnn_file):
    _, agreement = fast_rcnn_file
    assert agreement.images == 2
    assert agreement.detections == agreement.matched > 5
    assert agreement.boxes < 0.01
    assert agreement.scores < 1e-4


def test_exported_file_agrees_on_image_sizes_not_used_for_recording(fast_rcnn_file, model, inputs):
    agreement = verify(model("fast R-CNN"), fast_rcnn_file[0], inputs("fast R-CNN", (145, 331)))
    assert agreement.problems(Tolerance()) == []


def test_exported_file_is_standard_onnx_with_named_inputs_and_outputs(fast_rcnn_file):
    proto = onnx.load(fast_rcnn_file[0])
    assert {entry.domain for entry in proto.opset_import} <= {"", "pkg.onnxscript.torch_lib.common"}
    assert [entry.name for entry in proto.graph.input] == ["image", "proposal_boxes"]
    assert [entry.name for entry in proto.graph.output] == ["pred_boxes", "scores", "pred_classes"]


def test_error_names_a_missing_input(fast_rcnn_file, inputs):
    (item,) = inputs("fast R-CNN", (160, 224))
    del item["proposals"]
    with pytest.raises(ValueError, match="GeneralizedRCNN needs 'proposals'"):
        load(fast_rcnn_file[0]).model([item])


@pytest.fixture(scope="module", params=SUFFIXES)
def semantic_file(request, model, inputs, tmp_path_factory):
    path = tmp_path_factory.mktemp("semantic") / f"model.{request.param}"
    export(model("semantic FPN"), path, inputs("semantic FPN", *SIZES), resize=(144, 300))
    return path


def test_loaded_file_predicts_at_the_resolution_of_the_image(semantic_file):
    image = np.random.default_rng(0).integers(0, 255, (100, 130, 3), dtype=np.uint8)
    assert load(semantic_file)(image)["sem_seg"].shape == (4, 100, 130)


def test_loaded_file_replaces_the_model(semantic_file, model, inputs):
    agreement = verify(model("semantic FPN"), load(semantic_file).model, inputs("semantic FPN", (150, 190)))
    assert agreement.labels < 0.001


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_file_is_not_written_on_disagreement(suffix, model, inputs, tmp_path):
    path = tmp_path / f"model.{suffix}"
    arguments = model("semantic FPN"), path, inputs("semantic FPN", *SIZES)
    with pytest.raises(ExportDisagreement, match=r"labels: .*, allowed -1 \(image \d\)\); nothing was written"):
        export(*arguments, tolerance=Tolerance(labels=-1))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda model, items: (model.train(), items), ValueError, "is in training mode, call eval"),
        (lambda model, items: (model, []), ValueError, "at least one image, got none"),
        (lambda model, items: (model.backbone, items), TypeError, r"model must be one of .*, got FPN"),
        (lambda model, items: (model, [{"height": 3}]), ValueError, r"needs 'image', got \['height'\]"),
        (lambda model, items: (model, [{"image": torch.zeros(3, 64, 200)}]), ValueError, "at least 129 pixels"),
    ],
    ids=["training", "no input", "not a model", "no image", "small image"],
)
def test_rejects(suffix, change, error, message, model, inputs, tmp_path):
    original, items = change(model("semantic FPN"), inputs("semantic FPN", (160, 224)))
    with pytest.raises(error, match=message):
        export(original, tmp_path / f"model.{suffix}", items)


def test_load_rejects_missing_and_unsupported_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"load: file .*nothing.onnx does not exist"):
        load(tmp_path / "nothing.onnx")
    (tmp_path / "model.txt").write_text("x")
    with pytest.raises(ValueError, match=r"model.txt is not an exported model, or truncated"):
        load(tmp_path / "model.txt")


def test_load_rejects_onnx_files_of_other_exporters(tmp_path):
    x, y = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "xy")
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "copy", [x], [y])
    opsets = [onnx.helper.make_opsetid("", 18)]
    onnx.save(onnx.helper.make_model(graph, ir_version=10, opset_imports=opsets), tmp_path / "foreign.onnx")
    with pytest.raises(ValueError, match=r"foreign.onnx does not contain detectory.json"):
        load(tmp_path / "foreign.onnx")


@pytest.mark.slow
@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_exports(architecture, suffix, model, inputs, tmp_path):
    path = tmp_path / f"model.{suffix}"
    original = model(architecture)
    export(original, path, inputs(architecture, *SIZES), resize=(160, 300))
    other = inputs(architecture, (145, 331))
    assert verify(original, path, other).problems(Tolerance()) == []
    (outputs,) = load(path).model(other)
    types = {key: type(value) for key, value in outputs.items()}
    assert set(types) & {"instances", "proposals", "sem_seg"}
    assert types.get("instances", Instances) is Instances
