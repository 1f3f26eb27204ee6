"""The data part of a recipe: datasets, augmentations, loaders and the evaluator of COCO and LVIS.

The targets are named by dotted path, so that a model can be built where data and evaluation are not installed.
"""

from typing import Any

from omegaconf import DictConfig, OmegaConf

from detectory.core.config import LazyCall

TRAIN_SIZES = [640, 672, 704, 736, 768, 800]

_DATA = "detectory.data"
_TRANSFORMS = "detectory.data.transforms"
_EVALUATION = "detectory.evaluation"


def resize_shortest_edge(short_edge_length: Any, **arguments: Any) -> DictConfig:
    """Return a resize that keeps the aspect ratio; pixels."""
    return LazyCall(f"{_TRANSFORMS}.ResizeShortestEdge")(short_edge_length=short_edge_length, **arguments)


def random_flip() -> DictConfig:
    """Return a horizontal flip of half of the images."""
    return LazyCall(f"{_TRANSFORMS}.RandomFlip")(horizontal=True)


def large_scale_jitter(size: int = 1024) -> list[DictConfig]:
    """Return a resize to 0.1 to 2 times `size` and a crop of `size` by `size` pixels.

    Source: Ghiasi et al., "Simple Copy-Paste is a Strong Data Augmentation Method", 2021.
    """
    return [
        LazyCall(f"{_TRANSFORMS}.ResizeScale")(min_scale=0.1, max_scale=2.0, target_height=size, target_width=size),
        LazyCall(f"{_TRANSFORMS}.FixedSizeCrop")(crop_size=[size, size]),
    ]


def crop_or_not() -> list[DictConfig]:
    """Return the augmentation of DETR: half of the images are cropped first, all are resized.

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
    """Return the `dataloader` part for instances in COCO's layout.

    Args:
        train: Name of the training set.
        test: Name of the set that is evaluated on.
        augmentations: Of training; shortest edge 640 to 800 pixels and a flip by default.
        image_format: Order of the channels.
        batch_size: Training images over all workers.
        masks: Whether the training images carry masks.
    """
    if augmentations is None:
        augmentations = [resize_shortest_edge(TRAIN_SIZES, sample_style="choice", max_size=1333), random_flip()]
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
    """Return the `dataloader` part of COCO's people with 17 keypoints."""
    loaders = coco_loaders("keypoints_coco_2017_train", "keypoints_coco_2017_val", masks=False)
    loaders.train.dataset.min_keypoints = 1
    loaders.train.mapper.use_keypoint = True
    # Left and right of eyes, ears, shoulders, elbows, wrists, hips, knees and ankles change places in a mirror.
    loaders.train.mapper.keypoint_hflip_indices = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]
    return loaders


def panoptic_loaders() -> DictConfig:
    """Return the `dataloader` part of COCO's things and stuff, evaluated as instances, classes and panoptic maps."""
    loaders = coco_loaders("coco_2017_train_panoptic_separated", "coco_2017_val_panoptic_separated")
    loaders.train.dataset.filter_empty = False
    loaders.evaluator = [
        LazyCall(f"{_EVALUATION}.{name}")(dataset_name="${...test.dataset.names}")
        for name in ("COCOEvaluator", "SemSegEvaluator", "COCOPanopticEvaluator")
    ]
    return loaders


def on_lvis(loaders: DictConfig) -> DictConfig:
    """Change loaders of COCO to LVIS v1: images of rare categories repeat, 300 detections an image count."""
    sampler = "detectory.data.samplers.RepeatFactorTrainingSampler"
    loaders.train.dataset.names = "lvis_v1_train"
    loaders.test.dataset.names = "lvis_v1_val"
    loaders.train.sampler = LazyCall(sampler)(
        repeat_factors=LazyCall(f"{sampler}.repeat_factors_from_category_frequency")(
            dataset_dicts="${dataloader.train.dataset}", repeat_thresh=0.001
        )
    )
    loaders.evaluator = LazyCall(f"{_EVALUATION}.LVISEvaluator")(
        dataset_name="${..test.dataset.names}", max_dets_per_image=300
    )
    return loaders
