"""AMPTrainer: SimpleTrainer with automatic mixed precision."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from detectory.core.precision import resolve_precision
from detectory.engine.trainers.simple_trainer import SimpleTrainer


class AMPTrainer(SimpleTrainer):
    """Runs the model under `torch.autocast` and, for float16, scales the loss so that small gradients do not underflow.

    Args:
        model: See `SimpleTrainer`.
        data_loader: See `SimpleTrainer`.
        optimizer: See `SimpleTrainer`.
        gather_metric_period: See `SimpleTrainer`.
        zero_grad_before_forward: See `SimpleTrainer`.
        grad_scaler: Scales the loss. By default a `torch.amp.GradScaler`, enabled for float16 and disabled for
            bfloat16, which has the range of float32.
        precision: `torch.bfloat16`, `torch.float16` or `torch.float32`; None for `fastest_precision` of the model's
            device. If the device emulates the type, a warning contains the measured slowdown.
        log_grad_scaler: Whether to log the scale to the event storage.
        async_write_metrics: See `SimpleTrainer`.
        accumulation_steps: See `SimpleTrainer`.

    Raises:
        ValueError: If `precision` is another type.
    """

    def __init__(
        self,
        model: nn.Module,
        data_loader: Iterable[Any],
        optimizer: torch.optim.Optimizer,
        gather_metric_period: int = 1,
        zero_grad_before_forward: bool = False,
        grad_scaler: torch.amp.GradScaler | None = None,
        precision: torch.dtype | None = None,
        log_grad_scaler: bool = False,
        async_write_metrics: bool = False,
        *,
        accumulation_steps: int = 1,
    ) -> None:
        super().__init__(
            model,
            data_loader,
            optimizer,
            gather_metric_period,
            zero_grad_before_forward,
            async_write_metrics,
            accumulation_steps=accumulation_steps,
        )
        device = next(model.parameters()).device
        self.device_type = device.type
        precision = resolve_precision(precision, device, "AMPTrainer: precision")
        if grad_scaler is None:
            grad_scaler = torch.amp.GradScaler(self.device_type, enabled=precision == torch.float16)
        self.grad_scaler = grad_scaler
        self.precision = precision
        self.log_grad_scaler = log_grad_scaler

    def compute_losses(self, batch: Any) -> dict[str, torch.Tensor]:
        """Run the model under autocast."""
        # Autocast to float32 would only warn: without it the model already computes in float32.
        with torch.autocast(self.device_type, dtype=self.precision, enabled=self.precision != torch.float32):
            return super().compute_losses(batch)

    def backward(self, loss: torch.Tensor) -> None:
        """Compute the gradients of the scaled loss."""
        with self._named_gradient_exchange():
            self.grad_scaler.scale(loss).backward()

    def update(self) -> None:
        """Update the parameters. If scaling made a gradient infinite, skip the update and reduce the scale."""
        if self.log_grad_scaler:
            self.storage.put_scalar("metric/grad_scaler", self.grad_scaler.get_scale(), smoothing_hint=False)
        if self.grad_scaler.is_enabled():
            # Unscale before any optimizer hook reads the gradients: clipping needs their true magnitude.
            self.grad_scaler.unscale_(self.optimizer)
        self.grad_scaler.step(self.optimizer)
        self.grad_scaler.update()

    def state_dict(self) -> dict[str, Any]:
        """Return the state of `SimpleTrainer` and of the gradient scaler."""
        return super().state_dict() | {"grad_scaler": self.grad_scaler.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore a state, including one from a run without mixed precision."""
        super().load_state_dict(state_dict)
        if state_dict.get("grad_scaler"):
            self.grad_scaler.load_state_dict(state_dict["grad_scaler"])
