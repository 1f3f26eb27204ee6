"""A detector in two processes, or with two batches of one update, learns the mean of what each shard teaches."""

import pytest
import torch

from detectory.core.config import instantiate
from detectory.core.distributed import get_rank
from detectory.engine import SimpleTrainer, create_ddp_model, launch
from detectory.structures import BitMasks, Boxes, Instances

from . import small_recipes

MODELS = ("mask_rcnn", "retinanet")


def shards():
    """Two batches of two images each, with unequal numbers of objects."""
    generator = torch.Generator().manual_seed(3)
    images = []
    for number, objects in enumerate((1, 4, 2, 3)):
        corners = torch.rand(objects, 2, generator=generator) * 40
        boxes = torch.cat([corners, corners + 8 + torch.rand(objects, 2, generator=generator) * 15], dim=1)
        masks = torch.rand(objects, 64, 64, generator=generator) > 0.5
        fields = {"gt_boxes": Boxes(boxes), "gt_classes": torch.arange(objects), "gt_masks": BitMasks(masks)}
        picture = torch.randint(0, 255, (3, 64, 64), generator=generator).to(torch.uint8)
        images.append({"image": picture, "instances": Instances((64, 64), **fields), "image_id": number})
    return [images[:2], images[2:]]


def start_again(model, inputs):
    """Let a model sample the same regions of the same images, and forget its mean number of positive anchors."""
    torch.manual_seed(inputs[0][0]["image_id"])
    if hasattr(model, "loss_normalizer"):
        model.loss_normalizer = 100.0


def model_of(kind):
    """The same model in every process."""
    torch.manual_seed(0)
    model = instantiate(getattr(small_recipes, kind)(1, "unused").model)
    model.register_forward_pre_hook(start_again)
    return model


def step(kind, batches, parallel=False, **arguments):
    """The parameters after one update with a rate of 0.1, and the loss that the trainer tells."""
    model = model_of(kind)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    trainer = SimpleTrainer(create_ddp_model(model) if parallel else model, batches, optimizer, **arguments)
    trainer.train(0, 1)
    loss = trainer.storage.history("total_loss").latest() if get_rank() == 0 else None
    return {name: value.detach() for name, value in model.named_parameters()}, loss


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """Sums of several threads differ in their last digits, and then a detector may choose other anchors."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def work(folder):
    torch.set_num_threads(1)
    found = {kind: step(kind, [shards()[get_rank()]], parallel=True) for kind in MODELS}
    torch.save(found, folder / f"found{get_rank()}.pth")


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """What each of two processes ends with."""
    folder = tmp_path_factory.mktemp("two")
    launch(work, 2, args=(folder,))
    return [torch.load(folder / f"found{rank}.pth") for rank in range(2)]


@pytest.fixture(scope="module", params=MODELS)
def alone(request):
    """The model's name, the mean of what each shard alone makes of the parameters, and the mean loss."""
    (first, loss), (second, other) = (step(request.param, [shard]) for shard in shards())
    return request.param, {name: (first[name] + second[name]) / 2 for name in first}, (loss + other) / 2


def equals(found, expected):
    return all(torch.allclose(found[name], value, atol=1e-5) for name, value in expected.items())


@pytest.mark.parametrize("rank", [0, 1])
def test_two_processes_learn_the_mean_of_their_shards(two, alone, rank):
    kind, parameters, loss = alone
    found, told = two[rank][kind]
    assert equals(found, parameters)
    assert told == pytest.approx(loss, rel=1e-5) if rank == 0 else told is None


def test_accumulated_batches_teach_their_mean(alone):
    kind, parameters, loss = alone
    found, told = step(kind, shards(), accumulation_steps=2)
    assert equals(found, parameters)
    assert told == pytest.approx(loss, rel=1e-5)


@pytest.mark.parametrize("kind", MODELS)
def test_a_shard_teaches_something_else_than_the_mean(two, kind):
    assert not equals(step(kind, [shards()[0]])[0], two[0][kind][0])
