"""Models of Detectron2's zoo from plain constructors, by the names of their measurements."""

import functools

from torch import nn

from detectory.modeling import backbone as bb
from detectory.modeling import meta_arch as arch
from detectory.modeling import roi_heads as heads
from detectory.modeling.anchor_generator import DefaultAnchorGenerator
from detectory.modeling.backbone.regnet import ResBottleneckBlock, SimpleStem
from detectory.modeling.box_regression import Box2BoxTransform
from detectory.modeling.layers import ShapeSpec
from detectory.modeling.matcher import Matcher
from detectory.modeling.poolers import ROIPooler
from detectory.modeling.proposal_generator import RPN, StandardRPNHead

BGR = {"pixel_mean": (103.53, 116.28, 123.675), "pixel_std": (1.0, 1.0, 1.0)}
BGR_SCALED = {**BGR, "pixel_std": (57.375, 57.12, 58.395)}
RGB = {"pixel_mean": (123.675, 116.28, 103.53), "pixel_std": (58.395, 57.12, 57.375)}
LEVELS = ("p2", "p3", "p4", "p5")
STAGES = ("res2", "res3", "res4", "res5")


def resnet(out=STAGES, depth=50, norm="FrozenBN", freeze_at=2, **kwargs):
    stages = bb.ResNet.make_default_stages(depth, norm=norm, **{"stride_in_1x1": True, **kwargs})
    return bb.ResNet(bb.BasicStem(3, 64, norm), stages, out_features=out, freeze_at=freeze_at)


def staged_resnet(out, dilation5=1, deformable=(False,) * 4):
    """ResNet-50 with a dilated last stage or deformable stages."""
    stages, channels = [], 64
    for i, (blocks, width) in enumerate(zip((3, 4, 6, 3), (256, 512, 1024, 2048), strict=True)):
        dilation = dilation5 if i == 3 else 1
        stride = 1 if i == 0 or dilation > 1 else 2
        block_class = bb.DeformBottleneckBlock if deformable[i] else bb.BottleneckBlock
        stages.append(
            bb.ResNet.make_stage(
                block_class,
                blocks,
                in_channels=channels,
                out_channels=width,
                bottleneck_channels=width // 4,
                stride_per_block=[stride] + [1] * (blocks - 1),
                dilation=dilation,
                norm="FrozenBN",
                stride_in_1x1=True,
            )
        )
        channels = width
    return bb.ResNet(bb.BasicStem(3, 64, "FrozenBN"), stages, out_features=out, freeze_at=2)


def fpn(bottom_up=None, norm=""):
    bottom_up = bottom_up or resnet()
    return bb.FPN(bottom_up, list(bottom_up.output_shape()), 256, norm, bb.LastLevelMaxPool())


def rpn(features=(*LEVELS, "p6"), channels=256, sizes=((32,), (64,), (128,), (256,), (512,)), **kwargs):
    strides = [16] if len(features) == 1 else [4, 8, 16, 32, 64]
    anchors = DefaultAnchorGenerator(sizes=sizes, aspect_ratios=[0.5, 1.0, 2.0], strides=strides, offset=0.0)
    head = StandardRPNHead(in_channels=channels, num_anchors=anchors.num_anchors[0], **kwargs)
    return RPN(
        in_features=features,
        head=head,
        anchor_generator=anchors,
        anchor_matcher=Matcher([0.3, 0.7], [0, -1, 1], allow_low_quality_matches=True),
        box2box_transform=Box2BoxTransform((1.0, 1.0, 1.0, 1.0)),
        batch_size_per_image=256,
        positive_fraction=0.5,
        pre_nms_topk=(2000, 1000) if len(features) > 1 else (12000, 6000),
        post_nms_topk=(1000, 1000) if len(features) > 1 else (2000, 1000),
    )


def pooler(size, scales=(1 / 4, 1 / 8, 1 / 16, 1 / 32)):
    return ROIPooler(size, scales, 0, "ROIAlignV2")


