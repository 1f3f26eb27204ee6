"""Command-line overrides and relative imports of lazy configs, with Detectron2's rules."""

import logging

import pytest
import torch
from omegaconf import OmegaConf

from detectory.compat.detectron2.config import LazyCall as L
from detectory.compat.detectron2.config import LazyConfig


def config():
    content = {"train": {"max_iter": 90, "ddp": {"fp16": False}}, "layer": L(torch.nn.Linear)(in_features=4)}
    return OmegaConf.create(content, flags={"allow_objects": True})


def test_an_override_may_change_the_type_of_a_value():
    cfg = LazyConfig.apply_overrides(config(), ['train.max_iter="123"', "layer.in_features=[1,2]", "train.ddp=none"])
    assert cfg.train.max_iter == "123"
    assert list(cfg.layer.in_features) == [1, 2]
    assert cfg.train.ddp == "none"


def test_an_override_may_add_keys_and_logs_them(caplog):
    with caplog.at_level(logging.WARNING):
        cfg = LazyConfig.apply_overrides(config(), ["train.wandb.project=birds", "train.max_iter=10"])
    assert cfg.train.wandb.project == "birds"
    assert cfg.train.max_iter == 10
    assert caplog.messages == ["apply_overrides: 'train.wandb.project=birds' added a new key to the config"]


def test_a_key_below_a_value_is_an_error():
    with pytest.raises(KeyError, match="must be a config node"):
        LazyConfig.apply_overrides(config(), ["train.max_iter.sub=1"])


def test_removing_an_unknown_key_is_an_error():
    with pytest.raises(KeyError, match="unknown key"):
        LazyConfig.apply_overrides(config(), ["~train.nope"])


@pytest.mark.parametrize("statement", ["from . import parts", "from .parts import layer"])
def test_the_error_of_a_relative_import_names_the_missing_file(statement, tmp_path):
    (tmp_path / "bad.py").write_text(statement)
    with pytest.raises(ImportError, match=r"relative import: .*parts.py does not exist"):
        LazyConfig.load(str(tmp_path / "bad.py"))
