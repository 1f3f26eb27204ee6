"""Data-parallel training and gradient accumulation apply the mean update of the shards."""

import pytest
import torch

from detectory.core.config import instantiate
from detectory.core.distributed import get_rank
from detectory.engine import SimpleTrainer, create_ddp_model, launch
from detectory.structures import BitMasks, Boxes, Instances

from . import small_recipes

MODELS = ("mask_rcnn", "retinanet")


def shards():
    """Return two batches of two images each, with different numbers of objects."""
    generator = torch.Generator().manual_seed(3)
    images = []
    for image_id, objects in enumerate((1, 4, 2, 3)):
        corners = torch.rand(objects, 2, generator=generator) * 40
        boxes = torch.cat([corners, corners + 8 + torch.rand(objects, 2, generator=generator) * 15], dim=1)
        masks = torch.rand(objects, 64, 64, generator=generator) > 0.5
        fields = {"gt_boxes": Boxes(boxes), "gt_classes": torch.arange(objects), "gt_masks": BitMasks(masks)}
        image = torch.randint(0, 255, (3, 64, 64), generator=generator).to(torch.uint8)
        images.append({"image": image, "instances": Instances((64, 64), **fields), "image_id": image_id})
    return [images[:2], images[2:]]


def reset_randomness(model, inputs):
    """Make the sampling of regions depend on the images only, and reset RetinaNet's running loss normalizer."""
    torch.manual_seed(inputs[0][0]["image_id"])
    if hasattr(model, "loss_normalizer"):
        model.loss_normalizer = 100.0


def build_model(name):
    """Return a model with the same weights in every process."""
    torch.manual_seed(0)
    model = instantiate(getattr(small_recipes, name)(1, "unused").model)
    model.register_forward_pre_hook(reset_randomness)
    return model


def step(name, batches, parallel=False, **arguments):
    """Return the parameters after one update with learning rate 0.1, and the logged loss (None on other ranks)."""
    model = build_model(name)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    trainer = SimpleTrainer(create_ddp_model(model) if parallel else model, batches, optimizer, **arguments)
    trainer.train(0, 1)
    loss = trainer.storage.history("total_loss").latest() if get_rank() == 0 else None
    return {key: value.detach() for key, value in model.named_parameters()}, loss


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """Use one thread: the rounding of multithreaded sums varies, which can change the sampled anchors."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def work(folder):
    torch.set_num_threads(1)
    results = {name: step(name, [shards()[get_rank()]], parallel=True) for name in MODELS}
    torch.save(results, folder / f"results{get_rank()}.pth")


@pytest.fixture(scope="module")
def process_results(tmp_path_factory):
    """Return the results of each of two processes."""
    folder = tmp_path_factory.mktemp("processes")
    launch(work, 2, args=(folder,))
    return [torch.load(folder / f"results{rank}.pth") for rank in range(2)]


@pytest.fixture(scope="module", params=MODELS)
def shard_mean(request):
    """Return the model's name, the mean parameters of separate updates with each shard, and the mean loss."""
    (first, first_loss), (second, second_loss) = (step(request.param, [shard]) for shard in shards())
    return request.param, {name: (first[name] + second[name]) / 2 for name in first}, (first_loss + second_loss) / 2


def is_close(parameters, expected):
    return all(torch.allclose(parameters[name], value, atol=1e-5) for name, value in expected.items())


@pytest.mark.parametrize("rank", [0, 1])
def test_two_processes_apply_the_mean_update(process_results, shard_mean, rank):
    name, expected, expected_loss = shard_mean
    parameters, loss = process_results[rank][name]
    assert is_close(parameters, expected)
    assert loss == pytest.approx(expected_loss, rel=1e-5) if rank == 0 else loss is None


def test_gradient_accumulation_applies_the_mean_update(shard_mean):
    name, expected, expected_loss = shard_mean
    parameters, loss = step(name, shards(), accumulation_steps=2)
    assert is_close(parameters, expected)
    assert loss == pytest.approx(expected_loss, rel=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_update_with_one_shard_differs_from_the_mean_update(process_results, name):
    assert not is_close(step(name, [shards()[0]])[0], process_results[0][name][0])
