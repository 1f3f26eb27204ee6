"""Translation of the targets in native recipes to Detectron2's module paths."""

from collections.abc import Callable
from typing import Any

from omegaconf import DictConfig, OmegaConf

from detectory.core.config import dotted_path, locate
from detectory.zoo import get_config

_ROOT = "detectory.compat.detectron2"

MODULE_OF = {
    "COCOEvaluator": "evaluation.coco_evaluation",
    "COCOPanopticEvaluator": "evaluation.panoptic_evaluation",
    "LVISEvaluator": "evaluation.lvis_evaluation",
    "SemSegEvaluator": "evaluation.sem_seg_evaluation",
    "build_detection_test_loader": "data.build",
    "build_detection_train_loader": "data.build",
    "get_detection_dataset_dicts": "data.build",
    "DatasetMapper": "data.dataset_mapper",
    "RepeatFactorTrainingSampler": "data.samplers.distributed_sampler",
    "AugmentationList": "data.transforms.augmentation",
    "FixedSizeCrop": "data.transforms.augmentation_impl",
    "RandomApply": "data.transforms.augmentation_impl",
    "RandomCrop": "data.transforms.augmentation_impl",
    "RandomFlip": "data.transforms.augmentation_impl",
    "ResizeScale": "data.transforms.augmentation_impl",
    "ResizeShortestEdge": "data.transforms.augmentation_impl",
    "ShapeSpec": "layers",
    "DefaultAnchorGenerator": "modeling.anchor_generator",
    "FPN": "modeling.backbone.fpn",
    "LastLevelMaxPool": "modeling.backbone.fpn",
    "LastLevelP6P7": "modeling.backbone.fpn",
    "MViT": "modeling.backbone.mvit",
    "RegNet": "modeling.backbone.regnet",
    "ResBottleneckBlock": "modeling.backbone.regnet",
    "SimpleStem": "modeling.backbone.regnet",
    "BasicStem": "modeling.backbone.resnet",
    "BottleneckBlock": "modeling.backbone.resnet",
    "ResNet": "modeling.backbone.resnet",
    "SwinTransformer": "modeling.backbone.swin",
    "SimpleFeaturePyramid": "modeling.backbone.vit",
    "ViT": "modeling.backbone.vit",
    "Box2BoxTransform": "modeling.box_regression",
    "Matcher": "modeling.matcher",
    "FCOS": "modeling.meta_arch.fcos",
    "FCOSHead": "modeling.meta_arch.fcos",
    "PanopticFPN": "modeling.meta_arch.panoptic_fpn",
    "GeneralizedRCNN": "modeling.meta_arch.rcnn",
    "RetinaNet": "modeling.meta_arch.retinanet",
    "RetinaNetHead": "modeling.meta_arch.retinanet",
    "SemSegFPNHead": "modeling.meta_arch.semantic_seg",
    "MMDetDetector": "modeling.mmdet_wrapper",
    "ROIPooler": "modeling.poolers",
    "RPN": "modeling.proposal_generator.rpn",
    "StandardRPNHead": "modeling.proposal_generator.rpn",
    "FastRCNNConvFCHead": "modeling.roi_heads.box_head",
    "CascadeROIHeads": "modeling.roi_heads.cascade_rcnn",
    "FastRCNNOutputLayers": "modeling.roi_heads.fast_rcnn",
    "KRCNNConvDeconvUpsampleHead": "modeling.roi_heads.keypoint_head",
    "MaskRCNNConvUpsampleHead": "modeling.roi_heads.mask_head",
    "Res5ROIHeads": "modeling.roi_heads.roi_heads",
    "StandardROIHeads": "modeling.roi_heads.roi_heads",
    "get_default_optimizer_params": "solver.build",
    "WarmupParamScheduler": "solver.lr_scheduler",
}
_FVCORE = {"MultiStepParamScheduler": "detectory.compat.fvcore.common.param_scheduler"}


def compat_path(target: str | Callable[..., Any]) -> str | None:
    """Return the dotted path of a native target under `compat`, or None if Detectron2 has no such name.

    Example:
        >>> compat_path("detectory.modeling.backbone.resnet.ResNet.make_stage")
        'detectory.compat.detectron2.modeling.backbone.resnet.ResNet.make_stage'
    """
    path = target if isinstance(target, str) else dotted_path(target)
    if not path.startswith("detectory."):
        return None
    parts = path.split(".")
    for index, name in enumerate(parts):
        module = f"{_ROOT}.{MODULE_OF[name]}" if name in MODULE_OF else _FVCORE.get(name)
        if module:
            return ".".join([module, *parts[index:]])
    return None


def with_compat_targets(config: DictConfig) -> DictConfig:
    """Return a copy of a native config with Detectron2's targets, so that `isinstance` checks hold."""
    return DictConfig(_renamed(OmegaConf.to_container(config, resolve=False)), flags={"allow_objects": True})


def recipe_parts(name: str) -> tuple[DictConfig, ...]:
    """Return the parts of a native recipe with Detectron2's targets, sorted by name."""
    config = with_compat_targets(get_config(name))
    return tuple(config[part] for part in sorted(config))


def _renamed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _renamed_target(child) if key == "_target_" else _renamed(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_renamed(child) for child in value]
    if isinstance(value, type):
        path = compat_path(value)
        return value if path is None else locate(path)
    return value


def _renamed_target(target: Any) -> Any:
    if isinstance(target, dict):
        return _renamed(target)
    path = compat_path(target) if isinstance(target, str) or hasattr(target, "__qualname__") else None
    return target if path is None else path
