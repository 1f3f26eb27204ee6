"""The plan of a training by dataset, recipe and machine."""

from dataclasses import replace

import pytest

from detectory.engine.plan import Choice, InitialWeights, Machine, PlanRequest, make_plan
from detectory.engine.plan.epochs import MAX_EPOCHS, MIN_EPOCHS
from detectory.engine.plan.make import GRADIENT_NORM_LIMIT, MAX_EVALUATIONS

GPU = Machine("cuda", 16, name="H200")
COCO = InitialWeights("coco", "model.pkl", "published", has_heads=True)


def values(plan):
    return {name: choice.value for name, choice in plan.choices()}


@pytest.mark.parametrize("images", [1, 2, 10, 60, 1000, 5000, 118_287])
def test_plans_of_all_sizes_are_consistent(facts, small, cpu, random_weights, images):
    plan = make_plan(replace(facts, images=images, val_images=max(images // 10, 1)), small, cpu, random_weights)
    assert MIN_EPOCHS <= plan.epochs.value <= MAX_EPOCHS
    assert plan.batch.value == min(images, 4)
    assert plan.iterations.value == pytest.approx(plan.epochs.value * images / plan.batch.value, abs=1)
    assert 1 <= plan.evaluations <= MAX_EVALUATIONS
    assert plan.warmup.value <= 0.05 * plan.iterations.value
    assert all(choice.reason or choice.is_set or name == "recipe" for name, choice in plan.choices())


def test_trained_weights_need_no_more_epochs_than_random_weights(facts, large, cpu, random_weights):
    small_dataset = replace(facts, images=50)
    assert make_plan(small_dataset, large, cpu, COCO).epochs.value <= (
        make_plan(small_dataset, large, cpu, random_weights).epochs.value
    )


def test_learning_rate_is_proportional_to_the_batch(facts, large, cpu):
    plan = make_plan(facts, large, cpu, COCO)
    assert (plan.batch.value, plan.lr) == (2, Choice(0.0025, "0.02 for 16 images, in proportion"))


def test_accumulated_batches_count_for_the_learning_rate_and_the_epochs(facts, large, cpu):
    plan = make_plan(facts, large, cpu, COCO, PlanRequest(epochs=16, accumulation=8))
    assert (plan.lr.value, plan.iterations.value) == (0.02, 1000)


def test_the_users_values_are_kept_and_marked(facts, large, cpu):
    request = PlanRequest(epochs=2, batch=5, lr=0.5, image_size=100, workers=3, eval_every=7)
    plan = make_plan(facts, large, cpu, COCO, request)
    expected = {"epochs": 2, "batch": 5, "lr": 0.5, "image_size": (100, 167), "workers": 3, "eval_every": 7}
    assert values(plan).items() >= expected.items()
    assert all(getattr(plan, name).is_set for name in expected)
    assert (plan.iterations.value, plan.iterations.is_set) == (400, False)


def test_iterations_replace_the_epochs(facts, small, cpu, random_weights):
    plan = make_plan(facts, small, cpu, random_weights, PlanRequest(iterations=50))
    assert (plan.iterations.value, plan.epochs.value) == (50, 0.2)


@pytest.mark.parametrize(("size", "batch"), [(320, 4), (800, 2)])
def test_batches_on_a_cpu_depend_on_the_image_size(facts, large, cpu, size, batch):
    assert make_plan(facts, large, cpu, COCO, PlanRequest(image_size=size)).batch.value == batch


def test_batches_on_a_gpu_are_found_by_trying(facts, large):
    plan = make_plan(facts, large, GPU, COCO, find_batch=lambda maximum: min(maximum, 8))
    assert (plan.batch.value, plan.lr.value) == (8, 0.01)
    assert "memory of H200" in plan.batch.reason


def test_auto_batches_may_exceed_that_of_the_recipe(facts, large):
    request = PlanRequest(batch="auto")
    plan = make_plan(facts, large, GPU, COCO, request, find_batch=lambda maximum: min(maximum, 32))
    assert (plan.batch.value, plan.lr.value, plan.batch.is_set) == (32, 0.04, True)


def test_processes_share_the_batch(facts, large):
    plan = make_plan(facts, large, replace(GPU, processes=8), COCO)
    assert (plan.batch.value, plan.lr.value) == (16, 0.02)
    with pytest.raises(ValueError, match="batch must be divisible by the number of processes, got 12 and 8"):
        make_plan(facts, large, replace(GPU, processes=8), COCO, PlanRequest(batch=12))


@pytest.mark.parametrize(
    ("short_edge", "small_object", "size"),
    [(480, 0.1, (320, 512)), (480, 0.03, (480, 768)), (1080, 0.02, (640, 1024)), (32, 0.3, (128, 205))],
    ids=["usual", "small objects", "very small objects", "tiny images"],
)
def test_image_size_on_a_cpu(facts, small, cpu, random_weights, short_edge, small_object, size):
    plan = make_plan(replace(facts, short_edge=short_edge, small_object=small_object), small, cpu, random_weights)
    assert plan.image_size.value == size


def test_a_gpu_keeps_the_size_of_the_recipe_for_large_images(facts, large):
    assert make_plan(replace(facts, short_edge=4000, long_edge=6000), large, GPU, COCO).image_size.value == (800, 1333)


@pytest.mark.parametrize(
    ("machine", "workers"),
    [
        (Machine("cpu", 1), 0),
        (Machine("cpu", 2), 0),
        (Machine("cpu", 16), 2),
        (Machine("cuda", 1), 0),
        (Machine("cuda", 4), 3),
        (Machine("cuda", 64), 8),
    ],
    ids=str,
)
def test_loader_processes_never_exceed_the_cores(facts, small, random_weights, machine, workers):
    assert make_plan(facts, small, machine, random_weights).workers.value == workers


def test_a_large_validation_split_is_evaluated_less_often(facts, small, cpu, random_weights):
    few = make_plan(replace(facts, images=60, val_images=5000), small, cpu, random_weights)
    assert few.evaluations == 2


def test_gradients_are_clipped_unless_the_recipe_does(facts, small, large, cpu, random_weights):
    assert make_plan(facts, small, cpu, random_weights).clip.value is None
    assert make_plan(facts, large, cpu, COCO).clip.value == GRADIENT_NORM_LIMIT


def test_rejects_an_image_size_for_other_augmentations(facts, small, cpu, random_weights):
    small.dataloader.test.mapper.augmentations = []
    assert make_plan(facts, small, cpu, random_weights).image_size.value is None
    with pytest.raises(ValueError, match="image_size needs a recipe with ResizeShortestEdge"):
        make_plan(facts, small, cpu, random_weights, PlanRequest(image_size=100))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [({"epochs": 0}, "epochs must be positive, got 0"), ({"workers": -1}, "workers must not be negative"),
     ({"batch": "all"}, "batch must be a positive number or 'auto', got 'all'")],
)  # fmt: skip
def test_rejects_invalid_requests(arguments, words):
    with pytest.raises(ValueError, match=words):
        PlanRequest(**arguments)
