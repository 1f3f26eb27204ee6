"""Training in one call: from the name of a recipe and a dataset folder to a run with its report."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from omegaconf import DictConfig

from detectory.core.config import LazyConfig
from detectory.core.distributed import is_main_process
from detectory.engine.inference.run_folder import is_detectron2_config
from detectory.engine.plan import PlanRequest, plan_training
from detectory.engine.recipe.lookup import choose_device, load_recipe
from detectory.engine.run.execution import train_and_report
from detectory.engine.run.planned import show_plan, train_planned
from detectory.engine.run.run import Run


def train(
    recipe: str | Path | DictConfig | None = None,
    *,
    data: str | Path | None = None,
    output: str | Path | None = None,
    epochs: float | None = None,
    batch: int | Literal["auto"] | None = None,
    lr: float | None = None,
    image_size: int | None = None,
    workers: int | None = None,
    eval_every: int | None = None,
    weights: str | None = None,
    overrides: Sequence[str] = (),
    device: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    show: Callable[[str], Any] = print,
    verbose: bool = False,
) -> Run:
    """Train a model and write the report of the run, like `detectory train`.

    With `data`, the training is planned for the dataset and this machine: schedule, batch, image size, weights and
    evaluations. The plan is shown before the training and stored in the run folder. Without `data`, the recipe is
    trained as it is.

    While the training runs, a progress bar is drawn in a terminal, and lines with the losses, the AP so far and the
    remaining time are printed elsewhere, for example in a notebook. The complete log is in `log.txt` in the run folder.

    Args:
        recipe: Zoo name or file of a recipe, or a config. None chooses a recipe by dataset and device.
        data: A dataset folder in any format that `detectory data` reads.
        output: The run folder; by default the recipe's `train.output_dir`.
        epochs: Passes over the training images.
        batch: Images per iteration; `"auto"` finds the largest batch that fits into GPU memory.
        lr: Learning rate.
        image_size: Length of the shorter image side, in pixels.
        workers: Processes that load images.
        eval_every: Iterations between evaluations; 0 evaluates only at the end.
        weights: `"coco"`, `"imagenet"`, `"none"`, or the path or URL of a checkpoint. The first three need `data`.
        overrides: `KEY=VALUE` settings of the recipe, such as `["train.seed=1"]`, which take precedence.
        device: `"cpu"`, `"cuda"` or `"cuda:N"`; by default the first GPU if there is one.
        resume: Continue from the newest intact checkpoint in the run folder, if there is one.
        overwrite: Replace an earlier run in the folder.
        show: Called with the plan before the training.
        verbose: Show the log in the terminal too.

    Returns:
        The run: `model`, `metrics`, `predictor()`, `report`, `folder`, `plan`.

    Raises:
        ValueError: If neither `recipe` nor `data` is given, or an argument needs `data`.
        FileNotFoundError: If the dataset does not exist.
        KeyError: If the recipe does not exist; the message has the nearest names.
        TrainingInterrupted: If SIGTERM or Ctrl-C was received, after a checkpoint and a report were written.
        Exception: If the training fails for another reason, see `train_config`.

    Example:
        >>> run = train("COCO-Detection/retinanet_R_50_FPN_3x", data="my_dataset", epochs=20)  # doctest: +SKIP
        >>> run.metrics["bbox"]["AP"]  # doctest: +SKIP
        43.2
    """
    request = PlanRequest(
        epochs=epochs,
        batch=batch,
        lr=lr,
        image_size=image_size,
        workers=workers,
        eval_every=eval_every,
        weights=weights,
    )
    if isinstance(recipe, (str, Path)) and str(recipe).endswith((".yaml", ".yml")):
        _check_yaml(Path(recipe))
    if data is not None:
        if isinstance(recipe, DictConfig):
            raise ValueError("train: recipe must be a name or a file if data is given, got a config")
        planned = plan_training(
            data,
            None if recipe is None else str(recipe),
            request,
            overrides,
            device=device,
            output=output,
            resume=resume,
        )
        shown = show if is_main_process() else _ignore
        if is_main_process():
            show_plan(planned, show)
        return train_planned(planned, resume=resume, overwrite=overwrite, show=shown, verbose=verbose)
    config = _unplanned(recipe, request, overrides, output=output, device=device)
    return train_and_report(config, resume=resume, overwrite=overwrite, verbose=verbose)


def _unplanned(
    recipe: str | Path | DictConfig | None,
    request: PlanRequest,
    overrides: Sequence[str],
    *,
    output: str | Path | None,
    device: str | None,
) -> DictConfig:
    """Return the config of a training without a plan."""
    if recipe is None:
        raise ValueError("train: expected recipe or data")
    if request != PlanRequest(weights=request.weights) or request.weights in ("coco", "imagenet"):
        raise ValueError(
            "train: epochs, batch, lr, image_size, workers, eval_every and the weights coco and imagenet need data. "
            "Use overrides instead, such as train.max_iter=1000"
        )
    is_config = isinstance(recipe, DictConfig)
    config = recipe.copy() if isinstance(recipe, DictConfig) else load_recipe(str(recipe))
    if output is not None:
        config.train.output_dir = str(output)
    if request.weights is not None:
        config.train.init_checkpoint = "" if request.weights == "none" else request.weights
    LazyConfig.apply_overrides(config, list(overrides))
    if device is not None or not is_config:
        choose_device(config, device)
    return config


def _check_yaml(path: Path) -> None:
    if not path.is_file() or is_detectron2_config(path):
        raise ValueError(
            f"train: recipe must be a recipe, got the Detectron2 config {path}. "
            "Use 'detectory train', detectory.compat.detectron2, or 'detectory config convert'"
        )


def _ignore(_: str) -> None:
    """Show nothing: the main process does."""
