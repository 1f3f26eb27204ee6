"""Steps before the first iteration: model, datasets and evaluation are compared, initial weights are loaded."""

from typing import NamedTuple

from omegaconf import DictConfig
from torch import nn

from detectory.core.checkpoint import Checkpointer
from detectory.data.classes import ClassList
from detectory.engine.recipe.building import build_model, is_sharded
from detectory.engine.recipe.data_checks import check_model_and_data, training_classes
from detectory.engine.recipe.datasets import align_test_classes, dataset_names, fit_keypoints, mapper_settings
from detectory.engine.recipe.evaluation import Evaluation
from detectory.engine.recipe.head_adaptation import head_adaptation
from detectory.engine.recipe.image_checks import check_image_files


class PreparedTraining(NamedTuple):
    """A model that fits its datasets and its evaluation.

    Attributes:
        model: The model, with random weights.
        evaluation: The evaluation of the model.
        classes: Classes of the training dataset, or None if they are unknown.
    """

    model: nn.Module
    evaluation: Evaluation
    classes: ClassList | None


def prepare(config: DictConfig) -> PreparedTraining:
    """Build the model of a recipe and check that datasets, model and evaluation fit together.

    Args:
        config: The recipe. Settings that depend on the dataset, such as the flipped keypoints, are set in place.

    Raises:
        ValueError: If model, datasets and evaluation do not fit together.
        FileNotFoundError: If images are missing.
    """
    classes = training_classes(dataset_names(config, "train"))
    fit_keypoints(config)
    model = build_model(config, is_sharded(config))
    evaluation = Evaluation(config, model)
    check_model_and_data(model, dataset_names(config, "train"), mapper_settings(config))
    align_test_classes(config, classes)
    evaluation.check()
    if mapper_settings(config) is not None:
        check_image_files(dataset_names(config))
    return PreparedTraining(model, evaluation, classes)


def load_initial_weights(
    config: DictConfig, checkpointer: Checkpointer, classes: ClassList | None, path: str, *, resume: bool
) -> None:
    """Resume the newest checkpoint, or load the initial weights and adapt their heads to the classes.

    Args:
        config: The recipe. With `train.init_dataset`, heads are adapted by the names of the classes.
        checkpointer: Saves and loads the training.
        classes: Classes of the training dataset.
        path: The initial weights, `""` for random weights.
        resume: Whether to resume.

    Raises:
        CheckpointError: If a checkpoint is damaged, or does not fit the model or the optimizer.
    """
    checkpointer.adapt = head_adaptation(config, checkpointer.model, classes)
    adapts = checkpointer.adapt is not None
    content = checkpointer.resume_or_load(path, resume=resume)
    checkpointer.require_loaded(path)
    checkpointer.adapt = None
    if classes is not None and not (adapts and not checkpointer.resumed_from):
        classes.load_state_dict(content.get("classes"))
