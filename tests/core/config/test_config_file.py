import logging

import pytest
import torch
from omegaconf import OmegaConf

from detectory.core.config import LazyCall, LazyConfig, instantiate


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "train.py").write_text("train = dict(max_iter=90, lr=dict(base=0.1))\n_hidden = dict(a=1)\n")
    (tmp_path / "recipe.py").write_text(
        "from pathlib import Path\n"
        "from .shared.train import train\n"
        "train.max_iter = 180\n"
        "counts = dict(target=Path)\n"
        "number = 3\n"
    )
    return tmp_path


def test_loads_the_dictionaries_of_a_python_file(folder):
    config = LazyConfig.load(str(folder / "recipe.py"))
    assert set(config) == {"train", "counts"}
    assert config.train.lr.base == 0.1


def test_relative_imports_are_executed_on_every_load(folder):
    LazyConfig.load(str(folder / "recipe.py"))
    assert LazyConfig.load(str(folder / "shared" / "train.py")).train.max_iter == 90


def test_imports_from_sibling_files_and_parent_folders(folder):
    (folder / "shared" / "deep.py").write_text("from ..recipe import train as base\nfrom . import train\n")
    config = LazyConfig.load(str(folder / "shared" / "deep.py"))
    assert config.base.max_iter == 180


def test_keys_select_one_or_several_configs(folder):
    path = str(folder / "recipe.py")
    assert LazyConfig.load(path, "train").max_iter == 180
    assert LazyConfig.load(path, ("number", "train"))[0] == 3


def test_rejects_an_unknown_key(folder):
    with pytest.raises(KeyError, match="does not define 'trian': did you mean 'train'"):
        LazyConfig.load(str(folder / "recipe.py"), "trian")


def test_rejects_an_unknown_name_in_a_relative_import(folder):
    (folder / "bad.py").write_text("from .recipe import trains\n")
    with pytest.raises(ImportError, match=r"'trains' is not defined in .*recipe.py: did you mean 'train'"):
        LazyConfig.load(str(folder / "bad.py"))


def test_rejects_a_relative_import_of_a_missing_file(folder):
    (folder / "bad.py").write_text("from .recipes import train\n")
    with pytest.raises(ImportError, match=r"relative import: .*recipes.py does not exist: did you mean 'recipe'"):
        LazyConfig.load(str(folder / "bad.py"))


def test_rejects_circular_imports(folder):
    (folder / "a.py").write_text("from .b import x\n")
    (folder / "b.py").write_text("from .a import x\n")
    with pytest.raises(ImportError, match=r"circular import of config files: .*a.py -> .*b.py -> .*a.py"):
        LazyConfig.load(str(folder / "a.py"))


def test_rejects_other_suffixes(tmp_path):
    (tmp_path / "config.txt").write_text("")
    with pytest.raises(ValueError, match=r"must end in .py, .yaml or .yml"):
        LazyConfig.load(str(tmp_path / "config.txt"))


def test_rejects_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        LazyConfig.load(str(tmp_path / "config.py"))


def test_loading_yaml_executes_no_code(tmp_path):
    (tmp_path / "bad.yaml").write_text("a: !!python/object/apply:os.getcwd []\n")
    with pytest.raises(ValueError, match="not a plain YAML file"):
        LazyConfig.load(str(tmp_path / "bad.yaml"))


def test_an_empty_yaml_file_is_an_empty_config(tmp_path):
    (tmp_path / "empty.yaml").write_text("")
    assert LazyConfig.load(str(tmp_path / "empty.yaml")) == {}


def test_load_rel_is_relative_to_the_caller(folder):
    (folder / "caller.py").write_text(
        "from detectory.core.config import LazyConfig\ntrain = LazyConfig.load_rel('shared/train.py', 'train')\n"
    )
    assert LazyConfig.load(str(folder / "caller.py")).train.max_iter == 90


def test_a_saved_config_builds_the_same_object(tmp_path):
    config = OmegaConf.create({"model": LazyCall(dict)(a=1, b="${.a}")})
    LazyConfig.save(config, str(tmp_path / "saved.yaml"))
    assert instantiate(LazyConfig.load(str(tmp_path / "saved.yaml"))) == {"model": {"a": 1, "b": 1}}


def test_saving_a_lambda_logs_its_key(tmp_path, caplog):
    config = OmegaConf.create({"model": {"rate": 1}}, flags={"allow_objects": True})
    config.model.rate = lambda x: x
    with caplog.at_level(logging.ERROR):
        LazyConfig.save(config, str(tmp_path / "saved.yaml"))
    assert "model.rate" in caplog.text
    assert "lambda" in LazyConfig.load(str(tmp_path / "saved.yaml")).model.rate


def test_to_py_renders_calls_and_assignments():
    config = OmegaConf.create({"model": LazyCall(dict)(a=[1, 2]), "train": {"odd-name": 3}})
    assert LazyConfig.to_py(config) == 'cfg.model = builtins.dict(a=[1, 2])\ncfg.train["odd-name"] = 3\n'


def test_to_py_breaks_long_calls():
    text = LazyConfig.to_py(OmegaConf.create({"model": LazyCall(dict)(a="x" * 60, b="y" * 60)}))
    assert text.splitlines()[1] == f'    a="{"x" * 60}",'


def test_a_class_argument_survives_saving(tmp_path):
    config = LazyCall(dict)(activation=torch.nn.ReLU, layers=[LazyCall(torch.nn.Identity)()])
    LazyConfig.save(config, str(tmp_path / "config.yaml"))
    loaded = instantiate(LazyConfig.load(str(tmp_path / "config.yaml")))
    assert loaded["activation"] is torch.nn.ReLU
    assert type(loaded["layers"][0]) is torch.nn.Identity
