"""Run folders of one-stage models of MMDetection, with their original config."""

import gzip
import importlib.util
import json
from pathlib import Path

import pytest
import torch

from detectory.compat.conversion import convert_checkpoint, write_run
from detectory.core.config import LazyConfig
from detectory.engine import Predictor

FOLDER = Path(__file__).parents[1] / "golden" / "mmdet_parity"
NANO = "mmdet3__yolox__yolox_nano_8xb8-300e_coco"
CONFIG = """
model = dict(
    type='YOLOX',
    data_preprocessor=dict(type='DetDataPreprocessor', pad_size_divisor=32),
    backbone=dict(type='CSPDarknet'),
    neck=dict(type='YOLOXPAFPN'),
    bbox_head=dict(type='YOLOXHead', num_classes=80),
    test_cfg=dict(score_thr=0.3, nms=dict(type='nms', iou_threshold=0.5)),
)
classes = ('a', 'b')
test_dataloader = dict(dataset=dict(pipeline=[dict(type='Resize', scale=(320, 320), keep_ratio=True)]))
"""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    spec = importlib.util.spec_from_file_location("mmdet_fill", FOLDER / "fill.py")
    fill = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fill)
    info = json.loads(gzip.decompress((FOLDER / f"{NANO}.json.gz").read_bytes()))
    state = {name: torch.from_numpy(value) for name, value in fill.state_for(info).items()}
    path = tmp_path_factory.mktemp("mmdet") / "yolox_nano.pth"
    torch.save({"state_dict": state, "meta": {"CLASSES": tuple(f"class {i}" for i in range(80))}}, path)
    return path


def test_run_has_the_image_size_and_the_classes_of_the_architecture(checkpoint, tmp_path):
    run = write_run(convert_checkpoint(checkpoint), tmp_path / "run")
    resize = LazyConfig.load(str(run / "config.yaml")).dataloader.test.mapper.augmentations[0]
    assert (resize.short_edge_length, resize.max_size) == (416, 416)
    predictor = Predictor.from_run(run)
    assert type(predictor.model).__name__ == "YOLOX"
    assert predictor.model.box_limit == "none"


def test_config_has_precedence(checkpoint, tmp_path):
    (tmp_path / "yolox.py").write_text(CONFIG)
    converted = convert_checkpoint(checkpoint, config=str(tmp_path / "yolox.py"))
    assert (converted.config.test_score_thresh, converted.config.test_nms_thresh) == (0.3, 0.5)
    assert converted.resize.short_edge_length == 320
    assert len(converted.classes) == 80  # those of the checkpoint


def test_rejects_the_config_of_another_architecture(checkpoint, tmp_path):
    text = CONFIG.replace("'YOLOX'", "'RetinaNet'")
    (tmp_path / "other.py").write_text(text)
    with pytest.raises(ValueError, match=r"describes a RetinaNet, but .* the architecture YOLOX"):
        convert_checkpoint(checkpoint, config=str(tmp_path / "other.py"))
