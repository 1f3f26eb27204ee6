"""`detectory convert`."""

import os
import re

import torch
from click.testing import CliRunner

from detectory.cli.app import main
from detectory.compat.conversion import convert_checkpoint
from detectory.modeling.backbone import SSDVGG
from detectory.modeling.meta_arch import SSDHead

CLASSES = 3


def mmdetection_ssd():
    """Return the checkpoint of an SSD300 with random weights by MMDetection's names."""
    torch.manual_seed(0)
    backbone = SSDVGG()
    channels = [shape.channels for shape in backbone.output_shape().values()]
    head = SSDHead(in_channels=channels, num_anchors=[4, 6, 6, 6, 4, 4], num_classes=CLASSES)
    state = {}
    for name, tensor in backbone.state_dict().items():
        name = re.sub(r"^extra_layers\.(\d)\.(\d)\.", r"neck.extra_layers.\1.\2.conv.", name)
        state[name if name.startswith("neck") else f"{'neck' if 'l2' in name else 'backbone'}.{name}"] = tensor
    for name, tensor in head.state_dict().items():
        part, level, kind = name.split(".")
        branch = "cls_convs" if part == "cls_score" else "reg_convs"
        state[f"bbox_head.{branch}.{level}.0.{kind}"] = tensor
    return {"state_dict": state, "meta": {"CLASSES": ["mug", "pen", "cup"]}}


def test_command_writes_a_run_and_never_replaces_a_folder(tmp_path):
    torch.save(mmdetection_ssd(), tmp_path / "model.pth")
    arguments = ["convert", str(tmp_path / "model.pth"), "--output", str(tmp_path / "run")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert "SSD of MMDetection, 3 class names" in result.output
    assert sorted(os.listdir(tmp_path / "run")) == ["config.yaml", "last_checkpoint", "model_final.pth"]
    assert torch.load(tmp_path / "run" / "model_final.pth")["classes"]["names"] == ["mug", "pen", "cup"]
    again = CliRunner().invoke(main, arguments)
    assert again.exit_code == 1
    assert "exists; choose another --output" in again.output


def test_class_names_and_image_size_are_read(tmp_path):
    torch.save(mmdetection_ssd(), tmp_path / "model.pth")
    converted = convert_checkpoint(tmp_path / "model.pth")
    assert (converted.classes, converted.image_size) == (("mug", "pen", "cup"), (300, 300))
    assert converted.config.num_classes == CLASSES
