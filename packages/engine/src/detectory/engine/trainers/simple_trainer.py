"""SimpleTrainer: one model, one loss, one optimizer and one data loader."""

import contextlib
import logging
import math
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from detectory.core.checkpoint import unwrap
from detectory.core.distributed import all_gather, gather, get_rank, get_world_size, is_main_process, named_collective
from detectory.core.events import EventStorage, get_event_storage
from detectory.engine.trainers.optimizer_description import compare_optimizers, describe_optimizer
from detectory.engine.trainers.random_state import random_state, set_random_state
from detectory.engine.trainers.training_loop import TrainerBase

_logger = logging.getLogger(__name__)


class SimpleTrainer(TrainerBase):
    """Loads a batch, computes the losses and gradients, and updates the parameters. Hooks do everything else.

    Args:
        model: Returns a loss or a dictionary of losses for a batch; their sum is minimised. It is set to training mode.
        data_loader: An infinite iterable of batches. If it has `state_dict` and `load_state_dict`, its position is
            saved in checkpoints.
        optimizer: A torch optimizer.
        gather_metric_period: Number of iterations between gathering, checking and logging the losses. A longer period
            means fewer synchronisations with the GPU.
        zero_grad_before_forward: Clear the gradients before the forward pass instead of before the backward pass,
            which frees their memory earlier.
        async_write_metrics: Log the losses from a thread, so that the training loop does not wait.
        accumulation_steps: Number of batches per iteration, whose gradients are averaged.

    Attributes:
        last_batch: The most recent batch.
        on_nonfinite: Called with the error if a loss is NaN or infinite. If it returns True, the update is skipped and
            the training continues. With `checks_all_ranks`, all processes call it, those with finite losses with None.
        checks_all_ranks: Whether the processes agree before each update that all losses are finite.

    Raises:
        ValueError: If `gather_metric_period` or `accumulation_steps` is not positive.
    """

    def __init__(
        self,
        model: nn.Module,
        data_loader: Iterable[Any],
        optimizer: torch.optim.Optimizer,
        gather_metric_period: int = 1,
        zero_grad_before_forward: bool = False,
        async_write_metrics: bool = False,
        *,
        accumulation_steps: int = 1,
    ) -> None:
        super().__init__()
        if gather_metric_period < 1 or accumulation_steps < 1:
            raise ValueError(
                f"{type(self).__name__}: gather_metric_period and accumulation_steps must be positive, "
                f"got {gather_metric_period} and {accumulation_steps}"
            )
        model.train()
        self.model = model
        self.data_loader = data_loader
        self.optimizer = optimizer
        self.gather_metric_period = gather_metric_period
        self.zero_grad_before_forward = zero_grad_before_forward
        self.async_write_metrics = async_write_metrics
        self.accumulation_steps = accumulation_steps
        self.last_batch: Any = None
        self.on_nonfinite: Callable[[FloatingPointError | None], bool] | None = None
        self.checks_all_ranks = False
        self._iterator: Iterator[Any] | None = None
        self._random_state_to_set: dict[str, Any] | None = None
        self._rank_states: list[dict[str, Any]] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1) if async_write_metrics else None
        self._pending: Future[None] | None = None

    def before_train(self) -> None:
        """Run the hooks, start the data loader and restore the random generators of a resumed run."""
        super().before_train()
        self._iterator = iter(self.data_loader)
        if self._random_state_to_set is not None:
            # Restore at the last moment: objects built after the checkpoint was read have drawn random numbers.
            set_random_state(self._random_state_to_set)
            self._random_state_to_set = None

    def after_train(self) -> None:
        """Wait for pending metrics and run the hooks."""
        if self._thread is not None:
            self._thread.shutdown(wait=True)
        super().after_train()

    def run_step(self) -> None:
        """Run one iteration.

        Raises:
            FloatingPointError: If a loss is NaN or infinite; the message has the iteration and the losses. The
                parameters are not updated.
        """
        if not self.model.training:
            raise RuntimeError(f"{type(self).__name__}: the model was changed to evaluation mode during training")
        if self.zero_grad_before_forward:
            self.optimizer.zero_grad()
        batch_losses, data_time = [], 0.0
        for step in range(self.accumulation_steps):
            start = time.perf_counter()
            batch = self.next_batch()
            data_time += time.perf_counter() - start
            if step + 1 < self.accumulation_steps and self._can_defer_gradient_exchange():
                # All-reduce the gradients only for the last batch of an iteration.
                with cast("DistributedDataParallel", self.model).no_sync():
                    batch_losses.append(self._compute_gradients(batch, is_first=step == 0))
            else:
                batch_losses.append(self._compute_gradients(batch, is_first=step == 0))
        self.after_backward()
        losses = _mean_of(batch_losses)
        if self.checks_all_ranks and not _are_finite_everywhere(losses):
            self._skip_together(losses)
            return
        try:
            self._put_metrics(losses, data_time)
        except FloatingPointError as error:
            if self.on_nonfinite is not None and self.on_nonfinite(error):
                return
            raise
        self.update()

    def _can_defer_gradient_exchange(self) -> bool:
        # With static_graph, DDP records the graph in the first backward pass and must synchronise in it.
        return isinstance(self.model, DistributedDataParallel) and not self.model.static_graph

    def _skip_together(self, losses: Mapping[str, torch.Tensor]) -> None:
        """Skip the update in all processes, because at least one of them has a non-finite loss."""
        values = dict(zip(losses, _as_numbers(losses.values()), strict=True))
        error = None if abs(sum(values.values())) < math.inf else _not_finite(values, self.iter)
        if self.on_nonfinite is None or not self.on_nonfinite(error):
            raise error or FloatingPointError(f"iteration {self.iter}: a loss of another process is not finite")

    def _compute_gradients(self, batch: Any, is_first: bool) -> dict[str, torch.Tensor]:
        losses = self.compute_losses(batch)
        total = cast("torch.Tensor", sum(losses.values()))
        if is_first and not self.zero_grad_before_forward:
            self.optimizer.zero_grad()
        self.backward(total if self.accumulation_steps == 1 else total / self.accumulation_steps)
        return losses

    def next_batch(self) -> Any:
        """Return the next batch from the data loader."""
        if self._iterator is None:
            self._iterator = iter(self.data_loader)
        try:
            self.last_batch = next(self._iterator)
        except StopIteration as error:
            raise RuntimeError(
                f"{type(self).__name__}: data_loader ended at iteration {self.iter}; it must be infinite"
            ) from error
        return self.last_batch

    def compute_losses(self, batch: Any) -> dict[str, torch.Tensor]:
        """Run the model on a batch. A loss returned as a single tensor is named `total_loss`."""
        losses = self.model(batch)
        return {"total_loss": losses} if isinstance(losses, torch.Tensor) else losses

    def backward(self, loss: torch.Tensor) -> None:
        """Compute the gradients."""
        with self._named_gradient_exchange():
            loss.backward()

    def _named_gradient_exchange(self) -> contextlib.AbstractContextManager[None]:
        """Return a context that names the iteration if DDP's gradient all-reduce fails."""
        if get_world_size() == 1:
            return contextlib.nullcontext()
        return named_collective(f"the exchange of gradients in iteration {self.iter}")

    def update(self) -> None:
        """Update the parameters."""
        self.optimizer.step()

    def reset_data_loader(self, data_loader_builder: Any) -> None:
        """Replace the data loader by `data_loader_builder()`, after the old one is freed."""
        del self.data_loader
        self._iterator = None
        self.data_loader = data_loader_builder()

    def _put_metrics(self, loss_dict: Mapping[str, torch.Tensor], data_time: float) -> None:
        if (self.iter + 1) % self.gather_metric_period:
            return
        if self._thread is None:
            self.write_metrics(loss_dict, data_time, self.iter, storage=self.storage)
            return
        if self._pending is not None:
            # An error in the thread, such as a NaN, is raised one iteration late.
            self._pending.result()
        detached = {name: value.detach() for name, value in loss_dict.items()}
        self._pending = self._thread.submit(self.write_metrics, detached, data_time, self.iter, storage=self.storage)

    @staticmethod
    def write_metrics(
        loss_dict: Mapping[str, torch.Tensor],
        data_time: float,
        cur_iter: int,
        prefix: str = "",
        storage: EventStorage | None = None,
    ) -> None:
        """Log the losses, averaged over processes, and the longest data loading time in the main process.

        Args:
            loss_dict: Scalar tensors.
            data_time: Seconds that this process waited for data.
            cur_iter: The current iteration.
            prefix: Prefix of the name `total_loss`.
            storage: The event storage; by default the open one.

        Raises:
            FloatingPointError: If a loss of this process is NaN or infinite.
        """
        losses: dict[str, Any] = dict(zip(loss_dict, _as_numbers(loss_dict.values()), strict=True))
        total = sum(losses.values())
        # The sum is finite only if all losses are.
        if not abs(total) < math.inf:
            raise _not_finite(losses, cur_iter)
        if get_world_size() > 1:
            all_metrics = gather((losses, data_time))
            if not is_main_process():
                return
            data_time = max(seconds for _, seconds in all_metrics)
            losses = {name: sum(own[name] for own, _ in all_metrics) / len(all_metrics) for name in losses}
            total = sum(losses.values())
        storage = get_event_storage() if storage is None else storage
        summary: dict[str, Any] = {"data_time": data_time, f"{prefix}total_loss": total}
        storage.put_scalars(cur_iter=cur_iter, **summary)
        if len(losses) > 1:
            storage.put_scalars(cur_iter=cur_iter, **losses)

    def synchronize_state(self) -> None:
        """Gather the random states and data loader positions of all processes for the next `state_dict`."""
        self._rank_states = all_gather(self._own_state())

    def state_dict(self) -> dict[str, Any]:
        """Return the state of `TrainerBase`, the optimizer, and the random state and data position of each process."""
        rank_states = self._rank_states or [self._own_state()]
        self._rank_states = None
        return super().state_dict() | {
            "optimizer": self.optimizer.state_dict(),
            "optimizer_description": describe_optimizer(self.optimizer, self.model),
            "ranks": rank_states,
        }

    def state_problems(self, state_dict: dict[str, Any]) -> list[str]:
        """Return the differences between the optimizer of a state and that of this trainer."""
        return compare_optimizers(
            state_dict.get("optimizer_description"), describe_optimizer(self.optimizer, self.model)
        )

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore a state. Exact resumption requires the same number of processes as when it was saved."""
        super().load_state_dict(state_dict)
        self.optimizer.load_state_dict(state_dict["optimizer"])
        rank_states = state_dict.get("ranks", [])
        if len(rank_states) != get_world_size():
            _logger.warning(
                "the checkpoint was saved by %d processes, but %d are running: random numbers and data will differ",
                len(rank_states),
                get_world_size(),
            )
        if get_rank() >= len(rank_states):
            return
        own = rank_states[get_rank()]
        self._random_state_to_set = own["random"]
        if "data_loader" in own and hasattr(self.data_loader, "load_state_dict"):
            self.data_loader.load_state_dict(own["data_loader"])
        modules = dict(unwrap(self.model).named_modules())
        for name, state in own.get("running", {}).items():
            modules[name].load_running_state(state)

    def _own_state(self) -> dict[str, Any]:
        state = {"random": random_state()}
        if hasattr(self.data_loader, "state_dict"):
            state["data_loader"] = self.data_loader.state_dict()
        # Running averages that modules keep outside of the model's state dict, see DenseDetector.running_state.
        modules = unwrap(self.model).named_modules()
        running = {name: module.running_state() for name, module in modules if hasattr(module, "running_state")}
        return state | {"running": running} if running else state


def _as_numbers(tensors: Collection[torch.Tensor]) -> list[float]:
    """Return the values of scalar tensors, with a single device-to-host copy if all are on one GPU."""
    devices = {tensor.device for tensor in tensors}
    if len(devices) == 1 and not next(iter(tensors)).is_cpu:
        return torch.stack([tensor.detach().float().reshape(()) for tensor in tensors]).tolist()
    return [tensor.item() for tensor in tensors]


def _are_finite_everywhere(losses: Mapping[str, torch.Tensor]) -> bool:
    total = torch.stack([loss.detach().float() for loss in losses.values()]).sum()
    finite = total.isfinite().to(torch.int32)
    with named_collective("the check for finite losses"):
        dist.all_reduce(finite, dist.ReduceOp.MIN)
    return bool(finite.item())


def _not_finite(losses: dict[str, float], iteration: int) -> FloatingPointError:
    wrong = [name for name, value in losses.items() if not abs(value) < math.inf] or ["the sum of all losses"]
    shown = ", ".join(f"{name} = {value}" for name, value in losses.items())
    process = f" in process {get_rank()}" if get_world_size() > 1 else ""
    return FloatingPointError(
        f"iteration {iteration}{process}: {', '.join(wrong)} is not finite ({shown}); "
        "try a lower learning rate, a longer warm-up or gradient clipping"
    )


def _mean_of(loss_dicts: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    if len(loss_dicts) == 1:
        return loss_dicts[0]
    return {name: torch.stack([losses[name].detach() for losses in loss_dicts]).mean() for name in loss_dicts[0]}
