"""Augmentation interfaces under Detectron2's module path, with their older names."""

from detectory.data.transforms import AugInput, Augmentation, AugmentationList, apply_augmentations

__all__ = [
    "AugInput",
    "Augmentation",
    "AugmentationList",
    "StandardAugInput",
    "TransformGen",
    "apply_augmentations",
    "apply_transform_gens",
]

TransformGen = Augmentation
StandardAugInput = AugInput
apply_transform_gens = apply_augmentations
