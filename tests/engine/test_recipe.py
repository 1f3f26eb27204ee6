import json
import subprocess
import sys

import pytest
import torch

from detectory.core.config import LazyConfig
from detectory.engine import train

from .conftest import RECIPE

FULL_DISK = """
import resource, signal, sys
from detectory.core.config import LazyConfig
from detectory.engine import train
config = LazyConfig.load(sys.argv[1])
config.train.output_dir = sys.argv[2]
train(LazyConfig.apply_overrides(config, ["train.max_iter=4", "train.checkpointer.period=2"]))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, resource.RLIM_INFINITY))
config.train.max_iter = 6
train(config, resume=True)
"""


def test_a_training_leaves_config_metrics_and_checkpoints(recipe, tmp_path):
    train(recipe("train.max_iter=4", "train.checkpointer.period=2"))
    names = {path.name for path in (tmp_path / "output").iterdir()}
    assert {"config.yaml", "metrics.json", "model_0000001.pth", "model_final.pth", "last_checkpoint"} <= names
    lines = [json.loads(line) for line in (tmp_path / "output" / "metrics.json").read_text().splitlines()]
    assert [line["iteration"] for line in lines] == [0, 1, 2, 3]
    assert LazyConfig.load(str(tmp_path / "output" / "config.yaml")).train.max_iter == 4


def test_the_config_stays_as_it_was(recipe):
    config = recipe("train.max_iter=1")
    before = LazyConfig.to_py(config)
    train(config)
    assert LazyConfig.to_py(config) == before


def test_a_finished_training_has_nothing_left_to_resume(recipe, tmp_path):
    train(recipe("train.max_iter=2"))
    before = (tmp_path / "output" / "metrics.json").read_text()
    train(recipe("train.max_iter=2"), resume=True)
    assert (tmp_path / "output" / "metrics.json").read_text() == before


def test_without_resume_a_training_starts_anew(recipe, tmp_path):
    train(recipe("train.max_iter=3"))
    train(recipe("train.max_iter=2"))
    assert torch.load(tmp_path / "output" / "model_final.pth")["iteration"] == 1


def test_weights_to_start_from_are_loaded(recipe, tmp_path):
    train(recipe("train.max_iter=1"))
    start = tmp_path / "output" / "model_final.pth"
    train(
        recipe(
            "train.max_iter=1",
            f"train.init_checkpoint={start}",
            "optimizer.lr=0.0",
            f"train.output_dir={tmp_path / 'b'}",
        )
    )
    weights = [torch.load(path)["model"]["layers.0.weight"] for path in (start, tmp_path / "b" / "model_final.pth")]
    assert torch.equal(*weights)


def test_a_nan_ends_the_training_with_iteration_and_loss(recipe, tmp_path):
    with pytest.raises(FloatingPointError, match="iteration 8: loss_a is not finite"):
        train(recipe("model.fail_at=8"))
    assert (tmp_path / "output" / "last_checkpoint").read_text() == "model_0000006.pth"


@pytest.mark.skipif(sys.platform == "win32", reason="limits of file sizes are POSIX")
def test_a_full_disk_keeps_the_checkpoint_and_ends_with_one_message(tmp_path):
    command = [sys.executable, "-c", FULL_DISK, str(RECIPE), str(tmp_path / "output")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert result.returncode == 1
    assert "cannot write: File too large" in result.stderr.splitlines()[-1]
    assert (tmp_path / "output" / "last_checkpoint").read_text() == "model_final.pth"
    assert torch.load(tmp_path / "output" / "model_final.pth")["iteration"] == 3
    assert not list((tmp_path / "output").glob(".*"))


def test_gradients_are_clipped_when_the_recipe_says_so(recipe, tmp_path):
    clipping = "+train.clip_gradients={clip_type:full_model,clip_value:1e-9}"
    train(recipe("train.max_iter=1", clipping, "train.checkpointer.period=1", "optimizer.weight_decay=0.0"))
    train(recipe("train.max_iter=3", clipping, "optimizer.weight_decay=0.0"), resume=True)
    first, last = (torch.load(tmp_path / "output" / name)["model"] for name in ("model_0000000.pth", "model_final.pth"))
    assert torch.allclose(first["layers.0.weight"], last["layers.0.weight"], atol=1e-8)


@pytest.mark.parametrize("part", ["model", "optimizer", "train"])
def test_a_missing_part_is_named(recipe, part):
    config = recipe()
    del config[part]
    with pytest.raises(KeyError, match=f"the recipe has no '{part}'"):
        train(config)


def test_a_missing_key_is_named_with_the_nearest(recipe):
    with pytest.raises(KeyError, match=r"no 'train.max_iter': did you mean 'max_iters'"):
        train(recipe("~train.max_iter", "+train.max_iters=3"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without GPU")
def test_a_missing_gpu_is_told(recipe):
    with pytest.raises(RuntimeError, match=r"torch sees no GPU; train.device=cpu uses the CPU"):
        train(recipe("train.device=cuda"))


def test_an_unknown_precision_is_told(recipe):
    with pytest.raises(ValueError, match="unknown precision 'bfloat32': did you mean 'bfloat16'"):
        train(recipe("train.amp.enabled=true", "+train.amp.dtype=bfloat32"))
