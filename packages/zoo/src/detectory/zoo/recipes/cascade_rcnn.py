"""Cascade Mask R-CNN on ResNets.

Source: Cai and Vasconcelos, "Cascade R-CNN: Delving into High Quality Object Detection", 2018.
"""

from functools import partial

from omegaconf import DictConfig

from detectory.zoo.parts.cascade import make_cascade
from detectory.zoo.parts.config import resnet_config, set_schedule
from detectory.zoo.parts.loaders import coco_loaders, random_crop, random_flip, resize_shortest_edge
from detectory.zoo.parts.rcnn import mask_rcnn_fpn
from detectory.zoo.parts.resnet import R_50, X_152_DEFORMABLE
from detectory.zoo.recipes.recipe_table import RECIPES, recipe

#: Proposals per image in training and inference.
CASCADE_PROPOSALS = [2000, 1000]


def _cascade(times: int) -> DictConfig:
    model = make_cascade(mask_rcnn_fpn())
    model.proposal_generator.post_nms_topk = CASCADE_PROPOSALS
    return resnet_config(model, R_50, times)


for _times in (1, 3):
    RECIPES[f"Misc/cascade_mask_rcnn_R_50_FPN_{_times}x"] = partial(_cascade, _times)


@recipe("Misc/cascade_mask_rcnn_X_152_32x8d_FPN_IN5k_gn_dconv")
def cascade_x152() -> DictConfig:
    """Cascade Mask R-CNN on a deformable ResNeXt-152, with group normalisation and eight convolutions in the heads."""
    model = make_cascade(mask_rcnn_fpn(), "GN")
    model.proposal_generator.post_nms_topk = CASCADE_PROPOSALS
    model.roi_heads.mask_head.conv_dims = [256] * 9
    model.roi_heads.mask_head.conv_norm = "GN"
    augmentations = [
        random_crop(0.9),
        resize_shortest_edge([640, 864], max_size=1440, sample_style="range"),
        random_flip(),
    ]
    loaders = coco_loaders(augmentations=augmentations, batch_size=128)
    loaders.train.mapper.recompute_boxes = True  # crops cut masks, so that their boxes shrink
    config = resnet_config(model, X_152_DEFORMABLE, dataloader=loaders, lr=0.16)
    config.train.eval_period = 2500
    return set_schedule(config, 50_000, [35_000, 45_000])
