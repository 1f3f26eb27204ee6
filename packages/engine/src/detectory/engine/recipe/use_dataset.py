"""Point a recipe at a dataset: loaders, evaluator, numbers of classes and keypoints."""

from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from detectory.data.dataset_folder import DatasetFolder

_NUM_CLASSES_KEYS = ("model.num_classes", "model.roi_heads.num_classes")
_NUM_KEYPOINTS_KEY = "model.roi_heads.keypoint_head.num_keypoints"


def use_dataset(
    config: DictConfig, folder: Path, *, keep_classes: bool = False, split: str = "val", for_training: bool = True
) -> DatasetFolder:
    """Point a recipe's loaders and evaluator at a dataset in any layout, and set the model's numbers to fit.

    The folder and the classes are stored under `config.datasets`, so that later commands can load the run.

    Args:
        config: The recipe, modified in place.
        folder: The dataset; see `DatasetFolder`.
        keep_classes: Keep the classes and keypoints of a trained model; the classes of the folder are matched by name.
        split: The split to evaluate on.
        for_training: Whether the dataset is used for training. Otherwise it needs no training split.
    """
    is_own = keep_classes and OmegaConf.select(config, "datasets.folder") == str(folder.resolve())
    needs_keypoints = has_keypoints(config)
    dataset = DatasetFolder.find(folder, split, needs_train=for_training or is_own, keypoints=needs_keypoints)
    name = folder.resolve().name
    train, val = dataset.register(name)
    config.dataloader.train.dataset.names = train
    config.dataloader.test.dataset.names = val
    classes = {"classes": list(dataset.classes), "category_ids": list(dataset.category_ids)}
    if keep_classes and "datasets" in config:
        classes = {key: list(config.datasets[key]) for key in classes if key in config.datasets}
    config.datasets = {"name": name, "folder": str(folder.resolve()), "train": train, "val": val, **classes}
    if not keep_classes:
        set_num_classes(config, len(dataset.classes))
        if dataset.num_keypoints and needs_keypoints:
            OmegaConf.update(config, _NUM_KEYPOINTS_KEY, dataset.num_keypoints)
    return dataset


def has_keypoints(config: DictConfig) -> bool:
    """Return whether the model of a recipe predicts keypoints."""
    return OmegaConf.select(config, _NUM_KEYPOINTS_KEY) is not None


def set_num_classes(config: DictConfig, num_classes: int) -> None:
    """Set the number of classes of a recipe's model.

    Raises:
        ValueError: If the recipe has neither `model.num_classes` nor `model.roi_heads.num_classes`.
    """
    keys = [key for key in _NUM_CLASSES_KEYS if OmegaConf.select(config, key) is not None]
    if not keys:
        raise ValueError(f"set_num_classes: the recipe must have {' or '.join(_NUM_CLASSES_KEYS)}")
    for key in keys:
        OmegaConf.update(config, key, num_classes)
