"""AMPTrainer: SimpleTrainer in mixed precision."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from detectory.engine.trainers.simple_trainer import SimpleTrainer


class AMPTrainer(SimpleTrainer):
    """Runs the model under torch's autocast; float16 gradients are scaled so that small ones do not vanish.

    Args:
        model: As of `SimpleTrainer`.
        data_loader: As of `SimpleTrainer`.
        optimizer: As of `SimpleTrainer`.
        gather_metric_period: As of `SimpleTrainer`.
        zero_grad_before_forward: As of `SimpleTrainer`.
        grad_scaler: Scales the loss; by default a `torch.amp.GradScaler` that works for float16 and does nothing
            for bfloat16, which has the range of float32.
        precision: `torch.float16` or `torch.bfloat16`.
        log_grad_scaler: Put the scale into the event storage.
        async_write_metrics: As of `SimpleTrainer`.
        accumulation_steps: As of `SimpleTrainer`.

    Raises:
        ValueError: another precision.
    """

    def __init__(
        self,
        model: nn.Module,
        data_loader: Iterable[Any],
        optimizer: torch.optim.Optimizer,
        gather_metric_period: int = 1,
        zero_grad_before_forward: bool = False,
        grad_scaler: torch.amp.GradScaler | None = None,
        precision: torch.dtype = torch.float16,
        log_grad_scaler: bool = False,
        async_write_metrics: bool = False,
        *,
        accumulation_steps: int = 1,
    ) -> None:
        if precision not in (torch.float16, torch.bfloat16):
            raise ValueError(f"AMPTrainer: precision must be torch.float16 or torch.bfloat16, got {precision}")
        super().__init__(
            model,
            data_loader,
            optimizer,
            gather_metric_period,
            zero_grad_before_forward,
            async_write_metrics,
            accumulation_steps=accumulation_steps,
        )
        self.device_type = next(model.parameters()).device.type
        if grad_scaler is None:
            grad_scaler = torch.amp.GradScaler(self.device_type, enabled=precision == torch.float16)
        self.grad_scaler = grad_scaler
        self.precision = precision
        self.log_grad_scaler = log_grad_scaler

    def compute_losses(self, batch: Any) -> dict[str, torch.Tensor]:
        """Run the model under autocast."""
        with torch.autocast(self.device_type, dtype=self.precision):
            return super().compute_losses(batch)

    def backward(self, loss: torch.Tensor) -> None:
        """Compute the gradients of the scaled loss."""
        with self._named_exchange():
            self.grad_scaler.scale(loss).backward()

    def update(self) -> None:
        """Update the parameters, unless scaling made a gradient infinite; then only the scale shrinks."""
        if self.log_grad_scaler:
            self.storage.put_scalar("metric/grad_scaler", self.grad_scaler.get_scale(), smoothing_hint=False)
        if self.grad_scaler.is_enabled():
            # Before anything looks at the gradients: clipping needs their true size.
            self.grad_scaler.unscale_(self.optimizer)
        self.grad_scaler.step(self.optimizer)
        self.grad_scaler.update()

    def state_dict(self) -> dict[str, Any]:
        """Return what `SimpleTrainer` does, and the scaler."""
        return super().state_dict() | {"grad_scaler": self.grad_scaler.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a state, also from one of a training without mixed precision."""
        super().load_state_dict(state_dict)
        if state_dict.get("grad_scaler"):
            self.grad_scaler.load_state_dict(state_dict["grad_scaler"])
