"""Default training and prediction with a config."""

import argparse
import contextlib
import logging
import os
import sys
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig, OmegaConf
from torch import nn

from detectory.compat.detectron2.checkpoint import DetectionCheckpointer
from detectory.compat.detectron2.config import CfgNode, LazyConfig
from detectory.compat.detectron2.data import (
    MetadataCatalog,
    build_detection_test_loader,
    build_detection_train_loader,
)
from detectory.compat.detectron2.data import transforms as T
from detectory.compat.detectron2.engine import hooks
from detectory.compat.detectron2.engine.data_checks import check_model, prepare_classes
from detectory.compat.detectron2.engine.train_loop import AMPTrainer, SimpleTrainer, TrainerBase
from detectory.compat.detectron2.engine.worker_scaling import auto_scale_workers
from detectory.compat.detectron2.evaluation.testing import verify_results
from detectory.compat.detectron2.modeling import build_model
from detectory.compat.detectron2.solver import build_lr_scheduler, build_optimizer
from detectory.compat.detectron2.utils import comm
from detectory.compat.detectron2.utils.collect_env import collect_env_info
from detectory.compat.detectron2.utils.env import seed_all_rng
from detectory.compat.detectron2.utils.events import CommonMetricPrinter, JSONWriter, TensorboardXWriter
from detectory.compat.detectron2.utils.file_io import PathManager
from detectory.compat.detectron2.utils.logger import setup_logger
from detectory.core.checkpoint import unwrap
from detectory.core.storage import atomic_write
from detectory.engine import create_ddp_model, default_writers
from detectory.engine.recipe.data_checks import check_evaluator
from detectory.evaluation import DatasetEvaluator, inference_on_dataset, print_csv_format
from detectory.structures.model_formats import ModelOutput

__all__ = [
    "CommonMetricPrinter",
    "DefaultPredictor",
    "DefaultTrainer",
    "JSONWriter",
    "TensorboardXWriter",
    "_highlight",
    "_try_get_key",
    "create_ddp_model",
    "default_argument_parser",
    "default_setup",
    "default_writers",
]


