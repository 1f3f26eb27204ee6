"""The data part of a recipe: datasets, augmentations, loaders and evaluators.

Targets are dotted paths, so that models can be built without detectory-data and detectory-evaluation.
"""

from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from detectory.core.config import LazyCall

TRAIN_SIZES = [640, 672, 704, 736, 768, 800]

_DATA = "detectory.data"
_TRANSFORMS = "detectory.data.transforms"
_EVALUATION = "detectory.evaluation"


def resize_shortest_edge(short_edge_length: Any, **arguments: Any) -> DictConfig:
    """Return a resize of the shorter side to `short_edge_length` pixels, keeping the aspect ratio."""
    return LazyCall(f"{_TRANSFORMS}.ResizeShortestEdge")(short_edge_length=short_edge_length, **arguments)


def random_flip() -> DictConfig:
    """Return a horizontal flip with probability 0.5."""
    return LazyCall(f"{_TRANSFORMS}.RandomFlip")(horizontal=True)


def random_crop(min_fraction: float) -> DictConfig:
    """Return a crop to a random fraction of height and width, at least `min_fraction`."""
    return LazyCall(f"{_TRANSFORMS}.RandomCrop")(crop_type="relative_range", crop_size=[min_fraction, min_fraction])


def multi_scale_augmentations(sizes: Sequence[int], max_size: int = 1333) -> list[DictConfig]:
    """Return a resize of the shorter side to one of `sizes` pixels and a random flip."""
    return [resize_shortest_edge(list(sizes), sample_style="choice", max_size=max_size), random_flip()]


def fixed_size_augmentations() -> list[DictConfig]:
    """Return a resize of the shorter side to 800 pixels and a random flip."""
    return multi_scale_augmentations([800])


def large_scale_jitter(size: int = 1024) -> list[DictConfig]:
    """Return a resize by 0.1 to 2 relative to `size`, followed by a crop to `size` x `size` pixels.

    Source: Ghiasi et al., "Simple Copy-Paste is a Strong Data Augmentation Method", 2021.
    """
    return [
        LazyCall(f"{_TRANSFORMS}.ResizeScale")(min_scale=0.1, max_scale=2.0, target_height=size, target_width=size),
        LazyCall(f"{_TRANSFORMS}.FixedSizeCrop")(crop_size=[size, size]),
    ]


def crop_or_not() -> list[DictConfig]:
    """Return the augmentation of DETR: a crop with probability 0.5, followed by a resize.

    Source: Carion et al., "End-to-End Object Detection with Transformers", 2020, section 4.
    """
    cropped = LazyCall(f"{_TRANSFORMS}.AugmentationList")(
        augs=[
            resize_shortest_edge([400, 500, 600], sample_style="choice"),
            LazyCall(f"{_TRANSFORMS}.RandomCrop")(crop_type="absolute_range", crop_size=[384, 600]),
        ]
    )
    return [
        LazyCall(f"{_TRANSFORMS}.RandomApply")(tfm_or_aug=cropped, prob=0.5),
        resize_shortest_edge(list(range(480, 801, 32)), max_size=1333, sample_style="choice"),
    ]


def coco_loaders(
    train: str = "coco_2017_train",
    test: str = "coco_2017_val",
    augmentations: list[DictConfig] | None = None,
    image_format: str = "BGR",
    batch_size: int = 16,
    masks: bool = True,
) -> DictConfig:
    """Return the `dataloader` part for instances, evaluated with COCO's metrics.

    Args:
        train: Name of the training set.
        test: Name of the test set.
        augmentations: Augmentations in training; by default a shorter side of 640 to 800 pixels and a random flip.
        image_format: Channel order.
        batch_size: Training images per step, over all workers.
        masks: Whether to load instance masks.
    """
    if augmentations is None:
        augmentations = multi_scale_augmentations(TRAIN_SIZES)
    return OmegaConf.create(
        {
            "train": LazyCall(f"{_DATA}.build_detection_train_loader")(
                dataset=LazyCall(f"{_DATA}.get_detection_dataset_dicts")(names=train),
                mapper=LazyCall(f"{_DATA}.DatasetMapper")(
                    is_train=True, augmentations=augmentations, image_format=image_format, use_instance_mask=masks
                ),
                total_batch_size=batch_size,
                num_workers=4,
            ),
            "test": LazyCall(f"{_DATA}.build_detection_test_loader")(
                dataset=LazyCall(f"{_DATA}.get_detection_dataset_dicts")(names=test, filter_empty=False),
                mapper=LazyCall(f"{_DATA}.DatasetMapper")(
                    is_train=False,
                    augmentations=[resize_shortest_edge(800, max_size=1333)],
                    image_format="${...train.mapper.image_format}",
                ),
                num_workers=4,
            ),
            "evaluator": LazyCall(f"{_EVALUATION}.COCOEvaluator")(dataset_name="${..test.dataset.names}"),
        },
        flags={"allow_objects": True},
    )


