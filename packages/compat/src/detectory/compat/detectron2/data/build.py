"""Data loaders built from arguments or a config."""

import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from detectory import data as native
from detectory.compat.detectron2.config import CfgNode, configurable
from detectory.compat.detectron2.data.common import DatasetFromList, MapDataset
from detectory.compat.detectron2.data.dataset_mapper import DatasetMapper
from detectory.compat.detectron2.data.detection_utils import check_metadata_consistency
from detectory.compat.detectron2.data.samplers import (
    InferenceSampler,
    RandomSubsetTrainingSampler,
    RepeatFactorTrainingSampler,
    TrainingSampler,
)
from detectory.compat.detectron2.utils.file_io import PathManager
from detectory.compat.detectron2.utils.logger import _log_api_usage, log_first_n
from detectory.core.distributed import get_world_size
from detectory.core.seeding import seed_all_rng
from detectory.core.suggestions import nearest
from detectory.data import (
    AspectRatioGroupedDataset,
    DatasetCatalog,
    MetadataCatalog,
    ToIterableDataset,
    build_batch_data_loader,
    filter_images_with_few_keypoints,
    filter_images_with_only_crowd_annotations,
    get_detection_dataset_dicts,
    load_proposals_into_dataset,
    print_instances_class_histogram,
    trivial_batch_collator,
)
from detectory.structures import BoxMode

__all__ = [
    "AspectRatioGroupedDataset",
    "BoxMode",
    "DatasetCatalog",
    "DatasetFromList",
    "MapDataset",
    "MetadataCatalog",
    "PathManager",
    "ToIterableDataset",
    "_log_api_usage",
    "_test_loader_from_config",
    "_train_loader_from_config",
    "build_batch_data_loader",
    "build_detection_test_loader",
    "build_detection_train_loader",
    "check_metadata_consistency",
    "filter_images_with_few_keypoints",
    "filter_images_with_only_crowd_annotations",
    "get_detection_dataset_dicts",
    "get_world_size",
    "load_proposals_into_dataset",
    "log_first_n",
    "print_instances_class_histogram",
    "seed_all_rng",
    "trivial_batch_collator",
    "worker_init_reset_seed",
]

Mapper = Callable[[dict[str, Any]], Any]


def _training_sampler(cfg: CfgNode, dataset: Sequence[Any]) -> Any:
    name = cfg.DATALOADER.SAMPLER_TRAIN
    if name == "TrainingSampler":
        return TrainingSampler(len(dataset))
    if name == "RepeatFactorTrainingSampler":
        factors = RepeatFactorTrainingSampler.repeat_factors_from_category_frequency(
            dataset, cfg.DATALOADER.REPEAT_THRESHOLD, sqrt=cfg.DATALOADER.REPEAT_SQRT
        )
        return RepeatFactorTrainingSampler(factors)
    if name == "RandomSubsetTrainingSampler":
        if "RANDOM_SUBSET_RATIO" not in cfg.DATALOADER:
            raise ValueError("DATALOADER.RANDOM_SUBSET_RATIO must be set for RandomSubsetTrainingSampler")
        return RandomSubsetTrainingSampler(len(dataset), cfg.DATALOADER.RANDOM_SUBSET_RATIO)
    known = ("TrainingSampler", "RepeatFactorTrainingSampler", "RandomSubsetTrainingSampler")
    raise ValueError(f"DATALOADER.SAMPLER_TRAIN: unknown sampler {name!r}, {nearest(name, known)}")


def _train_loader_from_config(
    cfg: CfgNode, mapper: Mapper | None = None, *, dataset: Any = None, sampler: Any = None
) -> dict[str, Any]:
    if dataset is None:
        keypoints = cfg.MODEL.ROI_KEYPOINT_HEAD.MIN_KEYPOINTS_PER_IMAGE if cfg.MODEL.KEYPOINT_ON else 0
        dataset = get_detection_dataset_dicts(
            list(cfg.DATASETS.TRAIN),
            filter_empty=cfg.DATALOADER.FILTER_EMPTY_ANNOTATIONS,
            min_keypoints=keypoints,
            proposal_files=list(cfg.DATASETS.PROPOSAL_FILES_TRAIN) if cfg.MODEL.LOAD_PROPOSALS else None,
        )
    streams = isinstance(dataset, torch.utils.data.IterableDataset)
    return {
        "dataset": dataset,
        "sampler": sampler if sampler is not None or streams else _training_sampler(cfg, dataset),
        "mapper": mapper or DatasetMapper(cfg, True),
        "total_batch_size": cfg.SOLVER.IMS_PER_BATCH,
        "aspect_ratio_grouping": cfg.DATALOADER.ASPECT_RATIO_GROUPING,
        "num_workers": cfg.DATALOADER.NUM_WORKERS,
    }


def _test_loader_from_config(
    cfg: CfgNode, dataset_name: str | Sequence[str], mapper: Mapper | None = None
) -> dict[str, Any]:
    names = [dataset_name] if isinstance(dataset_name, str) else list(dataset_name)
    files = None
    if cfg.MODEL.LOAD_PROPOSALS:
        files = [cfg.DATASETS.PROPOSAL_FILES_TEST[list(cfg.DATASETS.TEST).index(name)] for name in names]
    dataset = get_detection_dataset_dicts(names, filter_empty=False, proposal_files=files)
    return {
        "dataset": dataset,
        "mapper": mapper or DatasetMapper(cfg, False),
        "num_workers": cfg.DATALOADER.NUM_WORKERS,
        "sampler": None if isinstance(dataset, torch.utils.data.IterableDataset) else InferenceSampler(len(dataset)),
    }


build_detection_train_loader = configurable(from_config=_train_loader_from_config)(native.build_detection_train_loader)
build_detection_test_loader = configurable(from_config=_test_loader_from_config)(native.build_detection_test_loader)


def worker_init_reset_seed(worker_id: int) -> None:
    """Reseed the random generators of a worker process; a `worker_init_fn` for manually built loaders."""
    seed = (torch.initial_seed() + worker_id) % 2**31
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