def predictor(shape, classes=80, weights=(10.0, 10.0, 5.0, 5.0), **kwargs):
    transform = Box2BoxTransform(weights)
    return heads.FastRCNNOutputLayers(
        shape, box2box_transform=transform, num_classes=classes, test_score_thresh=0.05, **kwargs
    )


def sampling(classes=80, iou=0.5):
    matcher = Matcher([iou], [0, 1], allow_low_quality_matches=False)
    return {
        "num_classes": classes,
        "batch_size_per_image": 512,
        "positive_fraction": 0.25,
        "proposal_matcher": matcher,
    }


def mask_branch(classes=80, norm="", convolutions=4):
    head = heads.MaskRCNNConvUpsampleHead(
        ShapeSpec(channels=256), num_classes=classes, conv_dims=[256] * (convolutions + 1), conv_norm=norm
    )
    return {"mask_in_features": LEVELS, "mask_pooler": pooler(14), "mask_head": head}


def box_branch(classes=80, conv_dims=(), fc_dims=(1024, 1024), norm="", **kwargs):
    head = heads.FastRCNNConvFCHead(
        ShapeSpec(channels=256, height=7, width=7), conv_dims=conv_dims, fc_dims=fc_dims, conv_norm=norm
    )
    last = predictor(head.output_shape, classes, **kwargs)
    return {"box_in_features": LEVELS, "box_pooler": pooler(7), "box_head": head, "box_predictor": last}


def standard_heads(classes=80, mask=True):
    branches = {**box_branch(classes), **(mask_branch(classes) if mask else {})}
    return heads.StandardROIHeads(**branches, **sampling(classes))


def mask_rcnn_fpn(classes=80, bottom_up=None, colors=BGR):
    roi_heads = standard_heads(classes)
    return arch.GeneralizedRCNN(backbone=fpn(bottom_up), proposal_generator=rpn(), roi_heads=roi_heads, **colors)


def mask_rcnn_gn():
    """Mask R-CNN with group norm in all parts, without frozen stages."""
    branches = {**box_branch(conv_dims=[256] * 4, fc_dims=[1024], norm="GN"), **mask_branch(norm="GN")}
    roi_heads = heads.StandardROIHeads(**branches, **sampling())
    backbone = fpn(resnet(norm="GN", stride_in_1x1=False), norm="GN")
    return arch.GeneralizedRCNN(backbone=backbone, proposal_generator=rpn(), roi_heads=roi_heads, **BGR)


def mask_rcnn_dconv():
    return mask_rcnn_fpn(bottom_up=staged_resnet(STAGES, deformable=(False, True, True, True)))


def cascade():
    box_heads, predictors, matchers = [], [], []
    for iou, weights in ((0.5, (10, 10, 5, 5)), (0.6, (20, 20, 10, 10)), (0.7, (30, 30, 15, 15))):
        branch = box_branch(weights=weights, cls_agnostic_bbox_reg=True)
        box_heads.append(branch["box_head"])
        predictors.append(branch["box_predictor"])
        matchers.append(Matcher([iou], [0, 1]))
    settings = {key: value for key, value in sampling().items() if key != "proposal_matcher"}
    roi_heads = heads.CascadeROIHeads(
        box_in_features=LEVELS,
        box_pooler=pooler(7),
        box_heads=box_heads,
        box_predictors=predictors,
        proposal_matchers=matchers,
        **mask_branch(),
        **settings,
    )
    return arch.GeneralizedRCNN(backbone=fpn(), proposal_generator=rpn(), roi_heads=roi_heads, **BGR)


def keypoint_rcnn():
    head = heads.KRCNNConvDeconvUpsampleHead(
        ShapeSpec(channels=256), num_keypoints=17, conv_dims=[512] * 8, loss_normalizer="visible"
    )
    branch = {"keypoint_in_features": LEVELS, "keypoint_pooler": pooler(14), "keypoint_head": head}
    roi_heads = heads.StandardROIHeads(**box_branch(1, smooth_l1_beta=0.5), **branch, **sampling(1))
    return arch.GeneralizedRCNN(backbone=fpn(), proposal_generator=rpn(), roi_heads=roi_heads, **BGR)


