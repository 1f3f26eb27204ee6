"""DETR and Table Transformer of transformers, compared with values of `tools/goldens/transformers_outputs.py`."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.compat.transformers_models import CONFIGS, PROCESSOR, fill, image

from detectory.compat.conversion import convert_checkpoint, export_run, write_run
from detectory.compat.transformers import DETRResize, revert_detr
from detectory.compat.transformers.detr import _backbone
from detectory.core.config import LazyCall, instantiate
from detectory.engine import Predictor
from detectory.modeling.detr import DETR, DETRTransformer, SetCriterion, SinePositionEncoding

GOLDEN = json.loads((Path(__file__).parents[1] / "golden/transformers.json").read_text())


def folder(path, name):
    """Write the folder of a model with filled weights, as `save_pretrained` does."""
    config = CONFIGS[name]
    transformer = DETRTransformer(
        channels=32,
        num_heads=4,
        hidden=48,
        num_encoder_layers=2,
        num_decoder_layers=2,
        norm_first=config["model_type"] == "table-transformer",
    )
    backbone = _backbone(int(config["backbone"].removeprefix("resnet")), config["dilation"])
    model = LazyCall(DETR)(
        backbone=backbone,
        position_encoding=SinePositionEncoding(16),
        transformer=transformer,
        criterion=SetCriterion(num_classes=4),
        num_queries=6,
        num_classes=4,
        pixel_mean=[0.0] * 3,
        pixel_std=[1.0] * 3,
    )
    path.mkdir()
    state = revert_detr(instantiate(model).state_dict())
    save_file(fill(state), path / "model.safetensors")
    (path / "config.json").write_text(json.dumps(config))
    (path / "preprocessor_config.json").write_text(json.dumps(PROCESSOR))
    return sorted(state)


def predictions(predictor):
    """Return logits and boxes of all queries for the image."""
    item = predictor.prepare(image())
    model = predictor.model
    with torch.no_grad():
        logits, boxes = model.predict(model.preprocess_image([item]))
    return list(item["image"].shape[-2:]), logits[-1, 0], boxes[-1, 0]


@pytest.mark.parametrize("name", ["detr", "table-transformer", pytest.param("detr-dc5", marks=pytest.mark.slow)])
def test_outputs_equal_those_of_transformers_and_weights_return(tmp_path, name):
    names, golden = folder(tmp_path / "theirs", name), GOLDEN[name]
    assert names == (golden["names"] or names)
    converted = convert_checkpoint(tmp_path / "theirs")
    assert (converted.system, converted.classes) == ("transformers", ("N/A 0", "mug", "N/A 2", "pen"))
    run = write_run(converted, tmp_path / "run")
    size, logits, boxes = predictions(Predictor.from_run(run))
    assert size == golden["size"]
    # The processors of transformers and Pillow round resized pixels differently.
    assert torch.allclose(logits, torch.tensor(golden["logits"]), atol=0.02)
    assert torch.allclose(boxes, torch.tensor(golden["boxes"]), atol=2e-3)
    exported = export_run(run, "transformers", tmp_path / "back")
    assert "from_pretrained" in exported.instructions
    before, after = (load_file(tmp_path / part / "model.safetensors") for part in ("theirs", "back"))
    assert set(before) == set(after)
    assert all(torch.equal(tensor, after[key]) for key, tensor in before.items())
    config = json.loads((tmp_path / "back/config.json").read_text())
    expected = {key: value for key, value in CONFIGS[name].items() if key != "id2label"}
    assert {key: config[key] for key in expected} == expected


def test_weights_in_a_folder_are_recognised_and_other_models_refused(tmp_path):
    folder(tmp_path / "theirs", "detr")
    assert convert_checkpoint(tmp_path / "theirs/model.safetensors").architecture == "detr"
    (tmp_path / "theirs/config.json").write_text(json.dumps(CONFIGS["detr"] | {"model_type": "yolos"}))
    with pytest.raises(ValueError, match="model_type must be one of detr, table-transformer, got 'yolos'"):
        convert_checkpoint(tmp_path / "theirs")


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [(426, 640, (800, 1201)), (480, 640, (800, 1066)), (300, 900, (444, 1333)), (7, 5, (1120, 800))],
)
def test_resized_sides_are_rounded_down(height, width, expected):
    transform = DETRResize(800, 1333).get_transform(np.zeros((height, width, 3), np.uint8))
    assert (transform.new_h, transform.new_w) == expected
