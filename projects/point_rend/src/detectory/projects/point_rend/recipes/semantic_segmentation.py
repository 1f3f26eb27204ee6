"""Semantic FPN refined by PointRend, on Cityscapes.

Source: Kirillov et al., "PointRend: Image Segmentation as Rendering", CVPR 2020, section 4.2.
"""

from dataclasses import replace

from omegaconf import DictConfig

from detectory.core.config import LazyCall
from detectory.modeling.meta_arch import SemanticSegmentor
from detectory.projects.point_rend import ColorAugSSDTransform, PointRendSemSegHead, StandardPointHead
from detectory.zoo.parts.config import resnet_config, set_schedule
from detectory.zoo.parts.loaders import random_flip, resize_shortest_edge, stuff_loaders
from detectory.zoo.parts.resnet import R_101
from detectory.zoo.recipes import recipe
from detectory.zoo.recipes.panoptic_fpn import panoptic_fpn


@recipe("PointRend/SemanticSegmentation/pointrend_semantic_R_101_FPN_1x_cityscapes")
def point_rend_semantic() -> DictConfig:
    """Semantic FPN with PointRend on the 19 classes of Cityscapes."""
    panoptic = panoptic_fpn()
    coarse = panoptic.sem_seg_head
    coarse.loss_weight, coarse.num_classes = 1.0, 19
    coarse.input_shape = {level: {**shape, "channels": 256} for level, shape in coarse.input_shape.items()}
    model = LazyCall(SemanticSegmentor)(
        backbone=panoptic.backbone,
        sem_seg_head=LazyCall(PointRendSemSegHead)(
            coarse_sem_seg_head=coarse,
            point_head=LazyCall(StandardPointHead)(
                in_channels=256, num_classes="${..coarse_sem_seg_head.num_classes}", coarse_pred_each_layer=False
            ),
            in_features=["p2"],
        ),
        pixel_mean=panoptic.pixel_mean,
        pixel_std=panoptic.pixel_std,
    )
    config = resnet_config(model, replace(R_101, freeze_at=0), dataloader=_loaders(), lr=0.01)
    return set_schedule(config, 65_000, [40_000, 55_000])


def _loaders() -> DictConfig:
    loaders = stuff_loaders()
    loaders.train.dataset.names = "cityscapes_fine_sem_seg_train"
    loaders.train.total_batch_size = 32
    loaders.train.mapper.augmentations = [
        resize_shortest_edge([512, 768, 1024, 1280, 1536, 1792, 2048], max_size=4096, sample_style="choice"),
        LazyCall("detectory.data.transforms.RandomCrop_CategoryAreaConstraint")(
            crop_type="absolute", crop_size=[512, 1024], single_category_max_area=0.75, ignored_category=255
        ),
        LazyCall(ColorAugSSDTransform)(img_format="${..image_format}"),
        random_flip(),
    ]
    loaders.test.dataset.names = "cityscapes_fine_sem_seg_val"
    loaders.test.mapper.augmentations = [resize_shortest_edge(1024, max_size=2048)]
    return loaders