def default_argument_parser(epilog: str | None = None) -> argparse.ArgumentParser:
    """Return a parser of the arguments shared by training scripts.

    Args:
        epilog: Text shown below the help; usage examples by default.
    """
    script = sys.argv[0]
    examples = f"""examples:
  one machine:        {script} --num-gpus 8 --config-file cfg.yaml
  change settings:    {script} --config-file cfg.yaml MODEL.WEIGHTS /path/to/weight.pth SOLVER.BASE_LR 0.001
  several machines:   {script} --machine-rank 0 --num-machines 2 --dist-url tcp://ADDRESS:PORT [--other-flags]
                      {script} --machine-rank 1 --num-machines 2 --dist-url tcp://ADDRESS:PORT [--other-flags]"""
    parser = argparse.ArgumentParser(epilog=epilog or examples, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config-file", default="", metavar="FILE", help="path of the config file")
    parser.add_argument("--resume", action="store_true", help="resume from the last checkpoint in the output folder")
    parser.add_argument("--eval-only", action="store_true", help="evaluate without training")
    parser.add_argument("--num-gpus", type=int, default=1, help="number of GPUs per machine")
    parser.add_argument("--num-machines", type=int, default=1, help="number of machines")
    parser.add_argument("--machine-rank", type=int, default=0, help="rank of this machine, from 0")
    parser.add_argument("--dist-url", default="auto", help="rendezvous URL, see detectory.engine.launch")
    parser.add_argument("opts", nargs=argparse.REMAINDER, default=None, help="config settings to override: KEY VALUE …")
    return parser


def default_setup(cfg: CfgNode | DictConfig, args: argparse.Namespace) -> None:
    """Set up the process for training or evaluation.

    Configures logging, logs environment, arguments and config, saves the config in the output folder, seeds the random
    generators and applies `CUDNN_BENCHMARK` and `FLOAT32_PRECISION`.

    Args:
        cfg: A `CfgNode` or lazy config.
        args: Arguments parsed by `default_argument_parser`.
    """
    output_dir = _setting(cfg, "OUTPUT_DIR", "output_dir", "train.output_dir", default=None)
    rank = comm.get_rank()
    if comm.is_main_process() and output_dir:
        PathManager.mkdirs(output_dir)
    setup_logger(output_dir, distributed_rank=rank, name="fvcore")
    logger = setup_logger(output_dir, distributed_rank=rank)
    logger.info("rank %d, world size %d", rank, comm.get_world_size())
    logger.info("environment:\n%s", collect_env_info())
    logger.info("arguments: %s", args)
    if getattr(args, "config_file", ""):
        with PathManager.open(args.config_file, "r") as file:
            logger.info("content of %s:\n%s", args.config_file, file.read())
    if comm.is_main_process() and output_dir:
        path = os.path.join(output_dir, "config.yaml")
        if isinstance(cfg, CfgNode):
            with atomic_write(path, "w") as file:
                file.write(cfg.dump())
        else:
            LazyConfig.save(cfg, path)
        logger.info("full config saved to %s", path)
    seed = _setting(cfg, "SEED", "train.seed", default=-1)
    seed_all_rng(None if seed is None or seed < 0 else seed + rank)
    if not getattr(args, "eval_only", False):
        torch.backends.cudnn.benchmark = bool(_setting(cfg, "CUDNN_BENCHMARK", "train.cudnn_benchmark", default=False))
    precision = _setting(cfg, "FLOAT32_PRECISION", "train.float32_precision", default="")
    if precision:
        torch.set_float32_matmul_precision(precision)


def _setting(cfg: Any, *keys: str, default: Any) -> Any:
    """Return the first of `keys` that a `CfgNode` or lazy config contains."""
    for key in keys:
        if isinstance(cfg, CfgNode):
            if "." not in key and key in cfg:
                return cfg[key]
        elif (value := OmegaConf.select(cfg, key, default=None)) is not None:
            return value
    return default


def _try_get_key(cfg: CfgNode | DictConfig, *keys: str, default: Any = None) -> Any:
    """Return the first of the dotted `keys` that a config of either type contains."""
    tree = OmegaConf.create(cfg.dump()) if isinstance(cfg, CfgNode) else cfg
    for key in keys:
        missing = object()
        value = OmegaConf.select(tree, key, default=missing)
        if value is not missing:
            return value
    return default


def _highlight(code: str, filename: str) -> str:
    """Return source code coloured for a terminal if Pygments is installed, else unchanged.

    Args:
        code: The source code.
        filename: File name, whose suffix selects the language.
    """
    try:
        from pygments import highlight
        from pygments.formatters import Terminal256Formatter
        from pygments.lexers import Python3Lexer, YamlLexer
    except ImportError:
        return code
    lexer = Python3Lexer() if filename.endswith(".py") else YamlLexer()
    return highlight(code, lexer, Terminal256Formatter(style="monokai"))


class DefaultPredictor:
    """Runs the model of a config on one image at a time.

    Weights are loaded from `MODEL.WEIGHTS`, images are resized according to `INPUT`, and class names come from the
    first dataset of `DATASETS.TEST`. For batches, files and folders use
    `detectory.engine.inference.predictor.Predictor`.

    Args:
        cfg: The config.

    Attributes:
        metadata: Metadata of the first dataset of `DATASETS.TEST`.
    """

    def __init__(self, cfg: CfgNode) -> None:
        self.cfg = cfg.clone()
        self.model = build_model(self.cfg)
        self.model.eval()
        if len(cfg.DATASETS.TEST):
            self.metadata = MetadataCatalog.get(cfg.DATASETS.TEST[0])
        DetectionCheckpointer(self.model).load(cfg.MODEL.WEIGHTS)
        self.aug = T.ResizeShortestEdge([cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MIN_SIZE_TEST], cfg.INPUT.MAX_SIZE_TEST)
        self.input_format = cfg.INPUT.FORMAT
        if self.input_format not in ("RGB", "BGR"):
            raise ValueError(f"DefaultPredictor: INPUT.FORMAT must be 'RGB' or 'BGR', got {self.input_format!r}")

    def __call__(self, original_image: np.ndarray) -> ModelOutput:
        """Return the model's output for an image.

        Args:
            original_image: `(H, W, 3)`, BGR.
        """
        image = original_image[:, :, ::-1] if self.input_format == "RGB" else original_image
        height, width = original_image.shape[:2]
        resized = self.aug.get_transform(image).apply_image(image)
        tensor = torch.as_tensor(np.ascontiguousarray(resized.astype("float32").transpose(2, 0, 1)))
        with torch.no_grad():
            return self.model([{"image": tensor.to(self.cfg.MODEL.DEVICE), "height": height, "width": width}])[0]


class DefaultTrainer(TrainerBase):
    """Trains the model of a config with default components, each built by a method that subclasses may override.

    Args:
        cfg: The config.

    Attributes:
        cfg: Copy of the config, scaled to the number of workers by `auto_scale_workers`.
        checkpointer: Saves and loads model, optimizer and scheduler.
        classes: Classes of the training datasets, stored in checkpoints; None if unknown.
        scheduler: Learning rate scheduler.
    """

    def __init__(self, cfg: CfgNode) -> None:
        super().__init__()
        logger = logging.getLogger("detectron2")
        if not logger.isEnabledFor(logging.INFO):
            setup_logger()
        cfg = self.auto_scale_workers(cfg, comm.get_world_size())
        classes = prepare_classes(cfg, self._has_default_loader())
        model = self.build_model(cfg)
        check_model(model, cfg, self._has_default_loader())
        optimizer = self.build_optimizer(cfg, model)
        data_loader = self.build_train_loader(cfg)
        model = create_ddp_model(model, broadcast_buffers=False)
        trainer_class = AMPTrainer if cfg.SOLVER.AMP.ENABLED else SimpleTrainer
        self._trainer = trainer_class(model, data_loader, optimizer)
        self.scheduler = self.build_lr_scheduler(cfg, optimizer)
        self.classes = classes
        checkpointables: dict[str, Any] = {"classes": classes} if classes else {}
        self.checkpointer = DetectionCheckpointer(model, cfg.OUTPUT_DIR, trainer=weakref.proxy(self), **checkpointables)
        self.start_iter = 0
        self.max_iter = cfg.SOLVER.MAX_ITER
        self.cfg = cfg
        self.register_hooks(self.build_hooks())

    @property
    def model(self) -> nn.Module:
        """The model, wrapped in `DistributedDataParallel` if there are several processes."""
        return self._trainer.model

    @model.setter
    def model(self, value: nn.Module) -> None:
        self._trainer.model = value

    @property
    def data_loader(self) -> Any:
        """The training loader."""
        return self._trainer.data_loader

    @data_loader.setter
    def data_loader(self, value: Any) -> None:
        self._trainer.data_loader = value

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """The optimizer."""
        return self._trainer.optimizer

    @optimizer.setter
    def optimizer(self, value: torch.optim.Optimizer) -> None:
        self._trainer.optimizer = value

    def resume_or_load(self, resume: bool = True) -> None:
        """Resume from the last checkpoint in the output folder, or load `MODEL.WEIGHTS`.

        Args:
            resume: Look for a checkpoint, and if there is one restore model, optimizer, scheduler and iteration.
        """
        content = self.checkpointer.resume_or_load(self.cfg.MODEL.WEIGHTS, resume=resume)
        if self.classes is not None:
            self.classes.load_state_dict(content.get("classes"))
            model: Any = self.checkpointer.model
            model.trained_classes = self.classes.state_dict()
        if self.checkpointer.resumed_from:
            self.start_iter = self.iter + 1

    def build_hooks(self) -> list[Any]:
        """Build the default hooks: timer, scheduler, precise batch norm, checkpoints, evaluation and writers.

        Override to remove or add hooks: `return [*super().build_hooks(), MyHook()]`.
        """
        cfg = self.cfg.clone()
        cfg.defrost()
        cfg.DATALOADER.NUM_WORKERS = 0  # precise batch norm reads only a few batches
        precise = cfg.TEST.PRECISE_BN
        found: list[Any] = [hooks.IterationTimer(), hooks.LRScheduler()]
        if precise.ENABLED and _has_batch_norm(self.model):
            loader = self.build_train_loader(cfg)
            found.append(hooks.PreciseBN(cfg.TEST.EVAL_PERIOD, self.model, loader, precise.NUM_ITER))
        if comm.is_main_process() or comm.get_world_size() > 1:
            periodic = hooks.PeriodicCheckpointer(self.checkpointer, cfg.SOLVER.CHECKPOINT_PERIOD)
            periodic.is_on_all_processes = True
            found.append(periodic)

        def test_and_save_results() -> Mapping[str, Any]:
            self._last_eval_results = self.test(self.cfg, self.model)
            return self._last_eval_results

        found.append(hooks.EvalHook(cfg.TEST.EVAL_PERIOD, test_and_save_results))
        if comm.is_main_process():
            found.append(hooks.PeriodicWriter(self.build_writers(), period=20))
        return found

    def build_writers(self) -> list[Any]:
        """Build the event writers: log, JSON file and TensorBoard."""
        return default_writers(self.cfg.OUTPUT_DIR, self.max_iter)

    def train(self) -> Mapping[str, Any] | None:  # type: ignore[override]
        """Train from `start_iter` to `SOLVER.MAX_ITER`.

        Returns:
            Results of the last evaluation, verified against `TEST.EXPECTED_RESULTS`; None if nothing was evaluated.
        """
        self._check_evaluators()
        super().train(self.start_iter, self.max_iter)
        results = getattr(self, "_last_eval_results", None)
        if len(self.cfg.TEST.EXPECTED_RESULTS) and comm.is_main_process():
            if results is None:
                raise RuntimeError("DefaultTrainer.train: TEST.EXPECTED_RESULTS is set, but nothing was evaluated")
            verify_results(self.cfg, results)
        return results

    def run_step(self) -> None:
        """Run one training iteration."""
        self._trainer.iter = self.iter
        self._trainer.run_step()

    def after_backward(self) -> None:
        """Call the hooks that inspect gradients."""
        super().after_backward()

    def before_train(self) -> None:
        """Call `before_train` of the inner trainer, then of the hooks."""
        self._trainer.storage, self._trainer.max_iter = self.storage, self.max_iter
        self._trainer.after_backward = super().after_backward  # type: ignore[method-assign]
        self._trainer.before_train()
        super().before_train()

    def after_train(self) -> None:
        """Call `after_train` of the inner trainer, then of the hooks."""
        self._trainer.after_train()
        super().after_train()

    def synchronize_state(self) -> None:
        """Collect the state that is saved by every process."""
        self._trainer.iter = self.iter
        self._trainer.synchronize_state()

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the hooks and of the inner trainer."""
        state = super().state_dict()
        state["_trainer"] = self._trainer.state_dict()
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore a state returned by `state_dict`."""
        super().load_state_dict(state_dict)
        self._trainer.load_state_dict(state_dict["_trainer"])

    def state_problems(self, state_dict: dict[str, Any]) -> list[str]:
        """Return the differences between the optimizer of a state and that of this trainer."""
        return self._trainer.state_problems(state_dict["_trainer"]) if "_trainer" in state_dict else []

    def _check_evaluators(self) -> None:
        """Read the ground truth of the test datasets, so that a training does not fail at its evaluation."""
        for name in self.cfg.DATASETS.TEST if comm.is_main_process() else ():
            with contextlib.suppress(NotImplementedError):
                check_evaluator(type(self).build_evaluator(self.cfg, name), unwrap(self.model))

    def _has_default_loader(self) -> bool:
        """Whether the training loader has the default mapper, so that model and annotations can be compared."""
        return getattr(type(self).build_train_loader, "__func__", None) is getattr(
            DefaultTrainer.build_train_loader, "__func__", None
        )

    @classmethod
    def build_model(cls, cfg: CfgNode) -> nn.Module:
        """Build the model with `build_model`."""
        model = build_model(cfg)
        logging.getLogger(__name__).info("model:\n%s", model)
        return model

    @classmethod
    def build_optimizer(cls, cfg: CfgNode, model: nn.Module) -> torch.optim.Optimizer:
        """Build the optimizer with `build_optimizer`."""
        return build_optimizer(cfg, model)

    @classmethod
    def build_lr_scheduler(cls, cfg: CfgNode, optimizer: torch.optim.Optimizer) -> Any:
        """Build the learning rate scheduler with `build_lr_scheduler`."""
        return build_lr_scheduler(cfg, optimizer)

    @classmethod
    def build_train_loader(cls, cfg: CfgNode) -> Any:
        """Build the training loader with `build_detection_train_loader`."""
        return build_detection_train_loader(cfg)

    @classmethod
    def build_test_loader(cls, cfg: CfgNode, dataset_name: str) -> Any:
        """Build the loader of a test dataset with `build_detection_test_loader`."""
        return build_detection_test_loader(cfg, dataset_name)

    @classmethod
    def build_evaluator(cls, cfg: CfgNode, dataset_name: str) -> DatasetEvaluator | None:
        """Return the evaluator of a test dataset. Override this, or pass evaluators to `test`.

        Raises:
            NotImplementedError: If not overridden; `test` then logs a warning and skips the dataset.
        """
        raise NotImplementedError(
            f"no evaluator for {dataset_name}: override {cls.__name__}.build_evaluator, or pass evaluators to test"
        )

    @classmethod
    def test(
        cls,
        cfg: CfgNode,
        model: nn.Module,
        evaluators: DatasetEvaluator | list[DatasetEvaluator] | None = None,
    ) -> dict[str, Any]:
        """Evaluate a model on every dataset of `DATASETS.TEST`.

        Args:
            cfg: The config.
            model: The model to evaluate.
            evaluators: One evaluator per test dataset; built by `build_evaluator` by default.

        Returns:
            Results by dataset, or the results themselves if there is a single dataset.

        Raises:
            ValueError: If the number of evaluators differs from the number of test datasets.
        """
        logger = logging.getLogger(__name__)
        if isinstance(evaluators, DatasetEvaluator):
            evaluators = [evaluators]
        if evaluators is not None and len(evaluators) != len(cfg.DATASETS.TEST):
            raise ValueError(
                f"test: expected {len(cfg.DATASETS.TEST)} evaluators, one per dataset, got {len(evaluators)}"
            )
        results: dict[str, Any] = {}
        for index, name in enumerate(cfg.DATASETS.TEST):
            try:
                evaluator = evaluators[index] if evaluators is not None else cls.build_evaluator(cfg, name)
            except NotImplementedError as error:
                logger.warning("%s is not evaluated: %s", name, error)
                results[name] = {}
                continue
            results[name] = inference_on_dataset(model, cls.build_test_loader(cfg, name), evaluator)
            if comm.is_main_process():
                logger.info("results of %s:", name)
                print_csv_format(results[name])
        return next(iter(results.values())) if len(results) == 1 else results

    auto_scale_workers: Callable[[CfgNode, int], CfgNode] = staticmethod(auto_scale_workers)


def _has_batch_norm(model: nn.Module) -> bool:
    return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules())
