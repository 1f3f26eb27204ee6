"""apply_plan: write a plan into a recipe."""

from collections.abc import Collection

from omegaconf import DictConfig, ListConfig, OmegaConf

from detectory.engine.plan.facts import DatasetFacts
from detectory.engine.plan.make import recipe_size
from detectory.engine.plan.training_plan import TrainingPlan
from detectory.engine.plan.weights import InitialWeights, train_from_random

#: A curve has at least this number of points, unless a point would be logged less often than this number of iterations.
_MIN_LOGGED, _MAX_LOG_PERIOD = 50, 20
_LOADERS = ("dataloader.train", "dataloader.test")


def apply_plan(
    config: DictConfig,
    plan: TrainingPlan,
    weights: InitialWeights,
    facts: DatasetFacts,
    keep: Collection[str] = (),
    *,
    init_dataset: str = "",
) -> None:
    """Write a plan into a recipe, in place.

    Args:
        config: The recipe that the plan was made for.
        plan: The plan.
        weights: The initial weights of the plan.
        facts: The dataset of the plan.
        keep: Keys that the user has set, which are not changed.
        init_dataset: Name of the dataset of the recipe, by which the classes of its published weights are known.
    """
    writer = _Writer(config, keep)
    if not weights.is_trained:
        train_from_random(config)
    writer.set("train.init_checkpoint", weights.checkpoint)
    if weights.has_heads:
        writer.set("train.init_dataset", init_dataset)
    if plan.image_size.value is not None:
        _set_image_size(writer, config, plan.image_size.value)
    _set_mask_format(writer, config, facts)
    _set_learning_rate(writer, config, plan.lr.value)
    writer.set("train.max_iter", plan.iterations.value)
    writer.set("train.accumulation_steps", plan.accumulation.value)
    writer.set("dataloader.train.total_batch_size", plan.batch.value)
    for loader in _LOADERS:
        writer.set(f"{loader}.num_workers", plan.workers.value)
    if OmegaConf.select(config, "lr_multiplier.warmup_length") is not None:
        writer.set("lr_multiplier.warmup_length", plan.warmup.value / plan.iterations.value)
    if plan.clip.value is not None:
        writer.set("train.clip_gradients", {"clip_type": "full_model", "clip_value": plan.clip.value, "norm_type": 2.0})
    writer.set("train.log_period", min(max(plan.iterations.value // _MIN_LOGGED, 1), _MAX_LOG_PERIOD))
    period = plan.eval_every.value
    writer.set("train.eval_period", period)
    # A sharded model is only saved as a whole at the end.
    writer.set("train.best_metric", None if config.train.get("fsdp") is not None else best_metric(config))
    kept = {"period": period or max(plan.iterations.value // 4, 1), "max_to_keep": plan.checkpoints.value}
    for key, value in kept.items():
        writer.set(f"train.checkpointer.{key}", value)
    writer.set("train.reference_world_size", 0)


def best_metric(config: DictConfig) -> str | None:
    """Return the metric that selects the best model: AP of keypoints, masks or boxes, as the model predicts them."""
    if not OmegaConf.select(config, "dataloader.evaluator"):
        return None
    heads = OmegaConf.select(config, "model.roi_heads") or {}
    for part, metric in (("keypoint_head", "keypoints/AP"), ("mask_head", "segm/AP")):
        if heads.get(part) is not None:
            return metric
    return "bbox/AP"


class _Writer:
    """Sets keys of a config except those that the user has set."""

    def __init__(self, config: DictConfig, keep: Collection[str]) -> None:
        self._config = config
        self._keep = tuple(keep)

    def set(self, key: str, value: object) -> None:
        """Set a key unless the user has set it, a part of it or a group that contains it."""
        if self._is_free(key):
            OmegaConf.update(self._config, key, value, merge=False, force_add=True)

    def set_item(self, node: DictConfig, parent: str, name: str, value: object) -> None:
        """Set an item of the node at the key `parent`, such as an element of a list, by the same rule."""
        if self._is_free(f"{parent}.{name}"):
            node[name] = value

    def _is_free(self, key: str) -> bool:
        return not any(own == key or own.startswith(f"{key}.") or key.startswith(f"{own}.") for own in self._keep)


def _set_image_size(writer: _Writer, config: DictConfig, size: tuple[int, int]) -> None:
    """Resize to `size` in tests and in proportion in the training."""
    own = recipe_size(config)
    if own is None or own == size:
        return
    scale = size[0] / own[0]
    for loader in _LOADERS:
        augmentations = OmegaConf.select(config, f"{loader}.mapper.augmentations") or ()
        for index, augmentation in enumerate(augmentations):
            short = augmentation.get("short_edge_length") if isinstance(augmentation, DictConfig) else None
            if short is None:
                continue
            key = f"{loader}.mapper.augmentations.{index}"
            is_list = isinstance(short, (list, ListConfig))
            scaled = sorted({round(value * scale) for value in short}) if is_list else round(short * scale)
            writer.set_item(augmentation, key, "short_edge_length", scaled)
            writer.set_item(augmentation, key, "max_size", size[1])


def _set_mask_format(writer: _Writer, config: DictConfig, facts: DatasetFacts) -> None:
    """Load masks as bitmaps if some are not polygons."""
    mapper = OmegaConf.select(config, "dataloader.train.mapper")
    if facts.masks.get("rle") and isinstance(mapper, DictConfig) and mapper.get("use_instance_mask"):
        writer.set("dataloader.train.mapper.instance_mask_format", "bitmask")


def _set_learning_rate(writer: _Writer, config: DictConfig, lr: float) -> None:
    """Set the learning rate, and the base rate of parameter groups in proportion."""
    own = float(config.optimizer.lr)
    base = OmegaConf.select(config, "optimizer.params.base_lr")
    is_reference = base is not None and OmegaConf.is_interpolation(config.optimizer.params, "base_lr")
    if base is not None and not is_reference:
        writer.set("optimizer.params.base_lr", float(base) * lr / own)
    writer.set("optimizer.lr", lr)
