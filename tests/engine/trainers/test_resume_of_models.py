"""Running averages of detectors that are not in the state dict are restored on resume."""

import itertools

import pytest
import torch
from tests.modeling import tiny_models

from detectory.core.checkpoint import Checkpointer
from detectory.core.events import EventStorage
from detectory.engine import SimpleTrainer


def trainer_of(build, folder):
    torch.manual_seed(0)
    model, batch = build(), tiny_models.inputs()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
    trainer = SimpleTrainer(model, itertools.repeat(batch), optimizer)
    return trainer, Checkpointer(model, folder, trainer=trainer)


def losses(trainer, start, end):
    trainer.train(start, end)
    return [value for value, _ in trainer.storage.history("total_loss").values()]


@pytest.mark.parametrize("build", [tiny_models.retinanet, tiny_models.fcos])
def test_resumed_dense_detectors_have_the_same_losses(build, tmp_path):
    whole, _ = trainer_of(build, tmp_path)
    wanted = losses(whole, 0, 6)
    first, checkpointer = trainer_of(build, tmp_path)
    losses(first, 0, 3)
    checkpointer.save("half")
    second, checkpointer = trainer_of(build, tmp_path)
    checkpointer.resume_or_load("", resume=True)
    assert losses(second, 3, 6) == wanted[3:]
    assert second.model.loss_normalizer == whole.model.loss_normalizer
    assert not any("normalizer" in name for name in second.model.state_dict())


def test_a_new_training_starts_from_the_initial_average(tmp_path):
    trainer, _ = trainer_of(tiny_models.retinanet, tmp_path)
    with EventStorage(0):
        trainer.model(tiny_models.inputs())
    assert 0 < trainer.model.loss_normalizer < 100
