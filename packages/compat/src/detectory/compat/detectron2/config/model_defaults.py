"""Defaults of the config's `MODEL` section."""

MODEL = {
    "META_ARCHITECTURE": "GeneralizedRCNN",
    "DEVICE": "cuda",
    "WEIGHTS": "",  # a file or URL; empty for random weights
    "PIXEL_MEAN": [103.53, 116.28, 123.675],  # in the order of INPUT.FORMAT
    "PIXEL_STD": [
        1.0,
        1.0,
        1.0,
    ],  # ones where conv1 holds the deviation (MSRA's weights)
    "MASK_ON": False,
    "KEYPOINT_ON": False,
    "LOAD_PROPOSALS": False,
    "BACKBONE": {
        "FREEZE_AT": 2,  # how many of the five stages (stem included) are not trained
        "NAME": "build_resnet_backbone",
    },
    "RESNETS": {
        "DEFORM_MODULATED": False,  # version 2 of deformable convolution
        "DEFORM_NUM_GROUPS": 1,
        "DEFORM_ON_PER_STAGE": [False, False, False, False],  # res2, res3, res4, res5
        "DEPTH": 50,
        "NORM": "FrozenBN",
        "NUM_GROUPS": 1,  # above 1: ResNeXt
        "OUT_FEATURES": ["res4"],
        "RES2_OUT_CHANNELS": 256,  # 64 for depths 18 and 34
        "RES5_DILATION": 1,
        "STEM_OUT_CHANNELS": 64,
        "STRIDE_IN_1X1": True,  # True for weights of MSRA, False for those of torchvision and Caffe2
        "WIDTH_PER_GROUP": 64,
    },
    "FPN": {
        "FUSE_TYPE": "sum",  # "sum" or "avg"
        "IN_FEATURES": [],  # features of neighbouring power-of-two strides, finest first
        "NORM": "",  # "" or a name that get_norm knows
        "OUT_CHANNELS": 256,
    },
    "ANCHOR_GENERATOR": {
        "ANGLES": [[-90, 0, 90]],  # degrees, for rotated anchors
        "ASPECT_RATIOS": [[0.5, 1.0, 2.0]],  # height by width
        "NAME": "DefaultAnchorGenerator",
        "OFFSET": 0.0,  # of the first anchor, as a share of the stride
        "SIZES": [[32, 64, 128, 256, 512]],  # one list for each feature map or for all; pixels, square roots of areas
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
        "BOUNDARY_THRESH": -1,  # kept for old files, not used
        "CONV_DIMS": [-1],  # -1 keeps the number of input channels
        "HEAD_NAME": "StandardRPNHead",
        "IN_FEATURES": ["res4"],
        "IOU_LABELS": [0, -1, 1],
        "IOU_THRESHOLDS": [0.3, 0.7],  # background below the first, foreground from the second on
        "LOSS_WEIGHT": 1.0,
        "NMS_THRESH": 0.7,
        "POSITIVE_FRACTION": 0.5,
        "POST_NMS_TOPK_TEST": 1000,
        "POST_NMS_TOPK_TRAIN": 2000,  # of each image
        "PRE_NMS_TOPK_TEST": 6000,
        "PRE_NMS_TOPK_TRAIN": 12000,  # of each feature map
        "SMOOTH_L1_BETA": 0.0,  # 0 is the L1 loss
    },
    "ROI_HEADS": {
        "BATCH_SIZE_PER_IMAGE": 512,  # regions sampled for training
        "IN_FEATURES": ["res4"],
        "IOU_LABELS": [0, 1],
        "IOU_THRESHOLDS": [0.5],
        "NAME": "Res5ROIHeads",
        "NMS_THRESH_TEST": 0.5,
        "NUM_CLASSES": 80,
        "POSITIVE_FRACTION": 0.25,  # of the sampled regions, at most
        "PROPOSAL_APPEND_GT": True,  # let the true boxes be proposals while training
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
        "NAME": "",  # empty for Res5ROIHeads, which has no box head
        "NORM": "",
        "NUM_CONV": 0,
        "NUM_FC": 0,
        "POOLER_RESOLUTION": 14,
        "POOLER_SAMPLING_RATIO": 0,  # 0 adapts to the size of the region
        "POOLER_TYPE": "ROIAlignV2",  # "ROIAlignV2", "ROIAlign" (no half-pixel shift), "ROIPool" or "ROIAlignRotated"
        "SMOOTH_L1_BETA": 0.0,
        "TRAIN_ON_PRED_BOXES": False,  # train masks and keypoints on predicted boxes
        "USE_FED_LOSS": False,  # federated loss over a sample of classes (LVIS)
        "USE_SIGMOID_CE": False,  # independent classes instead of softmax
    },
    "ROI_BOX_CASCADE_HEAD": {
        "BBOX_REG_WEIGHTS": ((10.0, 10.0, 5.0, 5.0), (20.0, 20.0, 10.0, 10.0), (30.0, 30.0, 15.0, 15.0)),
        "IOUS": (0.5, 0.6, 0.7),  # as many as there are stages
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
        "MIN_KEYPOINTS_PER_IMAGE": 1,  # images with fewer are left out of training
        "NAME": "KRCNNConvDeconvUpsampleHead",
        "NORMALIZE_LOSS_BY_VISIBLE_KEYPOINTS": True,  # else by all keypoints that could be
        "NUM_KEYPOINTS": 17,
        "POOLER_RESOLUTION": 14,
        "POOLER_SAMPLING_RATIO": 0,
        "POOLER_TYPE": "ROIAlignV2",
    },
    "SEM_SEG_HEAD": {
        "COMMON_STRIDE": 4,  # of the map where the levels are added
        "CONVS_DIM": 128,
        "IGNORE_VALUE": 255,  # label of pixels without ground truth
        "IN_FEATURES": ["p2", "p3", "p4", "p5"],
        "LOSS_WEIGHT": 1.0,
        "NAME": "SemSegFPNHead",
        "NORM": "GN",
        "NUM_CLASSES": 54,
    },
    "PANOPTIC_FPN": {
        "COMBINE": {
            "ENABLED": True,  # kept for old files, not used
            "INSTANCES_CONFIDENCE_THRESH": 0.5,
            "OVERLAP_THRESH": 0.5,
            "STUFF_AREA_LIMIT": 4096,  # pixels
        },
        "INSTANCE_LOSS_WEIGHT": 1.0,  # scales all losses of the instance heads
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
        "NUM_CONVS": 4,  # in each of the two towers
        "PRIOR_PROB": 0.01,  # of a foreground class when training begins
        "SCORE_THRESH_TEST": 0.05,
        "SMOOTH_L1_LOSS_BETA": 0.1,
        "TOPK_CANDIDATES_TEST": 1000,
    },
}
