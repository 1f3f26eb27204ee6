"""Config keys of DensePose."""

from typing import Any

from detectory.compat.detectron2.config import CfgNode


def _hrnet_stage(branches: int, modules: int) -> dict[str, Any]:
    return {
        "NUM_MODULES": modules,
        "NUM_BRANCHES": branches,
        "NUM_BLOCKS": [4] * branches,
        "NUM_CHANNELS": [32 * 2**branch for branch in range(branches)],
        "BLOCK": "BASIC",
        "FUSE_METHOD": "SUM",
    }


def _new_node(values: dict[str, Any]) -> CfgNode:
    return CfgNode({key: _new_node(value) if isinstance(value, dict) else value for key, value in values.items()})


def add_dataset_category_config(cfg: CfgNode) -> None:
    """Add the nodes for selecting and renaming the categories of datasets to a config in place."""
    cfg.DATASETS.CATEGORY_MAPS = CfgNode(new_allowed=True)
    cfg.DATASETS.WHITELISTED_CATEGORIES = CfgNode(new_allowed=True)
    cfg.DATASETS.CLASS_TO_MESH_NAME_MAPPING = CfgNode(new_allowed=True)


def add_evaluation_config(cfg: CfgNode) -> None:
    """Add the keys of the evaluation to a config in place."""
    cfg.DENSEPOSE_EVALUATION = _new_node(
        {
            "TYPE": "iou",
            "STORAGE": "none",
            "MIN_IOU_THRESHOLD": 0.5,
            "DISTRIBUTED_INFERENCE": True,
            "EVALUATE_MESH_ALIGNMENT": False,
            "MESH_ALIGNMENT_MESH_NAMES": [],
        }
    )


def add_bootstrap_config(cfg: CfgNode) -> None:
    """Add the keys of bootstrapping, which is not supported, to a config in place."""
    cfg.BOOTSTRAP_DATASETS = []
    cfg.BOOTSTRAP_MODEL = _new_node({"WEIGHTS": "", "DEVICE": "cuda"})


def load_bootstrap_config(cfg: CfgNode) -> None:
    """Replace the dicts in `BOOTSTRAP_DATASETS` by nodes, in place."""
    cfg.BOOTSTRAP_DATASETS = [
        entry if isinstance(entry, CfgNode) else _new_node(dict(entry)) for entry in cfg.BOOTSTRAP_DATASETS
    ]


def add_densepose_head_cse_config(cfg: CfgNode) -> None:
    """Add the keys of continuous surface embeddings to a config in place."""
    cfg.MODEL.ROI_DENSEPOSE_HEAD.CSE = _new_node(
        {
            "EMBED_SIZE": 16,
            "EMBED_LOSS_NAME": "EmbeddingLoss",
            "EMBED_LOSS_WEIGHT": 0.6,
            "EMBEDDING_DIST_GAUSS_SIGMA": 0.01,
            "GEODESIC_DIST_GAUSS_SIGMA": 0.01,
            "EMBEDDING_LR_FACTOR": 1.0,
            "FEATURES_LR_FACTOR": 1.0,
            "SHAPE_TO_SHAPE_CYCLE_LOSS": {
                "ENABLED": False,
                "WEIGHT": 0.025,
                "NORM_P": 2,
                "TEMPERATURE": 0.05,
                "MAX_NUM_VERTICES": 4936,
            },
            "PIX_TO_SHAPE_CYCLE_LOSS": {
                "ENABLED": False,
                "WEIGHT": 0.0001,
                "NORM_P": 2,
                "USE_ALL_MESHES_NOT_GT_ONLY": False,
                "NUM_PIXELS_TO_SAMPLE": 100,
                "PIXEL_SIGMA": 5.0,
                "TEMPERATURE_PIXEL_TO_VERTEX": 0.05,
                "TEMPERATURE_VERTEX_TO_PIXEL": 0.05,
            },
        }
    )
    cfg.MODEL.ROI_DENSEPOSE_HEAD.CSE.EMBEDDERS = CfgNode(new_allowed=True)


def add_densepose_head_config(cfg: CfgNode) -> None:
    """Add the keys of the head to a config in place."""
    cfg.MODEL.DENSEPOSE_ON = True
    cfg.MODEL.ROI_DENSEPOSE_HEAD = _new_node(
        {
            "NAME": "",
            "NUM_STACKED_CONVS": 8,
            "NUM_PATCHES": 24,
            "DECONV_KERNEL": 4,
            "CONV_HEAD_DIM": 512,
            "CONV_HEAD_KERNEL": 3,
            "UP_SCALE": 2,
            "HEATMAP_SIZE": 112,
            "POOLER_TYPE": "ROIAlignV2",
            "POOLER_RESOLUTION": 28,
            "POOLER_SAMPLING_RATIO": 2,
            "NUM_COARSE_SEGM_CHANNELS": 2,
            "COARSE_SEGM_TRAINED_BY_MASKS": False,
            "FG_IOU_THRESHOLD": 0.7,
            "POINT_REGRESSION_WEIGHTS": 0.01,
            "PART_WEIGHTS": 1.0,
            "INDEX_WEIGHTS": 5.0,
            "DECODER_ON": True,
            "DECODER_NUM_CLASSES": 256,
            "DECODER_CONV_DIMS": 256,
            "DECODER_NORM": "",
            "DECODER_COMMON_STRIDE": 4,
            "DEEPLAB": {"NORM": "GN", "NONLOCAL_ON": 0},
            "PREDICTOR_NAME": "DensePoseChartWithConfidencePredictor",
            "LOSS_NAME": "DensePoseChartWithConfidenceLoss",
            "UV_CONFIDENCE": {"ENABLED": False, "EPSILON": 0.01, "TYPE": "iid_iso"},
            "SEGM_CONFIDENCE": {"ENABLED": False, "EPSILON": 0.01},
        }
    )
    add_densepose_head_cse_config(cfg)


def add_hrnet_config(cfg: CfgNode) -> None:
    """Add the keys of HRNet backbones, with the defaults of HRNet-W32, to a config in place."""
    cfg.MODEL.HRNET = _new_node(
        {
            "STEM_INPLANES": 64,
            "STAGE2": _hrnet_stage(branches=2, modules=1),
            "STAGE3": _hrnet_stage(branches=3, modules=4),
            "STAGE4": _hrnet_stage(branches=4, modules=3),
            "HRFPN": {"OUT_CHANNELS": 256},
        }
    )


def add_densepose_config(cfg: CfgNode) -> None:
    """Add all keys of DensePose to a config in place, with Detectron2's defaults."""
    add_densepose_head_config(cfg)
    add_hrnet_config(cfg)
    add_bootstrap_config(cfg)
    add_dataset_category_config(cfg)
    add_evaluation_config(cfg)
    cfg.INPUT.ROTATION_ANGLES = [0]
    cfg.TEST.AUG.ROTATION_ANGLES = ()
