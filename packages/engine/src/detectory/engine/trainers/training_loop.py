"""TrainerBase, a generic training loop, and HookBase, its extension interface."""

import logging
import weakref
from collections.abc import Sequence
from typing import Any

from detectory.core.events import EventStorage

_logger = logging.getLogger(__name__)


class HookBase:
    """Base class for actions at fixed points of the training loop. Subclasses override the methods they need.

    The methods are called in this order::

        hook.before_train()
        for iter in range(start_iter, max_iter):
            hook.before_step()
            trainer.run_step()  # calls hook.after_backward() between the gradients and the update
            hook.after_step()
        hook.after_train()

    Expensive work belongs in `after_step`, because `IterationTimer` measures from `before_step` to `after_step`.
    Hooks run in registration order at every point, so a hook that uses a metric must be registered after the hook
    that computes it.

    Attributes:
        trainer: A weak reference to the trainer that the hook is registered with.
    """

    trainer: Any = None

    def before_train(self) -> None:
        """Called before the first iteration."""

    def after_train(self) -> None:
        """Called after the last iteration, also if the training ends with an exception."""

    def before_step(self) -> None:
        """Called before each iteration."""

    def after_backward(self) -> None:
        """Called in each iteration after the gradients are computed and before the parameters are updated."""

    def after_step(self) -> None:
        """Called after each iteration."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state that the hook needs to resume: numbers, strings, tensors and containers of these."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state returned by `state_dict`. Stateless hooks ignore it."""


class TrainerBase:
    """A training loop with hooks. Subclasses implement an iteration in `run_step`.

    Attributes:
        iter: The current iteration.
        start_iter: The first iteration of this run; not 0 for a resumed run.
        max_iter: Total number of iterations.
        storage: The `EventStorage` that is open during the training.
        stop_reason: Why the training stops before `max_iter`, or None.
    """

    iter: int
    start_iter: int
    max_iter: int
    storage: EventStorage

    def __init__(self) -> None:
        self._hooks: list[HookBase] = []
        self.iter = self.start_iter = self.max_iter = 0
        self.stop_reason: str | None = None

    def register_hooks(self, hooks: Sequence[HookBase | None]) -> None:
        """Add hooks, which run in registration order. None entries are ignored."""
        for hook in hooks:
            if hook is None:
                continue
            if not isinstance(hook, HookBase):
                raise TypeError(f"register_hooks: hooks must be HookBase instances, got {type(hook).__name__}")
            # Weak: a reference cycle would keep the model's memory alive after the training.
            hook.trainer = weakref.proxy(self)
            self._hooks.append(hook)

    def train(self, start_iter: int, max_iter: int) -> None:
        """Run the iterations from `start_iter` to `max_iter - 1`.

        An exception is logged with its iteration and re-raised after the hooks' `after_train`.
        """
        _logger.info("starting training from iteration %d of %d", start_iter, max_iter)
        self.iter = self.start_iter = start_iter
        self.max_iter = max_iter
        self.stop_reason = None
        with EventStorage(start_iter) as self.storage:
            try:
                self.before_train()
                self._run_iterations()
            except Exception as error:
                _logger.error("training failed at iteration %d: %s: %s", self.iter, type(error).__name__, error)
                if isinstance(error, FloatingPointError) and "iteration" not in str(error):
                    raise FloatingPointError(f"iteration {self.iter}: {error}") from error
                raise
            finally:
                self.after_train()

    def stop(self, reason: str) -> None:
        """Stop after the current iteration; `reason` is logged and stored in `stop_reason`."""
        self.stop_reason = reason

    def _run_iterations(self) -> None:
        for iteration in range(self.start_iter, self.max_iter):
            self.iter = iteration
            self.before_step()
            self.run_step()
            self.after_step()
            if self.stop_reason is not None:
                _logger.info("training stopped after iteration %d: %s", iteration, self.stop_reason)
                return
        # In `after_train`, hooks read `iter == max_iter` as a training that was not interrupted.
        self.iter = self.max_iter

    def before_train(self) -> None:
        """Run the hooks' `before_train`."""
        for hook in self._hooks:
            hook.before_train()

    def after_train(self) -> None:
        """Run the hooks' `after_train`."""
        self.storage.iter = self.iter
        for hook in self._hooks:
            hook.after_train()

    def before_step(self) -> None:
        """Run the hooks' `before_step`."""
        # Set here too, in case a subclass or a user changed `iter`; hooks read the storage's iteration.
        self.storage.iter = self.iter
        for hook in self._hooks:
            hook.before_step()

    def after_backward(self) -> None:
        """Run the hooks' `after_backward`."""
        for hook in self._hooks:
            hook.after_backward()

    def after_step(self) -> None:
        """Run the hooks' `after_step`."""
        for hook in self._hooks:
            hook.after_step()

    def run_step(self) -> None:
        """Run one iteration. Subclasses must implement this."""
        raise TypeError(f"{type(self).__name__} must implement run_step()")

    def synchronize_state(self) -> None:
        """Gather the other processes' parts of `state_dict`. All processes must call this before one of them saves."""

    def state_dict(self) -> dict[str, Any]:
        """Return the last completed iteration and the non-empty states of the hooks."""
        hooks: dict[str, Any] = {}
        for name, hook in self._named_hooks():
            if state := hook.state_dict():
                hooks[name] = state
        return {"iteration": self.iter, "hooks": hooks} if hooks else {"iteration": self.iter}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore a state. States of hooks that are not registered are ignored with a warning."""
        self.iter = state_dict["iteration"]
        states = dict(state_dict.get("hooks", {}))
        for name, hook in self._named_hooks():
            if name in states:
                hook.load_state_dict(states.pop(name))
        if states:
            _logger.warning("the checkpoint has states of hooks that are not registered: %s", sorted(states))

    def state_problems(self, state_dict: dict[str, Any]) -> list[str]:
        """Return why `load_state_dict` must not load a state, one message per difference; empty if it fits."""
        return []

    def _named_hooks(self) -> list[tuple[str, HookBase]]:
        """Return the hooks by class name; further hooks of the same class are numbered."""
        counts: dict[str, int] = {}
        named = []
        for hook in self._hooks:
            name = type(hook).__qualname__
            counts[name] = counts.get(name, 0) + 1
            named.append((name if counts[name] == 1 else f"{name}:{counts[name]}", hook))
        return named
