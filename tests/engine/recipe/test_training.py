import json
import subprocess
import sys

import pytest
import torch
from tests.engine.conftest import RECIPE
from torch import nn

from detectory.core.config import LazyCall, LazyConfig
from detectory.core.events import JSONWriter
from detectory.engine import scale_to_world_size, synchronize_batch_norm, train
from detectory.modeling.layers import NaiveSyncBatchNorm

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


def test_writes_config_metrics_and_checkpoints(recipe, tmp_path):
    train(recipe("train.max_iter=4", "train.checkpointer.period=2"))
    names = {path.name for path in (tmp_path / "output").iterdir()}
    assert {"config.yaml", "metrics.json", "model_0000001.pth", "model_final.pth", "last_checkpoint"} <= names
    lines = [json.loads(line) for line in (tmp_path / "output" / "metrics.json").read_text().splitlines()]
    assert [line["iteration"] for line in lines] == [0, 1, 2, 3]
    assert LazyConfig.load(str(tmp_path / "output" / "config.yaml")).train.max_iter == 4


def test_does_not_modify_the_config(recipe):
    config = recipe("train.max_iter=1")
    before = LazyConfig.to_py(config)
    train(config)
    assert LazyConfig.to_py(config) == before


def test_resuming_a_finished_training_does_nothing(recipe, tmp_path):
    train(recipe("train.max_iter=2"))
    before = (tmp_path / "output" / "metrics.json").read_text()
    train(recipe("train.max_iter=2"), resume=True)
    assert (tmp_path / "output" / "metrics.json").read_text() == before


def test_loads_the_initial_weights(recipe, tmp_path):
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


def test_a_nan_stops_the_training_and_names_iteration_and_loss(recipe, tmp_path):
    with pytest.raises(FloatingPointError, match="iteration 8: loss_a is not finite"):
        train(recipe("model.fail_at=8"))
    assert (tmp_path / "output" / "last_checkpoint").read_text() == "model_0000006.pth"


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits require POSIX")
def test_a_full_disk_keeps_the_checkpoint_and_prints_one_message(tmp_path):
    command = [sys.executable, "-c", FULL_DISK, str(RECIPE), str(tmp_path / "output")]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 1
    assert "cannot write: File too large" in result.stderr.splitlines()[-1]
    assert (tmp_path / "output" / "last_checkpoint").read_text() == "model_final.pth"
    assert torch.load(tmp_path / "output" / "model_final.pth")["iteration"] == 3
    assert not list((tmp_path / "output").glob(".*"))


def test_clips_gradients(recipe, tmp_path):
    clipping = "+train.clip_gradients={clip_type:full_model,clip_value:1e-9}"
    train(recipe("train.max_iter=1", clipping, "train.checkpointer.period=1", "optimizer.weight_decay=0.0"))
    train(recipe("train.max_iter=3", clipping, "optimizer.weight_decay=0.0"), resume=True)
    first, last = (torch.load(tmp_path / "output" / name)["model"] for name in ("model_0000000.pth", "model_final.pth"))
    assert torch.allclose(first["layers.0.weight"], last["layers.0.weight"], atol=1e-8)


@pytest.mark.parametrize("part", ["model", "optimizer", "train"])
def test_rejects_a_missing_part(recipe, part):
    config = recipe()
    del config[part]
    with pytest.raises(KeyError, match=f"missing part '{part}' in the recipe"):
        train(config)


def test_rejects_a_missing_setting_with_a_suggestion(recipe):
    with pytest.raises(KeyError, match=r"missing setting 'train.max_iter': did you mean 'max_iters'"):
        train(recipe("~train.max_iter", "+train.max_iters=3"))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("++train.max_iter=many", r"train\.max_iter must be an integer >= 1, got 'many'"),
        ("train.max_iter=-5", r"train\.max_iter must be an integer >= 1, got -5"),
        ("train.eval_period=0.5", r"train\.eval_period must be an integer >= -1, got 0\.5"),
        ("+train.accumulation_steps=0", r"train\.accumulation_steps must be an integer >= 1, got 0"),
        ("+train.moving_average=0.99", r"train\.moving_average must be a group of settings, got 0\.99"),
        ("train.device=gpu", r"train\.device: usable_device: 'gpu' is not a valid device"),
    ],
)
def test_rejects_an_invalid_setting(recipe, override, message):
    with pytest.raises(ValueError, match=message):
        train(recipe(override))


