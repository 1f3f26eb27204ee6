"""Formats: files, settings and damaged files."""

import hashlib
import json
import zipfile

import numpy as np
import pytest
import torch

from detectory.data.classes import ClassList
from detectory.export import FORMATS, Tolerance, export, load, verify
from detectory.export.description import KEY, UNSEALED
from detectory.export.formats import detect_format, get_format

SIZES = (160, 224), (256, 200)


@pytest.fixture(scope="module")
def semantic_file(model, inputs, tmp_path_factory):
    path = tmp_path_factory.mktemp("torchscript") / "model.ts"
    classes = ClassList(("mug", "péń"), (7, 9))
    export(model("semantic FPN"), path, inputs("semantic FPN", *SIZES), resize=(144, 300), classes=classes)
    return path


def test_file_contains_classes_resizing_and_normalization(semantic_file):
    predictor = load(semantic_file)
    assert predictor.classes == ClassList(("mug", "péń"), (7, 9))
    assert (predictor.resize.short_edge_length, predictor.resize.max_size) == ((144, 144), 300)
    assert predictor.model.description.pixel_mean == pytest.approx((103.5, 116.3, 123.7))


def test_format_is_recognized_without_the_suffix(semantic_file, tmp_path):
    renamed = tmp_path / "model.bin"
    renamed.write_bytes(semantic_file.read_bytes())
    assert detect_format(renamed) is FORMATS["torchscript"]
    assert load(renamed)(np.zeros((50, 60, 3), np.uint8))["sem_seg"].shape == (4, 50, 60)


def test_rejects_a_truncated_file(semantic_file, tmp_path):
    truncated = tmp_path / "model.ts"
    truncated.write_bytes(semantic_file.read_bytes()[:-1000])
    with pytest.raises(ValueError, match=r"model.ts is not an exported model, or truncated"):
        load(truncated)