def keypoint_loaders() -> DictConfig:
    """Return the `dataloader` part of COCO person keypoints."""
    loaders = coco_loaders("keypoints_coco_2017_train", "keypoints_coco_2017_val", masks=False)
    loaders.train.dataset.min_keypoints = 1
    loaders.train.mapper.use_keypoint = True
    # A horizontal flip swaps left and right eyes, ears, shoulders, elbows, wrists, hips, knees and ankles.
    loaders.train.mapper.keypoint_hflip_indices = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]
    return loaders


def panoptic_loaders() -> DictConfig:
    """Return the `dataloader` part of COCO panoptic, with instance, semantic and panoptic metrics."""
    loaders = coco_loaders("coco_2017_train_panoptic_separated", "coco_2017_val_panoptic_separated")
    loaders.train.dataset.filter_empty = False
    loaders.evaluator = [
        LazyCall(f"{_EVALUATION}.{name}")(dataset_name="${...test.dataset.names}")
        for name in ("COCOEvaluator", "SemSegEvaluator", "COCOPanopticEvaluator")
    ]
    return loaders


def stuff_loaders() -> DictConfig:
    """Return the `dataloader` part of COCO stuff, with semantic metrics."""
    loaders = coco_loaders("coco_2017_train_panoptic_stuffonly", "coco_2017_val_panoptic_stuffonly", masks=False)
    _evaluate_with(loaders, "SemSegEvaluator")
    return loaders


def cityscapes_loaders() -> DictConfig:
    """Return the `dataloader` part of Cityscapes instances, with images of 1024 x 2048 pixels in batches of 8."""
    loaders = coco_loaders(
        "cityscapes_fine_instance_seg_train",
        "cityscapes_fine_instance_seg_val",
        augmentations=multi_scale_augmentations(range(800, 1025, 32), max_size=2048),
        batch_size=8,
    )
    loaders.test.mapper.augmentations = [resize_shortest_edge(1024, max_size=2048)]
    _evaluate_with(loaders, "CityscapesInstanceEvaluator")
    return loaders


def voc_loaders() -> DictConfig:
    """Return the `dataloader` part of PASCAL VOC boxes: training on 2007 and 2012, evaluation on 2007."""
    loaders = coco_loaders(
        test="voc_2007_test", augmentations=multi_scale_augmentations(range(480, 801, 32)), masks=False
    )
    loaders.train.dataset.names = ["voc_2007_trainval", "voc_2012_trainval"]
    _evaluate_with(loaders, "PascalVOCDetectionEvaluator")
    return loaders


def use_precomputed_proposals(loaders: DictConfig) -> DictConfig:
    """Add the published proposals of `rpn_R_50_FPN_1x` to loaders of COCO, in place."""
    proposals = "detectron2://COCO-Detection/rpn_R_50_FPN_1x/137258492/coco_2017_{}_box_proposals_{}.pkl"
    for part, split, digest, topk in (("train", "train", "21bc3a", 2000), ("test", "val", "ee0dad", 1000)):
        loaders[part].dataset.proposal_files = [proposals.format(split, digest)]
        loaders[part].mapper.precomputed_proposal_topk = topk
        loaders[part].num_workers = 2
    return loaders


def _evaluate_with(loaders: DictConfig, evaluator: str) -> None:
    loaders.evaluator = LazyCall(f"{_EVALUATION}.{evaluator}")(dataset_name="${..test.dataset.names}")


def on_lvis(loaders: DictConfig, version: str = "v1") -> DictConfig:
    """Change loaders of COCO to LVIS, in place: repeat-factor sampling, up to 300 detections per image."""
    sampler = "detectory.data.samplers.RepeatFactorTrainingSampler"
    loaders.train.dataset.names = f"lvis_{version}_train"
    loaders.test.dataset.names = f"lvis_{version}_val"
    loaders.train.sampler = LazyCall(sampler)(
        repeat_factors=LazyCall(f"{sampler}.repeat_factors_from_category_frequency")(
            dataset_dicts="${dataloader.train.dataset}", repeat_thresh=0.001
        )
    )
    loaders.evaluator = LazyCall(f"{_EVALUATION}.LVISEvaluator")(
        dataset_name="${..test.dataset.names}", max_dets_per_image=300
    )
    return loaders