def faster_rcnn_c4():
    res5 = bb.ResNet.make_stage(
        bb.BottleneckBlock,
        3,
        in_channels=1024,
        out_channels=2048,
        bottleneck_channels=512,
        stride_per_block=[2, 1, 1],
        norm="FrozenBN",
        stride_in_1x1=True,
    )
    roi_heads = heads.Res5ROIHeads(
        in_features=["res4"],
        pooler=pooler(14, [1 / 16]),
        res5=res5,
        box_predictor=predictor(ShapeSpec(channels=2048)),
        **sampling(),
    )
    generator = rpn(["res4"], 1024, ((32, 64, 128, 256, 512),))
    return arch.GeneralizedRCNN(backbone=resnet(["res4"]), proposal_generator=generator, roi_heads=roi_heads, **BGR)


def faster_rcnn_dc5():
    head = heads.FastRCNNConvFCHead(ShapeSpec(channels=2048, height=7, width=7), conv_dims=[], fc_dims=[1024, 1024])
    roi_heads = heads.StandardROIHeads(
        box_in_features=["res5"],
        box_pooler=pooler(7, [1 / 16]),
        box_head=head,
        box_predictor=predictor(head.output_shape),
        **sampling(),
    )
    generator = rpn(["res5"], 2048, ((32, 64, 128, 256, 512),))
    backbone = staged_resnet(["res5"], dilation5=2)
    return arch.GeneralizedRCNN(backbone=backbone, proposal_generator=generator, roi_heads=roi_heads, **BGR)


def fast_rcnn():
    roi_heads = standard_heads(mask=False)
    return arch.GeneralizedRCNN(backbone=fpn(), proposal_generator=None, roi_heads=roi_heads, **BGR)


def proposals_only():
    generator = rpn()
    generator.post_nms_topk = {True: 1000, False: 2000}
    return arch.ProposalNetwork(backbone=fpn(), proposal_generator=generator, **BGR)


def p3_to_p7(channels, **kwargs):
    return bb.FPN(
        resnet(("res3", "res4", "res5")), ["res3", "res4", "res5"], 256, "", bb.LastLevelP6P7(channels, 256, **kwargs)
    )


def retinanet():
    sizes = [[base * 2 ** (i / 3) for i in range(3)] for base in (32, 64, 128, 256, 512)]
    anchors = DefaultAnchorGenerator(
        sizes=sizes, aspect_ratios=[0.5, 1.0, 2.0], strides=[8, 16, 32, 64, 128], offset=0.0
    )
    shapes = [ShapeSpec(channels=256)] * 5
    head = arch.RetinaNetHead(input_shape=shapes, num_classes=80, num_anchors=9, conv_dims=[256] * 4)
    return arch.RetinaNet(
        backbone=p3_to_p7(2048),
        head=head,
        head_in_features=["p3", "p4", "p5", "p6", "p7"],
        anchor_generator=anchors,
        box2box_transform=Box2BoxTransform((1.0, 1.0, 1.0, 1.0)),
        anchor_matcher=Matcher([0.4, 0.5], [0, -1, 1], allow_low_quality_matches=True),
        num_classes=80,
        smooth_l1_beta=0.0,
        **BGR,
    )


def fcos():
    head = arch.FCOSHead(input_shape=[ShapeSpec(channels=256)] * 5, num_classes=80, conv_dims=[256] * 4, norm="GN")
    backbone = p3_to_p7(256, in_feature="p5")
    return arch.FCOS(backbone=backbone, head=head, num_classes=80, **BGR)


def semantic_head(weight=1.0):
    shapes = {f"p{k}": ShapeSpec(channels=256, stride=2**k) for k in (2, 3, 4, 5)}
    return arch.SemSegFPNHead(
        shapes, num_classes=54, conv_dims=128, common_stride=4, loss_weight=weight, norm="GN", ignore_value=255
    )