def test_rejects_a_changed_file(semantic_file, tmp_path):
    changed = tmp_path / "model.ts"
    content = bytearray(semantic_file.read_bytes())
    with zipfile.ZipFile(semantic_file) as archive:
        weights = max(archive.infolist(), key=lambda entry: entry.file_size)
    content[weights.header_offset + weights.file_size // 2] ^= 1
    changed.write_bytes(content)
    with pytest.raises(ValueError, match=r"model.ts is damaged: Bad CRC-32"):
        load(changed)


def test_rejects_a_changed_description(semantic_file, tmp_path):
    changed = tmp_path / "model.ts"
    with zipfile.ZipFile(semantic_file) as source, zipfile.ZipFile(changed, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            target.writestr(name, content.replace(b"mug", b"cup") if name.endswith(KEY) else content)
    with pytest.raises(ValueError, match=r"model.ts was changed after the export"):
        load(changed)


def _rewritten(source, path, change):
    """Write an archive whose description has other fields, with the digest that its exporter would have stored."""
    with zipfile.ZipFile(source) as archive:
        (entry,) = (name for name in archive.namelist() if name.endswith(KEY))
        fields = json.loads(archive.read(entry))
        others = {name: archive.read(name) for name in archive.namelist() if name != entry}
    change(fields)
    text = json.dumps(fields | {"digest": UNSEALED})
    digest = hashlib.sha256(text.encode())
    for name in sorted(others):
        digest.update(name.encode() + others[name])
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in others.items():
            archive.writestr(name, content)
        archive.writestr(entry, text.replace(UNSEALED, digest.hexdigest()))


def test_loads_files_without_later_fields_of_the_description(semantic_file, tmp_path):
    _rewritten(semantic_file, tmp_path / "older.ts", lambda fields: fields.pop("clip_before_nms"))
    assert load(tmp_path / "older.ts").model.description.clip_before_nms is False


def test_rejects_unknown_fields_of_the_description(semantic_file, tmp_path):
    _rewritten(semantic_file, tmp_path / "newer.ts", lambda fields: fields.update(tiles=4))
    with pytest.raises(ValueError, match=rf"newer.ts: the fields of the description {KEY} are not supported"):
        load(tmp_path / "newer.ts")


def test_rejects_a_foreign_torchscript_file(tmp_path):
    torch.jit.save(torch.jit.script(torch.nn.Identity()), tmp_path / "model.ts")
    with pytest.raises(ValueError, match=rf"model.ts does not contain {KEY}"):
        load(tmp_path / "model.ts")


def test_fixed_size_accepts_images_of_any_size(model, inputs, tmp_path):
    path = tmp_path / "model.ts"
    agreement = export(model("semantic FPN"), path, inputs("semantic FPN", *SIZES), height=160, width=192)
    assert agreement.labels < 0.001
    assert load(path)(np.zeros((300, 90, 3), np.uint8))["sem_seg"].shape == (4, 300, 90)
    with pytest.raises(ValueError, match="images must fit into 160x192 pixels, got 256x200"):
        load(path).model(inputs("semantic FPN", (256, 200)))


def test_batch_returns_the_outputs_of_single_images(model, inputs, tmp_path):
    path = tmp_path / "model.ts"
    original, items = model("faster R-CNN"), inputs("faster R-CNN", *[(160, 224)] * 4, (192, 160))
    export(original, path, items[:3], batch=3)
    agreement = verify(original, path, items)
    assert agreement.problems(Tolerance()) == []
    assert agreement.detections > 20


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_halves_the_file(dtype, semantic_file, model, inputs, tmp_path):
    path = tmp_path / "model.ts"
    agreement = export(model("semantic FPN"), path, inputs("semantic FPN", *SIZES), dtype=dtype)
    assert agreement.labels < 0.05
    assert path.stat().st_size < 0.6 * semantic_file.stat().st_size


@pytest.mark.parametrize(
    ("name", "path", "message"),
    [
        ("onxx", "model.onnx", r"format must be one of .*, got 'onxx'.*'onnx'"),
        ("onnx", "model.pt2", r"path must end in .onnx for format onnx, got model.pt2"),
        (None, "model.pt", r"path must end in one of .*\.xml.*, got model.pt"),
    ],
    ids=["unknown format", "wrong suffix", "unknown suffix"],
)
def test_rejects_names(name, path, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        get_format(name, tmp_path.relative_to(tmp_path) / path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"height": 160}, "height and width must both be positive or both 0"),
        ({"dtype": "float64"}, "dtype must be one of float32, .*, got 'float64'"),
        ({"batch": 0}, "TorchScript files need a fixed batch size"),
        ({"dtype": "int8"}, "TorchScript files cannot have dtype int8, only float32"),
    ],
    ids=["height only", "dtype", "dynamic batch", "int8"],
)
def test_rejects_settings(options, message, model, inputs, tmp_path):
    with pytest.raises(ValueError, match=message):
        export(model("semantic FPN"), tmp_path / "model.ts", inputs("semantic FPN", (160, 224)), **options)


def test_missing_library_names_the_install_command(monkeypatch):
    monkeypatch.setattr(FORMATS["openvino"].__class__, "modules", ("no_such_module",))
    with pytest.raises(
        ImportError, match=r"OpenVINO files need no_such_module: pip install 'detectory-export\[openvino\]'"
    ):
        FORMATS["openvino"].require()


@pytest.mark.parametrize("content", [b"", b"not a model", b"PK\x03\x04"], ids=["empty", "text", "archive"])
def test_rejects_foreign_content(content, tmp_path):
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(ValueError, match="is not an exported model, or truncated"):
        load(tmp_path / "model.onnx")


def test_changed_openvino_weights_are_rejected(model, inputs, tmp_path):
    pytest.importorskip("openvino")
    path = tmp_path / "model.xml"
    export(model("semantic FPN"), path, inputs("semantic FPN", *SIZES))
    weights = path.with_suffix(".bin")
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ValueError, match=r"model.xml or model.bin was changed or truncated after the export"):
        load(path)
    weights.unlink()
    with pytest.raises(ValueError, match=r"model.xml"):
        load(path)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["mask R-CNN", "RetinaNet"])
@pytest.mark.parametrize("name", ["aoti", "openvino", "torchscript"])
def test_every_format_exports(name, architecture, model, inputs, tmp_path):
    path = tmp_path / f"model{FORMATS[name].suffix}"
    original = model(architecture)
    export(original, path, inputs(architecture, *SIZES), format=name, resize=(160, 300))
    assert verify(original, path, inputs(architecture, (145, 331))).problems(Tolerance()) == []
    load(path)(np.zeros((100, 120, 3), np.uint8))
