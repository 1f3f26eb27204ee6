"""Default config, config versions, YAML configs of the model zoo, and `configurable`."""

import json
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from detectory.compat.detectron2 import model_zoo
from detectory.compat.detectron2.config import (
    CfgNode,
    configurable,
    downgrade_config,
    get_cfg,
    global_cfg,
    set_global_cfg,
    upgrade_config,
)

GOLDEN = Path(__file__).parents[1] / "golden"
DEFAULTS = json.loads((GOLDEN / "compat_yaml_defaults.json").read_text())
CONFIGS = json.loads((GOLDEN / "compat_yaml_configs.json").read_text())


def flat(node, prefix=""):
    leaves = {}
    for key, value in node.items():
        if isinstance(value, CfgNode):
            leaves |= flat(value, f"{prefix}{key}.")
        else:
            leaves[prefix + key] = json.loads(json.dumps(value))
    return leaves


def test_defaults_equal_detectron2s():
    assert flat(get_cfg()) == DEFAULTS


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_yaml_config_has_detectron2s_values(name):
    assert flat(model_zoo.get_config(name)) == DEFAULTS | CONFIGS[name]


def test_get_cfg_returns_a_fresh_copy():
    get_cfg().MODEL.WEIGHTS = "changed"
    assert get_cfg().MODEL.WEIGHTS == ""


@pytest.mark.parametrize("version", [0, 1])
def test_upgrading_a_downgraded_config_restores_it(version):
    cfg = get_cfg()
    cfg.USER_ARG = 1
    assert upgrade_config(downgrade_config(cfg, version)) == cfg


@pytest.mark.parametrize(
    ("text", "key", "expected"),
    [
        ("MODEL:\n  RPN_HEAD:\n    NAME: TEST\nVERSION: 0\n", "RPN.HEAD_NAME", "TEST"),
        ("MODEL:\n  WEIGHT: /path/to/weight\n", "WEIGHTS", "/path/to/weight"),
        ("MODEL:\n  RPN:\n    ANCHOR_SIZES: [[8]]\nVERSION: 1\n", "ANCHOR_GENERATOR.SIZES", [[8]]),
    ],
    ids=["version 0", "no version, old key", "moved anchors"],
)
def test_files_of_old_versions_are_upgraded_when_loaded(tmp_path, text, key, expected):
    (tmp_path / "old.yaml").write_text(text)
    cfg = get_cfg()
    cfg.merge_from_file(str(tmp_path / "old.yaml"))
    node = cfg.MODEL
    for part in key.split("."):
        node = node[part]
    assert (node, cfg.VERSION) == (expected, 2)


def test_rejects_a_config_of_a_later_version(tmp_path):
    (tmp_path / "later.yaml").write_text("VERSION: 3\n")
    with pytest.raises(ValueError, match=r"later\.yaml.*3"):
        get_cfg().merge_from_file(str(tmp_path / "later.yaml"))


def test_rejects_an_unknown_key_of_a_file(tmp_path):
    (tmp_path / "typo.yaml").write_text("VERSION: 2\nMODEL: {MASK_OM: true}\n")
    with pytest.raises(KeyError, match=r"MODEL\.MASK_OM.*MASK_ON"):
        get_cfg().merge_from_file(str(tmp_path / "typo.yaml"))


def test_set_global_cfg_copies_the_keys():
    set_global_cfg(get_cfg())
    assert global_cfg.GLOBAL.HACK == 1.0


class Head:
    @configurable
    def __init__(self, size, depth=2, *, name="x"):
        self.all = (size, depth, name)

    @classmethod
    def from_config(cls, cfg, size=None):
        return {"size": size or cfg.SIZE}


class LegacyHead(Head):
    def __init__(self, cfg, extra=4):
        super().__init__(cfg, name="legacy")
        self.extra = extra


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda cfg: Head(7), (7, 2, "x")),
        (lambda cfg: Head(cfg), (5, 2, "x")),
        (lambda cfg: Head(cfg, 6), (6, 2, "x")),
        (lambda cfg: Head(cfg=cfg, depth=3), (5, 3, "x")),
        (lambda cfg: Head(cfg, name="y"), (5, 2, "y")),
        (lambda cfg: Head(OmegaConf.create(dict(cfg))), (5, 2, "x")),
        (lambda cfg: LegacyHead(cfg), (5, 2, "legacy")),
    ],
)
def test_configurable_constructor_accepts_arguments_or_a_config(build, expected):
    assert build(CfgNode({"SIZE": 5})).all == expected


def test_configurable_function_accepts_arguments_or_a_config():
    @configurable(from_config=lambda cfg: {"a": cfg.A})
    def double(a, b=0):
        return 2 * a + b

    assert (double(1), double(CfgNode({"A": 3})), double(CfgNode({"A": 3}), b=1)) == (2, 6, 7)


def test_configurable_class_needs_a_classmethod_from_config():
    class Bare:
        @configurable
        def __init__(self, a):
            self.a = a

    with pytest.raises(AttributeError, match=r"Bare.*from_config"):
        Bare(CfgNode())


@pytest.mark.parametrize("wrong", [lambda: configurable(print), lambda: configurable(lambda a: a)])
def test_rejects_configurable_on_anything_but_a_constructor(wrong):
    with pytest.raises(TypeError, match=r"__init__"):
        wrong()


def test_rejects_from_config_without_cfg_first():
    with pytest.raises(TypeError, match=r"first argument must be 'cfg'"):
        configurable(from_config=lambda a: {})(lambda a: a)(CfgNode())