def semantic_fpn():
    return arch.SemanticSegmentor(backbone=fpn(), sem_seg_head=semantic_head(), **BGR)


def mask_rcnn_lvis():
    model = mask_rcnn_fpn(1203)
    model.roi_heads.box_predictor.test_topk_per_image = 300
    return model


def panoptic_fpn():
    parts = {"backbone": fpn(), "proposal_generator": rpn(), "roi_heads": standard_heads()}
    return arch.PanopticFPN(sem_seg_head=semantic_head(0.5), **parts, **BGR)


def regnet():
    bottom_up = bb.RegNet(
        stem_class=SimpleStem,
        stem_width=32,
        block_class=ResBottleneckBlock,
        depth=23,
        w_a=38.65,
        w_0=96,
        w_m=2.43,
        group_width=40,
        norm="FrozenBN",
        out_features=["s1", "s2", "s3", "s4"],
        freeze_at=2,
    )
    return mask_rcnn_fpn(bottom_up=bottom_up, colors=BGR_SCALED)


NORM = functools.partial(nn.LayerNorm, eps=1e-6)


def mvit():
    bottom_up = bb.MViT(
        embed_dim=96,
        depth=10,
        last_block_indexes=(0, 2, 7, 9),
        drop_path_rate=0.2,
        norm_layer=NORM,
    )
    return mask_rcnn_fpn(bottom_up=bottom_up, colors=RGB)


def vitdet():
    net = bb.ViT(
        drop_path_rate=0.1,
        norm_layer=NORM,
        use_rel_pos=True,
        window_size=14,
        window_block_indexes=[0, 1, 3, 4, 6, 7, 9, 10],
    )
    backbone = bb.SimpleFeaturePyramid(
        net, "last_feat", 256, (4.0, 2.0, 1.0, 0.5), bb.LastLevelMaxPool(), square_pad=1024
    )
    branches = {**box_branch(conv_dims=[256] * 4, fc_dims=[1024], norm="LN"), **mask_branch(norm="LN")}
    roi_heads = heads.StandardROIHeads(**branches, **sampling())
    return arch.GeneralizedRCNN(
        backbone=backbone, proposal_generator=rpn(conv_dims=(-1, -1)), roi_heads=roi_heads, **RGB
    )


MODELS = {
    "COCO-Detection/fast_rcnn_R_50_FPN_1x.yaml": fast_rcnn,
    "COCO-Detection/faster_rcnn_R_50_C4_1x.yaml": faster_rcnn_c4,
    "COCO-Detection/faster_rcnn_R_50_DC5_1x.yaml": faster_rcnn_dc5,
    "COCO-Detection/fcos_R_50_FPN_1x.py": fcos,
    "COCO-Detection/retinanet_R_50_FPN_1x.yaml": retinanet,
    "COCO-Detection/rpn_R_50_FPN_1x.yaml": proposals_only,
    "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.py": mask_rcnn_fpn,
    "COCO-InstanceSegmentation/mask_rcnn_regnetx_4gf_dds_fpn_1x.py": regnet,
    "COCO-Keypoints/keypoint_rcnn_R_50_FPN_1x.yaml": keypoint_rcnn,
    "COCO-PanopticSegmentation/panoptic_fpn_R_50_1x.yaml": panoptic_fpn,
    "LVISv1-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.yaml": mask_rcnn_lvis,
    "MViTv2/mask_rcnn_mvitv2_t_3x.py": mvit,
    "Misc/cascade_mask_rcnn_R_50_FPN_1x.yaml": cascade,
    "Misc/mask_rcnn_R_50_FPN_1x_dconv_c3-c5.yaml": mask_rcnn_dconv,
    "Misc/mask_rcnn_R_50_FPN_3x_gn.yaml": mask_rcnn_gn,
    "Misc/semantic_R_50_FPN_1x.yaml": semantic_fpn,
    "ViTDet/COCO/mask_rcnn_vitdet_b_100ep.py": vitdet,
}
