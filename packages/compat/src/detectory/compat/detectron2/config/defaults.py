"""The default config: every key that Detectron2's YAML files may set, with its default value.

Keys that end in `_TRAIN` or `_TEST` apply to training or inference only.
"""

from detectory.compat.detectron2.config.cfg_node import CfgNode
from detectory.compat.detectron2.config.model_defaults import MODEL

_C = CfgNode(
    {
        "VERSION": 2,
        "MODEL": MODEL,
        "INPUT": {
            "CROP": {
                "ENABLED": False,
                "SIZE": [0.9, 0.9],  # fractions for the relative types, pixels for the absolute types
                "TYPE": "relative_range",  # "relative_range", "relative", "absolute" or "absolute_range"
            },
            "FORMAT": "BGR",  # "BGR" or a Pillow mode
            "MASK_FORMAT": "polygon",  # "polygon" or "bitmask"
            "MAX_SIZE_TEST": 1333,
            "MAX_SIZE_TRAIN": 1333,
            "MIN_SIZE_TEST": 800,  # 0 disables resizing
            "MIN_SIZE_TRAIN": (800,),
            "MIN_SIZE_TRAIN_SAMPLING": "choice",  # "choice" among the sizes, or "range" between two of them
            "RANDOM_FLIP": "horizontal",  # "horizontal", "vertical" or "none"
        },
        "DATASETS": {
            "PRECOMPUTED_PROPOSAL_TOPK_TEST": 1000,
            "PRECOMPUTED_PROPOSAL_TOPK_TRAIN": 2000,
            "PROPOSAL_FILES_TEST": (),
            "PROPOSAL_FILES_TRAIN": (),  # one per dataset
            "TEST": (),
            "TRAIN": (),  # names in DatasetCatalog
        },
        "DATALOADER": {
            "ASPECT_RATIO_GROUPING": True,  # batches contain only wide or only tall images
            "FILTER_EMPTY_ANNOTATIONS": True,
            "NUM_WORKERS": 4,
            "REPEAT_SQRT": True,
            "REPEAT_THRESHOLD": 0.0,  # RepeatFactorTrainingSampler repeats images of categories below this frequency
            "SAMPLER_TRAIN": "TrainingSampler",  # or "RepeatFactorTrainingSampler", "RandomSubsetTrainingSampler"
        },
        "SOLVER": {
            "AMP": {
                "ENABLED": False,
            },
            "BASE_LR": 0.001,
            "BASE_LR_END": 0.0,  # final learning rate of WarmupCosineLR
            "BIAS_LR_FACTOR": 1.0,  # Detectron 1 used 2.0, and no weight decay for biases
            "CHECKPOINT_PERIOD": 5000,
            "CLIP_GRADIENTS": {
                "CLIP_TYPE": "value",  # "value" per element or "norm" per parameter
                "CLIP_VALUE": 1.0,
                "ENABLED": False,
                "NORM_TYPE": 2.0,
            },
            "GAMMA": 0.1,
            "IMS_PER_BATCH": 16,  # total over all workers
            "LR_SCHEDULER_NAME": "WarmupMultiStepLR",
            "MAX_ITER": 40000,
            "MOMENTUM": 0.9,
            "NESTEROV": False,
            "NUM_DECAYS": 3,  # for WarmupStepWithFixedGammaLR
            "REFERENCE_WORLD_SIZE": 0,  # world size of these settings, see auto_scale_workers; 0: no scaling
            "RESCALE_INTERVAL": False,  # start the schedule after the warm-up
            "STEPS": (30000,),  # iterations after which the learning rate is multiplied by GAMMA
            "WARMUP_FACTOR": 0.001,
            "WARMUP_ITERS": 1000,
            "WARMUP_METHOD": "linear",
            "WEIGHT_DECAY": 0.0001,
            "WEIGHT_DECAY_BIAS": None,  # None: same as for other weights
            "WEIGHT_DECAY_NORM": 0.0,
        },
        "TEST": {
            "AUG": {
                "ENABLED": False,  # test-time augmentation
                "FLIP": True,
                "MAX_SIZE": 4000,
                "MIN_SIZES": (400, 500, 600, 700, 800, 900, 1000, 1100, 1200),
            },
            "DETECTIONS_PER_IMAGE": 100,
            "EVAL_PERIOD": 0,  # iterations between evaluations; 0: only after training
            "EXPECTED_RESULTS": [],  # [task, metric, value, tolerance] entries, checked after the evaluation
            "KEYPOINT_OKS_SIGMAS": [],  # empty: COCO's values
            "PRECISE_BN": {
                "ENABLED": False,  # recompute batch-norm statistics before each evaluation
                "NUM_ITER": 200,
            },
        },
        "OUTPUT_DIR": "./output",
        "SEED": -1,  # negative: a new seed in every run
        "CUDNN_BENCHMARK": False,  # beneficial if all images have the same size
        "FLOAT32_PRECISION": "",  # "", "highest", "high" or "medium", see torch.set_float32_matmul_precision
        "VIS_PERIOD": 0,  # iterations between images of the training batch; 0 disables them
        "GLOBAL": {
            "HACK": 1.0,  # for quick experiments through global_cfg
        },
    }
)
