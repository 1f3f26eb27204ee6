"""DeepLabV3 and DeepLabV3+ on Cityscapes.

Source: Chen et al., "Rethinking Atrous Convolution for Semantic Image Segmentation", 2017; Chen et al.,
"Encoder-Decoder with Atrous Separable Convolution for Semantic Image Segmentation", 2018.
"""

from omegaconf import DictConfig

from detectory.core.config import LazyCall
from detectory.modeling.layers import ShapeSpec
from detectory.modeling.meta_arch import SemanticSegmentor
from detectory.projects.deeplab import DeepLabV3Head, DeepLabV3PlusHead
from detectory.zoo.parts.config import whole_config
from detectory.zoo.parts.loaders import random_flip, resize_shortest_edge, stuff_loaders
from detectory.zoo.parts.training import sgd, train_options
from detectory.zoo.recipes import recipe

from .parts import RGB, WEIGHTS, backbone, poly_schedule

_CROP = [512, 1024]
_ITERATIONS = 90_000


def _config(head: DictConfig, out_features: list[str]) -> DictConfig:
    model = LazyCall(SemanticSegmentor)(backbone=backbone(101, out_features), sem_seg_head=head, **RGB)
    return whole_config(
        model=model,
        dataloader=_loaders(),
        optimizer=sgd(lr=0.01),
        lr_multiplier=poly_schedule(_ITERATIONS),
        train=train_options(WEIGHTS[101], max_iter=_ITERATIONS),
    )


def _loaders() -> DictConfig:
    loaders = stuff_loaders()
    loaders.train.dataset.names = "cityscapes_fine_sem_seg_train"
    loaders.train.mapper.image_format = "RGB"
    loaders.train.mapper.augmentations = [
        resize_shortest_edge([512, 768, 1024, 1280, 1536, 1792, 2048], max_size=4096, sample_style="choice"),
        LazyCall("detectory.data.transforms.RandomCrop")(crop_type="absolute", crop_size=_CROP),
        random_flip(),
    ]
    loaders.test.dataset.names = "cityscapes_fine_sem_seg_val"
    loaders.test.mapper.augmentations = [resize_shortest_edge(1024, max_size=2048)]
    return loaders


_COMMON = {
    "aspp_dilations": [6, 12, 18],
    "aspp_dropout": 0.1,
    "num_classes": 19,
    "norm": "SyncBN",
    "train_size": _CROP,
    "loss_type": "hard_pixel_mining",
    "ignore_value": 255,
}


@recipe("DeepLab/Cityscapes-SemanticSegmentation/deeplab_v3_R_103_os16_mg124_poly_90k_bs16")
def deeplab_v3() -> DictConfig:
    """DeepLabV3 on a ResNet-101 with DeepLab's stem."""
    shapes = {"res5": ShapeSpec(channels=2048, stride=16)}
    head = LazyCall(DeepLabV3Head)(input_shape=shapes, aspp_channels=256, common_stride=16, **_COMMON)
    return _config(head, ["res5"])


@recipe("DeepLab/Cityscapes-SemanticSegmentation/deeplab_v3_plus_R_103_os16_mg124_poly_90k_bs16")
def deeplab_v3_plus() -> DictConfig:
    """DeepLabV3+ on a ResNet-101 with DeepLab's stem."""
    shapes = {"res2": ShapeSpec(channels=256, stride=4), "res5": ShapeSpec(channels=2048, stride=16)}
    head = LazyCall(DeepLabV3PlusHead)(
        input_shape=shapes, project_channels=[48], decoder_channels=[256, 256], common_stride=4, **_COMMON
    )
    return _config(head, ["res2", "res5"])
