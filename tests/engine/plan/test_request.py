"""Values of a plan that are set by `KEY=VALUE` arguments."""

from detectory.core.config import LazyConfig
from detectory.engine.plan import PlanRequest
from detectory.engine.plan.request import overridden_keys


def with_overrides(config, *overrides, **values):
    LazyConfig.apply_overrides(config, list(overrides))
    return PlanRequest(**values).with_keys(config, overridden_keys(overrides))


def test_keys_set_the_lines_of_the_plan(small):
    request = with_overrides(small, "train.max_iter=8", "optimizer.lr=0.5", "train.init_checkpoint=", epochs=3, lr=1)
    assert request == PlanRequest(iterations=8, lr=0.5, weights="none")


def test_other_keys_leave_the_choice_to_the_plan(small):
    assert with_overrides(small, "+train.seed=1", "~train.amp") == PlanRequest()


def test_augmentations_of_the_user_keep_their_size(small):
    key = "dataloader.test.mapper.augmentations.0.short_edge_length"
    assert with_overrides(small, f"{key}=64").keeps_size


def test_elements_of_lists_may_be_written_in_brackets(small):
    overrides = ["dataloader.train.mapper.augmentations[0].max_size=700", "~a[1]", "+b[-1].c=2", "d.e=f[0]"]
    assert overridden_keys(overrides) == ["dataloader.train.mapper.augmentations.0.max_size", "a.1", "b.-1.c", "d.e"]
    assert with_overrides(small, overrides[0]).keeps_size
