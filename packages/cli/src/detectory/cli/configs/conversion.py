"""Conversion of a Detectron2 config to a recipe: model, data loaders, optimizer, schedule and training options."""

from typing import Any

import torch
from omegaconf import DictConfig

from detectory.cli.configs.call_recorder import Call, CallRecorder
from detectory.cli.configs.call_tree import as_nodes, describe, share_num_classes
from detectory.cli.configs.recipe_source import RecipeSource
from detectory.data import MetadataCatalog
from detectory.modeling.backbone import ResNet

_REPEAT_FACTOR_SAMPLER = "detectory.data.samplers.RepeatFactorTrainingSampler"
#: `evaluator_type` of a dataset's metadata -> evaluator classes of `detectory.evaluation`.
_EVALUATORS = {
    "coco": ("COCOEvaluator",),
    "coco_panoptic_seg": ("COCOEvaluator", "SemSegEvaluator", "COCOPanopticEvaluator"),
    "coco_panoptic_separated": ("COCOEvaluator", "SemSegEvaluator", "COCOPanopticEvaluator"),
    "lvis": ("LVISEvaluator",),
    "pascal_voc": ("PascalVOCDetectionEvaluator",),
    "sem_seg": ("SemSegEvaluator",),
    "cityscapes_instance": ("CityscapesInstanceEvaluator",),
    "cityscapes_sem_seg": ("CityscapesSemSegEvaluator",),
}


def recipe_text(cfg: Any, name: str) -> str:
    """Return the source code of the recipe that is equivalent to a `CfgNode`.

    Args:
        cfg: The config.
        name: Name of the config, for the docstring of the recipe.

    Raises:
        ValueError: If the config uses a feature that a recipe cannot express.
    """
    source = RecipeSource(f"Recipe converted from {name} by `detectory config convert`.")
    for part, value in _recipe_parts(cfg).items():
        source.assign(part, value)
    return source.text()


def recipe_config(cfg: Any) -> DictConfig:
    """Return the recipe that is equivalent to a `CfgNode` as a config."""
    nodes = {part: as_nodes(value) for part, value in _recipe_parts(cfg).items()}
    return DictConfig(nodes, flags={"allow_objects": True})


def _recipe_parts(cfg: Any) -> dict[str, Any]:
    """Return the parts of the recipe as trees of calls."""
    return {
        "model": _model(cfg),
        "dataloader": _loaders(cfg),
        "optimizer": _optimizer(cfg),
        "lr_multiplier": _schedule(cfg),
        "train": _train(cfg),
    }


def _model(cfg: Any) -> Any:
    """Return the calls that build the model of a config; the model is built once, on the meta device."""
    from detectory.compat.detectron2.modeling import build_model

    cfg = cfg.clone()
    cfg.defrost()
    cfg.MODEL.DEVICE = "meta"
    with CallRecorder([ResNet.make_stage]) as recorder, torch.device("meta"):
        model = build_model(cfg)
    tree = describe(model, recorder)
    share_num_classes(tree)
    return tree


def _loaders(cfg: Any) -> dict[str, Any]:
    train: dict[str, Any] = {"names": _one_or_all(cfg.DATASETS.TRAIN)}
    if not cfg.DATALOADER.FILTER_EMPTY_ANNOTATIONS:
        train["filter_empty"] = False
    if cfg.MODEL.KEYPOINT_ON:
        train["min_keypoints"] = cfg.MODEL.ROI_KEYPOINT_HEAD.MIN_KEYPOINTS_PER_IMAGE
    test: dict[str, Any] = {"names": cfg.DATASETS.TEST[0] if cfg.DATASETS.TEST else None, "filter_empty": False}
    if cfg.MODEL.LOAD_PROPOSALS:
        train["proposal_files"] = list(cfg.DATASETS.PROPOSAL_FILES_TRAIN)
        test["proposal_files"] = list(cfg.DATASETS.PROPOSAL_FILES_TEST[:1])
    loader = {
        "dataset": Call("detectory.data.get_detection_dataset_dicts", train),
        "mapper": _mapper(cfg, True),
        "total_batch_size": cfg.SOLVER.IMS_PER_BATCH,
        "num_workers": cfg.DATALOADER.NUM_WORKERS,
    }
    if not cfg.DATALOADER.ASPECT_RATIO_GROUPING:
        loader["aspect_ratio_grouping"] = False
    if cfg.DATALOADER.SAMPLER_TRAIN == "RepeatFactorTrainingSampler":
        loader["sampler"] = _repeat_factor_sampler(cfg)
    elif cfg.DATALOADER.SAMPLER_TRAIN != "TrainingSampler":
        raise ValueError(
            "config convert: DATALOADER.SAMPLER_TRAIN must be TrainingSampler or RepeatFactorTrainingSampler, got "
            f"{cfg.DATALOADER.SAMPLER_TRAIN!r}, which needs the length of the dataset"
        )
    loaders: dict[str, Any] = {"train": Call("detectory.data.build_detection_train_loader", loader)}
    if cfg.DATASETS.TEST:
        loaders["test"] = Call(
            "detectory.data.build_detection_test_loader",
            {
                "dataset": Call("detectory.data.get_detection_dataset_dicts", test),
                "mapper": _mapper(cfg, False),
                "num_workers": cfg.DATALOADER.NUM_WORKERS,
            },
        )
        loaders["evaluator"] = _evaluators(cfg.DATASETS.TEST[0], cfg.TEST.DETECTIONS_PER_IMAGE)
    return loaders