def test_warns_about_an_unknown_setting_with_a_suggestion(recipe, caplog):
    train(recipe("train.max_iter=1", "+train.best_metirc=bbox/AP", "+train.my_own=3"))
    warnings = [record.message for record in caplog.records if record.message.startswith("unknown setting")]
    assert warnings == ["unknown setting train.best_metirc is ignored; did you mean train.best_metric?"]


def test_rejects_an_output_dir_that_is_a_file(recipe, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(FileExistsError, match=r"train: cannot create train\.output_dir=.*taken: File exists"):
        train(recipe(f"train.output_dir={tmp_path / 'taken'}"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="requires a machine without a GPU")
def test_rejects_an_unavailable_gpu(recipe):
    with pytest.raises(
        RuntimeError, match=r"train\.device: device 'cuda' is unavailable: torch sees no GPU; use 'cpu'"
    ):
        train(recipe("train.device=cuda"))


def test_rejects_an_unknown_precision(recipe):
    with pytest.raises(ValueError, match=r"train\.amp\.dtype: unknown precision 'bfloat32': did you mean 'float32'"):
        train(recipe("train.amp.enabled=true", "+train.amp.dtype=bfloat32"))


def test_scales_settings_with_the_number_of_processes(recipe):
    config = recipe("+train.reference_world_size=2", "train.eval_period=10", "train.max_iter=30")
    scaled = scale_to_world_size(config, 4)
    assert (scaled.dataloader.train.total_batch_size, scaled.optimizer.lr) == (8, pytest.approx(0.1))
    assert (scaled.train.max_iter, scaled.train.eval_period, scaled.train.checkpointer.period) == (15, 5, 4)
    assert scale_to_world_size(scaled, 4) is scaled
    assert config.train.max_iter == 30


def test_rejects_a_batch_size_that_is_not_divisible(recipe):
    with pytest.raises(
        ValueError, match=r"total_batch_size must be divisible by train\.reference_world_size, got 4 and 3"
    ):
        scale_to_world_size(recipe("+train.reference_world_size=3"), 6)


def test_supports_profiling_precise_bn_and_extra_writers(recipe, tmp_path):
    config = recipe("train.max_iter=3", "+train.profile={first:1,last:1}", "+train.precise_bn={num_iter:2}")
    config.train.writers = [LazyCall(JSONWriter)(json_file=str(tmp_path / "other.json"))]
    train(config)
    assert sorted(path.name for path in (tmp_path / "output" / "profile").iterdir()) == [
        "profiler_iter1.json",
        "profiler_iter1.txt",
    ]
    assert (tmp_path / "other.json").read_text() == (tmp_path / "output" / "metrics.json").read_text()


def test_synchronised_batch_normalisation_shares_the_parameters():
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2, momentum=0.3))
    before = list(model.parameters())
    found = synchronize_batch_norm(model)
    assert isinstance(found[1], NaiveSyncBatchNorm)
    assert (found[1].momentum, found[1].training) == (0.3, True)
    assert all(one is other for one, other in zip(found.parameters(), before, strict=True))


def test_a_resumed_training_writes_each_metric_once(recipe, tmp_path):
    with pytest.raises(FloatingPointError):
        train(recipe("model.fail_at=12"))
    train(recipe("train.max_iter=20"), resume=True)
    lines = [json.loads(line) for line in (tmp_path / "output" / "metrics.json").read_text().splitlines()]
    assert [line["iteration"] for line in lines] == list(range(20))
