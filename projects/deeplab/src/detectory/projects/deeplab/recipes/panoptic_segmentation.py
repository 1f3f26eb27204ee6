"""Panoptic-DeepLab on Cityscapes and COCO.

Source: Cheng et al., "Panoptic-DeepLab: A Simple, Strong, and Fast Baseline for Bottom-Up Panoptic Segmentation", CVPR
2020.
"""

from functools import partial
from typing import Any

import torch
from omegaconf import DictConfig

from detectory.core.config import LazyCall
from detectory.modeling.layers import ShapeSpec
from detectory.projects.deeplab.panoptic import (
    PanopticDeepLab,
    PanopticDeepLabDatasetMapper,
    PanopticDeepLabInsEmbedHead,
    PanopticDeepLabSemSegHead,
    PanopticDeepLabTargetGenerator,
)
from detectory.zoo.parts.config import set_values, whole_config
from detectory.zoo.parts.loaders import coco_loaders, random_flip, resize_shortest_edge
from detectory.zoo.parts.training import train_options
from detectory.zoo.recipes.recipe_table import RECIPES

from .parts import RGB, WEIGHTS, backbone, poly_schedule

_SIZES = [512, 640, 704, 832, 896, 1024, 1152, 1216, 1344, 1408, 1536, 1664, 1728, 1856, 1920, 2048]
_EVALUATION = "detectory.evaluation"


def panoptic_deeplab(
    num_classes: int, thing_ids: list[int], crop: list[int], depthwise: bool = False, **post_processing: Any
) -> DictConfig:
    """Return Panoptic-DeepLab on a ResNet-50 with DeepLab's stem.

    Args:
        num_classes: Number of classes, things and stuff.
        thing_ids: Contiguous ids of the thing classes.
        crop: Height and width of the training crops.
        depthwise: Whether the heads use depthwise separable convolutions.
        post_processing: Further arguments of `PanopticDeepLab`.
    """
    channels = {"res2": (256, 4), "res3": (512, 8), "res5": (2048, 16)}
    common: dict[str, Any] = {
        "input_shape": {name: ShapeSpec(channels=count, stride=stride) for name, (count, stride) in channels.items()},
        "project_channels": [32, 64],
        "aspp_dilations": [6, 12, 18],
        "aspp_dropout": 0.1,
        "common_stride": 4,
        "norm": "SyncBN",
        "train_size": crop,
        "use_depthwise_separable_conv": depthwise,
    }
    return LazyCall(PanopticDeepLab)(
        backbone=backbone(50, list(channels)),
        sem_seg_head=LazyCall(PanopticDeepLabSemSegHead)(
            decoder_channels=[256, 256, 256], head_channels=256, num_classes=num_classes, ignore_value=255, **common
        ),
        ins_embed_head=LazyCall(PanopticDeepLabInsEmbedHead)(
            decoder_channels=[128, 128, 256], head_channels=32, **common
        ),
        thing_ids=thing_ids,
        **RGB,
        **post_processing,
    )


def _loaders(
    train: str, test: str, sizes: list[int], max_size: int, crop: list[int], test_size: tuple[int, int], batch: int
) -> DictConfig:
    loaders = coco_loaders(train, test, image_format="RGB", batch_size=batch)
    loaders.train.mapper = LazyCall(PanopticDeepLabDatasetMapper)(
        augmentations=[
            resize_shortest_edge(sizes, max_size=max_size, sample_style="choice"),
            LazyCall("detectory.data.transforms.RandomCrop")(crop_type="absolute", crop_size=crop),
            random_flip(),
        ],
        image_format="RGB",
        panoptic_target_generator=LazyCall(PanopticDeepLabTargetGenerator)(
            ignore_label=255,
            thing_ids="${model.thing_ids}",
            sigma=10,
            ignore_stuff_in_offset=True,
            small_instance_area=4096,
            small_instance_weight=3,
        ),
    )
    loaders.train.dataset.filter_empty = False
    loaders.test.mapper.augmentations = [resize_shortest_edge(test_size[0], max_size=test_size[1])]
    return loaders


def _adam(lr: float) -> DictConfig:
    groups = LazyCall("detectory.engine.optimizers.get_default_optimizer_params")(base_lr="${..lr}")
    return LazyCall(torch.optim.Adam)(params=groups, lr=lr)


def _cityscapes(depthwise: bool) -> DictConfig:
    crop, iterations = [512, 1024], 90_000
    loaders = _loaders(
        "cityscapes_fine_panoptic_train", "cityscapes_fine_panoptic_val", _SIZES, 4096, crop, (1024, 2048), 32
    )
    names = ("CityscapesSemSegEvaluator", "CityscapesInstanceEvaluator", "COCOPanopticEvaluator")
    loaders.evaluator = [LazyCall(f"{_EVALUATION}.{name}")(dataset_name="${...test.dataset.names}") for name in names]
    return whole_config(
        model=panoptic_deeplab(19, list(range(11, 19)), crop, depthwise),
        dataloader=loaders,
        optimizer=_adam(0.001),
        lr_multiplier=poly_schedule(iterations),
        train=train_options(WEIGHTS[50], max_iter=iterations),
    )


def _coco() -> DictConfig:
    crop, iterations = [640, 640], 200_000
    loaders = _loaders(
        "coco_2017_train_panoptic", "coco_2017_val_panoptic", list(range(320, 961, 64)), 960, crop, (640, 640), 64
    )
    loaders.train.mapper.panoptic_target_generator.sigma = 8
    loaders.evaluator = [
        LazyCall(f"{_EVALUATION}.{name}")(dataset_name="${...test.dataset.names}")
        for name in ("COCOEvaluator", "SemSegEvaluator", "COCOPanopticEvaluator")
    ]
    model = panoptic_deeplab(
        133, list(range(80)), crop, depthwise=True, stuff_area=4096, nms_kernel=41, size_divisibility=640
    )
    config = whole_config(
        model=model,
        dataloader=loaders,
        optimizer=_adam(0.0005),
        lr_multiplier=poly_schedule(iterations),
        train=train_options(WEIGHTS[50], max_iter=iterations),
    )
    return set_values(config, {"model.sem_seg_head.loss_top_k": 1.0})


_CITYSCAPES = (
    "Panoptic-DeepLab/Cityscapes-PanopticSegmentation/panoptic_deeplab_R_52_os16_mg124_poly_90k_bs32_crop_512_1024"
)
RECIPES[_CITYSCAPES] = partial(_cityscapes, depthwise=False)
RECIPES[f"{_CITYSCAPES}_dsconv"] = partial(_cityscapes, depthwise=True)
RECIPES[
    "Panoptic-DeepLab/COCO-PanopticSegmentation/"
    "panoptic_deeplab_R_52_os16_mg124_poly_200k_bs64_crop_640_640_coco_dsconv"
] = _coco
