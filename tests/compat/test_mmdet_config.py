"""Python configs of MMDetection, read as data."""

import random
import re

import pytest

from detectory.compat.mmdet import read_config, read_settings
from detectory.compat.mmdet.python_config.errors import ConfigReadError

BASE = """
num_classes = 80
model = dict(
    type='RetinaNet',
    backbone=dict(type='ResNet', depth=50, style='caffe'),
    neck=dict(type='FPN', in_channels=[256, 512]),
    bbox_head=dict(type='RetinaHead', num_classes=num_classes),
    test_cfg=dict(score_thr=0.05, nms=dict(type='nms', iou_threshold=0.5), max_per_img=100),
)
data_preprocessor = dict(mean=[103.53, 116.28, 123.675], std=[1.0, 1.0, 1.0], bgr_to_rgb=False)
test_pipeline = [dict(type='Resize', scale=(1333, 800), keep_ratio=True)]
"""
CHILD = """
_base_ = './base.py'
classes = ('cat', 'dog')
scale = 640
model = dict(
    bbox_head=dict(num_classes=len(classes)),
    neck=dict(_delete_=True, type='FPN', out_channels=2 * 128),
    test_cfg=dict(nms=dict(iou_threshold=0.6)),
)
test_pipeline = [dict(type='Resize', scale=(scale, scale), keep_ratio=True), {{_base_.test_pipeline}}[0]]
test_dataloader = dict(dataset=dict(metainfo=dict(classes=classes), pipeline=test_pipeline))
"""


def write(folder, **files):
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return folder / f"{name}.py"


def test_a_config_changes_its_base(tmp_path):
    config = read_config(write(tmp_path, base=BASE, child=CHILD))
    assert config["model"]["bbox_head"] == {"type": "RetinaHead", "num_classes": 2}
    assert config["model"]["neck"] == {"type": "FPN", "out_channels": 256}
    assert config["model"]["test_cfg"]["nms"] == {"type": "nms", "iou_threshold": 0.6}
    assert config["test_pipeline"][1]["scale"] == (1333, 800)


def test_settings_of_the_original_are_found(tmp_path):
    settings = read_settings(write(tmp_path, base=BASE, child=CHILD))
    assert settings.classes == ("cat", "dog")
    assert settings.style == "caffe"
    assert settings.edges == (640, 640)
    assert settings.pixels["input_format"] == "BGR"
    assert settings.test["nms"]["iou_threshold"] == 0.6


def test_settings_of_version_2_are_found(tmp_path):
    text = """
img_norm_cfg = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
model = dict(type='SingleStageDetector', backbone=dict(type='SSDVGG'), bbox_head=dict(type='SSDHead'))
pipeline = [dict(type='MultiScaleFlipAug', img_scale=(500, 300), transforms=[
    dict(type='Resize', keep_ratio=False), dict(type='Normalize', **img_norm_cfg)])]
data = dict(test=dict(classes=['a'], pipeline=pipeline))
test_cfg = dict(score_thr=0.02)
"""
    settings = read_settings(write(tmp_path, old=text))
    assert settings.image_size == (300, 500)
    assert settings.pixels["input_format"] == "RGB"
    assert (settings.classes, settings.test["score_thr"]) == (("a",), 0.02)


def test_configs_with_imports_are_read(tmp_path):
    child = """
from mmengine.config import read_base
from mmdet.models import ResNet
with read_base():
    from .base import *
model.update(dict(backbone=dict(type=ResNet, depth=101)))
"""
    config = read_config(write(tmp_path, base=BASE, child=child))
    assert config["model"]["backbone"] == {"type": "ResNet", "depth": 101}
    assert "ResNet" not in config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = __import__('os').system('true')", r"c\.py:1: .* is a call, and is not executed"),
        ("a = open('x').read()", "is a call, and is not executed"),
        ("a = ().__class__", "only dictionaries have entries"),
        ("a = lambda: 1", "is not data, and is not read"),
        ("for i in range(3):\n    a = i", "a 'for' statement is not data, and is not executed"),
        ("def f():\n    pass", "a 'function' statement is not data"),
        ("a = 2 ** 9999", "the number is too large"),
        ("a = [0] * 10 ** 9", "the value is too long"),
        ("a = 'x' * 10 ** 9", "the value is too long"),
        ("a = unknown + 1", "name 'unknown' is not defined above"),
        ("a = (", "not a Python config"),
        ("_base_ = 'mmdet::faster_rcnn/x.py'", "belongs to the installed package 'mmdet'"),
        ("_base_ = 'c.py'", "too many base configs"),
    ],
)
def test_refuses_what_is_not_data(tmp_path, text, message):
    with pytest.raises(ConfigReadError, match=message):
        read_config(write(tmp_path, c=text))


def test_unknown_parts_are_named_with_the_nearest_ones(tmp_path):
    text = BASE.replace("'ResNet'", "'ResNeSt'")
    with pytest.raises(ConfigReadError, match=r"backbone 'ResNeSt' cannot be converted; did you mean .*'ResNeXt'"):
        read_settings(write(tmp_path, c=text))


def test_no_config_is_executed_and_all_errors_name_the_file(tmp_path):
    """Random programs of calls and attributes raise the reader's error or are data; none has an effect."""
    marker = tmp_path / "executed"
    pieces = [
        f"open({str(marker)!r}, 'w')",
        f"__import__('os').mkdir({str(marker)!r})",
        "dict(a=1)",
        "[x for x in range(3)]",
        "''.format",
        "(1).__class__.__mro__",
        "{{_base_.a}}",
        "f'{a}'",
        "a if a else b",
        "list(map(open, ['x']))",
        "copy.deepcopy(a)",
        "eval('1')",
        "-a",
    ]
    generator = random.Random(0)
    for number in range(300):
        chosen = [generator.choice(pieces) for _ in range(generator.randint(1, 4))]
        operators = [generator.choice([" + ", " * ", ", ", " and ", "[0] + "]) for _ in chosen]
        text = "a = 1\nb = [" + "".join(a + b for a, b in zip(chosen, operators, strict=True)) + " 1]\n"
        path = write(tmp_path, c=text)
        message = ""
        try:
            read_config(path)
        except ConfigReadError as error:
            message = str(error)
        assert not message or re.match(re.escape(str(path)), message), number
        assert not marker.exists()
