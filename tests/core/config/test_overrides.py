import pytest
from omegaconf import OmegaConf

from detectory.core.config import LazyCall, LazyConfig


class Conv:
    def __init__(self, channels, norm="BN"):
        self.channels, self.norm = channels, norm


def build_loader(dataset, sampler=None, **kwargs):
    return dataset, sampler, kwargs


@pytest.fixture
def config():
    return OmegaConf.create({"model": LazyCall(Conv)(channels=3), "train": {"lr": 0.1, "steps": [10, 20]}})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("7", 7),
        ("true", True),
        ("null", None),
        ("'quoted, text'", "quoted, text"),
        ("a=b", "a=b"),
        ("./some/path", "./some/path"),
        ("", ""),
        ("[1,2.5,x]", [1, 2.5, "x"]),
        ("[[32],[64]]", [[32], [64]]),
        ("{a:1,b:[2]}", {"a": 1, "b": [2]}),
        ("[]", []),
    ],
    ids=lambda value: repr(value),
)
def test_parses_values(config, text, value):
    LazyConfig.apply_overrides(config, [f"+train.value={text}"])
    assert config.train.value == value


def test_sets_an_argument_that_the_node_does_not_contain(config):
    LazyConfig.apply_overrides(config, ["model.norm=GN"])
    assert config.model.norm == "GN"


def test_sets_a_named_argument_of_a_function_with_further_arguments():
    config = OmegaConf.create({"loader": LazyCall(build_loader)(dataset=[1])})
    LazyConfig.apply_overrides(config, ["loader.sampler=random"])
    assert config.loader.sampler == "random"
    with pytest.raises(KeyError, match=r"\+loader.timeout=1 adds"):
        LazyConfig.apply_overrides(config, ["loader.timeout=1"])


@pytest.mark.parametrize("key", ["train.steps[1]", "train.steps.1", "train.steps.-1"])
def test_sets_list_items(config, key):
    LazyConfig.apply_overrides(config, [f"{key}=30"])
    assert config.train.steps == [10, 30]


def test_interpolations_are_resolved_at_their_destination(config):
    LazyConfig.apply_overrides(config, ["model.channels=${train.lr}"])
    assert config.model.channels == 0.1


def test_null_replaces_every_value_and_a_number_a_list(config):
    LazyConfig.apply_overrides(config, ["train.lr=null", "model=null", "train.steps=30"])
    assert (config.train.lr, config.model, config.train.steps) == (None, None, 30)


def test_plus_adds_and_tilde_removes(config):
    LazyConfig.apply_overrides(config, ["+train.seed=1", "~train.lr"])
    assert config.train == {"steps": [10, 20], "seed": 1}


@pytest.mark.parametrize(
    ("override", "error", "message"),
    [
        ("train.lrr=1", KeyError, "did you mean 'lr'.*\\+train.lrr=1 adds"),
        ("model.chanels=1", KeyError, "did you mean 'channels'"),
        ("~train.lrr", KeyError, "unknown key 'train.lrr'"),
        ("train.lr.x=1", KeyError, "'train.lr' must be a config node, got float"),
        ("train.steps.5=1", KeyError, "index must be below 2, got '5'"),
        ("nonsense", ValueError, "expected key=value"),
        ("train.lr=[1,2", ValueError, "']' is missing"),
        ("train.lr=[1] x", ValueError, "unexpected 'x'"),
        ("train.lr=[1,2", ValueError, r"^apply_overrides: 'train.lr=\[1,2': '\]' is missing"),
        ("train.lr=a: b: c", ValueError, "'train.lr=a: b: c': the value 'a: b: c' cannot be read: mapping values"),
        ("train.lr='x", ValueError, "'train.lr='x': the value .* cannot be read: found unexpected end of stream"),
        ("train.lr={a}", ValueError, "expected ':' after 'a'"),
        ("train.lr=fast", ValueError, "'train.lr' must be a number"),
        ("train.steps=ten", ValueError, r"'train.steps' must be a list, such as train.steps=\[ten\]"),
        ("model=-1", ValueError, "'model' must be a group of settings; change one of them, such as model.channels"),
        ("train=abc", ValueError, "'train' must be a group of settings; change one of them, such as train.lr"),
    ],
)
def test_rejects_invalid_overrides(config, override, error, message):
    with pytest.raises(error, match=message):
        LazyConfig.apply_overrides(config, [override])


def test_the_hint_for_a_new_key_works_and_adds_its_parents(config):
    override = "train.early_stopping.patience=2"
    with pytest.raises(KeyError) as error:
        LazyConfig.apply_overrides(config, [override])
    assert f"(+{override} adds a new key)" in str(error.value)
    LazyConfig.apply_overrides(config, [f"+{override}", "+train.early_stopping.val_metric=bbox/AP"])
    assert config.train.early_stopping == {"patience": 2, "val_metric": "bbox/AP"}
