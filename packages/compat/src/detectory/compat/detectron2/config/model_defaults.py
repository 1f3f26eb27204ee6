"""Defaults of the config's `MODEL` section."""

MODEL = {
    "META_ARCHITECTURE": "GeneralizedRCNN",
    "DEVICE": "cuda",
    "WEIGHTS": "",  # path or URL; empty for random weights
    "PIXEL_MEAN": [103.53, 116.28, 123.675],  # in the order of INPUT.FORMAT
    "PIXEL_STD": [
        1.0,
        1.0,
        1.0,
    ],  # all ones if conv1 already includes the deviation (MSRA's weights)
    "MASK_ON": False,
    "KEYPOINT_ON": False,
    "LOAD_PROPOSALS": False,
    "BACKBONE": {
        "FREEZE_AT": 2,  # number of frozen stages out of five, the stem included
        "NAME": "build_resnet_backbone",
    },
    "RESNETS": {
        "DEFORM_MODULATED": False,  # deformable convolution v2
        "DEFORM_NUM_GROUPS": 1,
        "DEFORM_ON_PER_STAGE": [False, False, False, False],  # res2, res3, res4, res5
        "DEPTH": 50,
        "NORM": "FrozenBN",
        "NUM_GROUPS": 1,  # above 1: ResNeXt
        "OUT_FEATURES": ["res4"],
        "RES2_OUT_CHANNELS": 256,  # 64 for depths 18 and 34
        "RES5_DILATION": 1,
        "STEM_OUT_CHANNELS": 64,
        "STRIDE_IN_1X1": True,  # True for MSRA weights, False for torchvision and Caffe2 weights
        "WIDTH_PER_GROUP": 64,
    },
    "FPN": {
        "FUSE_TYPE": "sum",  # "sum" or "avg"
        "IN_FEATURES": [],  # features with consecutive power-of-two strides, finest first
        "NORM": "",  # "" or a name accepted by get_norm
        "OUT_CHANNELS": 256,
    },
    "ANCHOR_GENERATOR": {
        "ANGLES": [[-90, 0, 90]],  # degrees, for rotated anchors
        "ASPECT_RATIOS": [[0.5, 1.0, 2.0]],  # height / width
        "NAME": "DefaultAnchorGenerator",
        "OFFSET": 0.0,  # of the first anchor, as a fraction of the stride
        "SIZES": [[32, 64, 128, 256, 512]],  # one list per feature map, or one for all; square roots of areas in pixels
    },
    "PROPOSAL_GENERATOR": {
        "MIN_SIZE": 0,  # pixels of the network input
        "NAME": "RPN",  # "RPN", "RRPN" or "PrecomputedProposals"
    },
    "RPN": {
        "BATCH_SIZE_PER_IMAGE": 256,
        "BBOX_REG_LOSS_TYPE": "smooth_l1",  # "smooth_l1", "giou", "diou" or "ciou"
        "BBOX_REG_LOSS_WEIGHT": 1.0,
        "BBOX_REG_WEIGHTS": (1.0, 1.0, 1.0, 1.0),
        "BOUNDARY_THRESH": -1,  # unused, accepted for old files
        "CONV_DIMS": [-1],  # -1 keeps the number of input channels
        "HEAD_NAME": "StandardRPNHead",
        "IN_FEATURES": ["res4"],
        "IOU_LABELS": [0, -1, 1],
        "IOU_THRESHOLDS": [0.3, 0.7],  # background below the first, foreground at or above the second
        "LOSS_WEIGHT": 1.0,
        "NMS_THRESH": 0.7,
        "POSITIVE_FRACTION": 0.5,
        "POST_NMS_TOPK_TEST": 1000,
        "POST_NMS_TOPK_TRAIN": 2000,  # per image
        "PRE_NMS_TOPK_TEST": 6000,
        "PRE_NMS_TOPK_TRAIN": 12000,  # per feature map
        "SMOOTH_L1_BETA": 0.0,  # 0 selects the L1 loss
    },
    "ROI_HEADS": {
        "BATCH_SIZE_PER_IMAGE": 512,  # sampled regions per image
        "IN_FEATURES": ["res4"],
        "IOU_LABELS": [0, 1],
        "IOU_THRESHOLDS": [0.5],
        "NAME": "Res5ROIHeads",
        "NMS_THRESH_TEST": 0.5,
        "NUM_CLASSES": 80,
        "POSITIVE_FRACTION": 0.25,  # maximum foreground fraction of the sampled regions
        "PROPOSAL_APPEND_GT": True,  # add the ground-truth boxes to the proposals in training
        "SCORE_THRESH_TEST": 0.05,
    },
    "ROI_BOX_HEAD": {
        "BBOX_REG_LOSS_TYPE": "smooth_l1",
        "BBOX_REG_LOSS_WEIGHT": 1.0,
        "BBOX_REG_WEIGHTS": (10.0, 10.0, 5.0, 5.0),
        "CLS_AGNOSTIC_BBOX_REG": False,
        "CONV_DIM": 256,
        "FC_DIM": 1024,
        "FED_LOSS_FREQ_WEIGHT_POWER": 0.5,
        "FED_LOSS_NUM_CLASSES": 50,
        "NAME": "",  # empty for Res5ROIHeads, which does not have a box head
        "NORM": "",
        "NUM_CONV": 0,
        "NUM_FC": 0,
        "POOLER_RESOLUTION": 14,
        "POOLER_SAMPLING_RATIO": 0,  # 0: adapted to the region size
        "POOLER_TYPE": "ROIAlignV2",  # "ROIAlignV2", "ROIAlign" (no half-pixel shift), "ROIPool" or "ROIAlignRotated"
        "SMOOTH_L1_BETA": 0.0,
        "TRAIN_ON_PRED_BOXES": False,  # train masks and keypoints on predicted boxes
        "USE_FED_LOSS": False,  # federated loss over a sample of classes (LVIS)
        "USE_SIGMOID_CE": False,  # independent classes instead of softmax
    },
    "ROI_BOX_CASCADE_HEAD": {
        "BBOX_REG_WEIGHTS": ((10.0, 10.0, 5.0, 5.0), (20.0, 20.0, 10.0, 10.0), (30.0, 30.0, 15.0, 15.0)),
        "IOUS": (0.5, 0.6, 0.7),  # one per stage
    },
    "ROI_MASK_HEAD": {
        "CLS_AGNOSTIC_MASK": False,
        "CONV_DIM": 256,
        "NAME": "MaskRCNNConvUpsampleHead",
        "NORM": "",
        "NUM_CONV": 0,
        "POOLER_RESOLUTION": 14,
        "POOLER_SAMPLING_RATIO": 0,
        "POOLER_TYPE": "ROIAlignV2",
    },
    "ROI_KEYPOINT_HEAD": {
        "CONV_DIMS": (512, 512, 512, 512, 512, 512, 512, 512),
        "LOSS_WEIGHT": 1.0,
        "MIN_KEYPOINTS_PER_IMAGE": 1,  # images with fewer keypoints are not used in training
        "NAME": "KRCNNConvDeconvUpsampleHead",
        "NORMALIZE_LOSS_BY_VISIBLE_KEYPOINTS": True,  # False: by the maximum possible number of keypoints
        "NUM_KEYPOINTS": 17,
        "POOLER_RESOLUTION": 14,
        "POOLER_SAMPLING_RATIO": 0,
        "POOLER_TYPE": "ROIAlignV2",
    },
    "SEM_SEG_HEAD": {
        "COMMON_STRIDE": 4,  # stride at which the levels are added
        "CONVS_DIM": 128,
        "IGNORE_VALUE": 255,  # label of unlabelled pixels
        "IN_FEATURES": ["p2", "p3", "p4", "p5"],
        "LOSS_WEIGHT": 1.0,
        "NAME": "SemSegFPNHead",
        "NORM": "GN",
        "NUM_CLASSES": 54,
    },
    "PANOPTIC_FPN": {
        "COMBINE": {
            "ENABLED": True,  # unused, accepted for old files
            "INSTANCES_CONFIDENCE_THRESH": 0.5,
            "OVERLAP_THRESH": 0.5,
            "STUFF_AREA_LIMIT": 4096,  # pixels
        },
        "INSTANCE_LOSS_WEIGHT": 1.0,  # factor of all instance losses
    },
    "RETINANET": {
        "BBOX_REG_LOSS_TYPE": "smooth_l1",
        "BBOX_REG_WEIGHTS": (1.0, 1.0, 1.0, 1.0),
        "FOCAL_LOSS_ALPHA": 0.25,
        "FOCAL_LOSS_GAMMA": 2.0,
        "IN_FEATURES": ["p3", "p4", "p5", "p6", "p7"],
        "IOU_LABELS": [0, -1, 1],
        "IOU_THRESHOLDS": [0.4, 0.5],
        "NMS_THRESH_TEST": 0.5,
        "NORM": "",
        "NUM_CLASSES": 80,
        "NUM_CONVS": 4,  # per tower
        "PRIOR_PROB": 0.01,  # initial foreground probability
        "SCORE_THRESH_TEST": 0.05,
        "SMOOTH_L1_LOSS_BETA": 0.1,
        "TOPK_CANDIDATES_TEST": 1000,
    },
}