def _mapper(cfg: Any, is_train: bool) -> Any:
    from detectory.compat.detectron2.data import DatasetMapper

    with CallRecorder() as recorder:
        mapper = DatasetMapper(cfg, is_train)
    return describe(mapper, recorder, f"dataloader.{'train' if is_train else 'test'}.mapper")


def _repeat_factor_sampler(cfg: Any) -> Call:
    factors = {
        "dataset_dicts": "${dataloader.train.dataset}",
        "repeat_thresh": cfg.DATALOADER.REPEAT_THRESHOLD,
        "sqrt": cfg.DATALOADER.REPEAT_SQRT,
    }
    method = f"{_REPEAT_FACTOR_SAMPLER}.repeat_factors_from_category_frequency"
    return Call(_REPEAT_FACTOR_SAMPLER, {"repeat_factors": Call(method, factors)})


def _evaluators(dataset: str, detections_per_image: int) -> Any:
    evaluator_type = MetadataCatalog.get(dataset).get("evaluator_type", "coco")
    names = _EVALUATORS.get(evaluator_type, ("COCOEvaluator",))
    reference = "${..test.dataset.names}" if len(names) == 1 else "${...test.dataset.names}"
    calls = [Call(f"detectory.evaluation.{name}", {"dataset_name": reference}) for name in names]
    if evaluator_type == "lvis":
        calls[0].arguments["max_dets_per_image"] = detections_per_image
    return calls[0] if len(calls) == 1 else calls


def _optimizer(cfg: Any) -> Call:
    solver = cfg.SOLVER
    groups: dict[str, Any] = {"weight_decay_norm": solver.WEIGHT_DECAY_NORM}
    if solver.BIAS_LR_FACTOR != 1.0:
        groups |= {"base_lr": "${..lr}", "bias_lr_factor": solver.BIAS_LR_FACTOR}
    if solver.WEIGHT_DECAY_BIAS is not None:
        groups["weight_decay_bias"] = solver.WEIGHT_DECAY_BIAS
    arguments = {
        "params": Call("detectory.engine.optimizers.get_default_optimizer_params", groups),
        "lr": solver.BASE_LR,
        "momentum": solver.MOMENTUM,
        "weight_decay": solver.WEIGHT_DECAY,
    }
    return Call(torch.optim.SGD, arguments | ({"nesterov": True} if solver.NESTEROV else {}))


def _schedule(cfg: Any) -> Any:
    from detectory.compat.detectron2.solver import build_lr_scheduler

    placeholder = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    with CallRecorder() as recorder:
        scheduler: Any = build_lr_scheduler(cfg, placeholder)
    call = recorder.call_of(scheduler)
    assert call is not None
    return describe(call.arguments["multiplier"], recorder, "lr_multiplier")


def _train(cfg: Any) -> dict[str, Any]:
    options: dict[str, Any] = {
        "output_dir": cfg.OUTPUT_DIR,
        "init_checkpoint": cfg.MODEL.WEIGHTS,
        "max_iter": cfg.SOLVER.MAX_ITER,
        "amp": {"enabled": cfg.SOLVER.AMP.ENABLED},
        "ddp": {"broadcast_buffers": False},
        "checkpointer": {"period": cfg.SOLVER.CHECKPOINT_PERIOD, "max_to_keep": 100},
        "eval_period": cfg.TEST.EVAL_PERIOD,
        "log_period": 20,
        "device": cfg.MODEL.DEVICE,
    }
    if cfg.SEED >= 0:
        options["seed"] = cfg.SEED
    clip = cfg.SOLVER.CLIP_GRADIENTS
    if clip.ENABLED:
        options["clip_gradients"] = {
            "clip_type": clip.CLIP_TYPE,
            "clip_value": clip.CLIP_VALUE,
            "norm_type": clip.NORM_TYPE,
        }
    return options


def _one_or_all(names: Any) -> Any:
    return names[0] if len(names) == 1 else list(names)
