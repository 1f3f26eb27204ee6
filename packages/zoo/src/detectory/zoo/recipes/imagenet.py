"""ImageNet classification with torchvision's ResNet-50.

An example of training a model other than a detector: any model that returns a dict of losses can be trained.
torchvision and detectory-data are dotted paths, so that the config can be read without them.

Source: Goyal et al., "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour", 2017 (schedule).
"""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from detectory.core.config import LazyCall, locate
from detectory.core.distributed import all_gather
from detectory.zoo.parts.config import whole_config
from detectory.zoo.parts.training import train_options
from detectory.zoo.recipes.recipe_table import recipe

_MEAN, _STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
_TRANSFORMS = "torchvision.transforms"


class ClassificationNet(nn.Module):
    """A classifier with the interface of the trainer: losses in training, class scores otherwise.

    Args:
        model: Maps images `(B, 3, H, W)` to scores `(B, K)`.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    @property
    def device(self) -> torch.device:
        """Device of the parameters."""
        return next(self.model.parameters()).device

    def forward(self, inputs: tuple[Tensor, Tensor]) -> dict[str, Tensor] | Tensor:
        """Return `{"loss_cls": …}` in training, otherwise the scores `(B, K)`, for a batch of images and labels."""
        images, labels = inputs
        scores = self.model(images.to(self.device))
        if self.training:
            return {"loss_cls": nn.functional.cross_entropy(scores, labels.to(self.device))}
        return scores


class ClassificationAcc:
    """Evaluator of the classification accuracy."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Discard all accumulated results."""
        self.correct = self.total = 0

    def process(self, inputs: tuple[Tensor, Tensor], outputs: Tensor) -> None:
        """Accumulate a batch of labels `(B,)` and scores `(B, K)`."""
        _, labels = inputs
        self.correct += int((outputs.argmax(dim=1).cpu() == labels.cpu()).sum())
        self.total += len(labels)

    def evaluate(self) -> dict[str, float]:
        """Return `{"accuracy": fraction}` over all workers."""
        counts = all_gather((self.correct, self.total))
        correct, total = sum(pair[0] for pair in counts), sum(pair[1] for pair in counts)
        if total == 0:
            raise RuntimeError("ClassificationAcc.evaluate: no images were processed")
        return {"accuracy": correct / total}


def build_data_loader(dataset: Any, batch_size: int, num_workers: int, training: bool = True) -> Iterable[Any]:
    """Return a loader of batches `(images, labels)`: infinite in training, one pass otherwise."""
    sampler = locate(f"detectory.data.samplers.{'TrainingSampler' if training else 'InferenceSampler'}")
    return torch.utils.data.DataLoader(
        dataset, sampler=sampler(len(dataset)), batch_size=batch_size, num_workers=num_workers, pin_memory=True
    )


def resnet_50() -> nn.Module:
    """Return torchvision's ResNet-50 with random weights."""
    return locate("torchvision.models.resnet50")()


def _images(transforms: list[Any], **arguments: str) -> Mapping[str, Any]:
    normalize = LazyCall(f"{_TRANSFORMS}.Normalize")(mean=_MEAN, std=_STD)
    steps = [*transforms, LazyCall(f"{_TRANSFORMS}.ToTensor")(), normalize]
    return LazyCall("torchvision.datasets.ImageNet")(
        transform=LazyCall(f"{_TRANSFORMS}.Compose")(transforms=steps), **arguments
    )


@recipe("Misc/torchvision_imagenet_R_50")
def imagenet_r50() -> DictConfig:
    """ResNet-50 on ImageNet, 100 epochs."""
    config = whole_config(
        model=LazyCall(ClassificationNet)(model=LazyCall(resnet_50)()),
        dataloader=OmegaConf.create(
            {
                "train": LazyCall(build_data_loader)(
                    dataset=_images(
                        [
                            LazyCall(f"{_TRANSFORMS}.RandomResizedCrop")(size=224),
                            LazyCall(f"{_TRANSFORMS}.RandomHorizontalFlip")(),
                        ],
                        root="/path/to/imagenet",
                        split="train",
                    ),
                    batch_size=256 // 8,
                    num_workers=4,
                    training=True,
                ),
                "test": LazyCall(build_data_loader)(
                    dataset=_images(
                        [
                            LazyCall(f"{_TRANSFORMS}.Resize")(size=256),
                            LazyCall(f"{_TRANSFORMS}.CenterCrop")(size=224),
                        ],
                        root="${...train.dataset.root}",
                        split="val",
                    ),
                    batch_size=256 // 8,
                    num_workers=4,
                    training=False,
                ),
                "evaluator": LazyCall(ClassificationAcc)(),
            },
            flags={"allow_objects": True},
        ),
        optimizer=LazyCall(torch.optim.SGD)(
            params=LazyCall("detectory.engine.optimizers.get_default_optimizer_params")(),
            lr=0.1,
            momentum=0.9,
            weight_decay=1e-4,
        ),
        lr_multiplier=LazyCall("detectory.engine.schedules.WarmupParamScheduler")(
            scheduler=LazyCall("detectory.engine.schedules.MultiStepParamScheduler")(
                values=[1.0, 0.1, 0.01, 0.001], milestones=[30, 60, 90, 100]
            ),
            warmup_length=1 / 100,
            warmup_factor=0.1,
        ),
        train=train_options(None),
    )
    config.train.max_iter = 100 * 1281167 // 256
    return config
