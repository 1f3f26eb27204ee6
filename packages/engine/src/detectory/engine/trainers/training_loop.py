"""The training loop and its hooks, without any assumption about what is trained."""

import logging
import weakref
from collections.abc import Sequence
from typing import Any

from detectory.core.events import EventStorage

_logger = logging.getLogger(__name__)


class HookBase:
    """Something that is done at certain moments of a training; a subclass overrides the moments it needs.

    The moments come in this order::

        hook.before_train()
        for iter in range(start_iter, max_iter):
            hook.before_step()
            trainer.run_step()  # calls hook.after_backward() between the gradients and the update
            hook.after_step()
        hook.after_train()

    What takes time belongs into `after_step`: timers measure from `before_step` to `after_step`.

    Attributes:
        trainer: The trainer that the hook is registered with, a weak reference.
    """

    trainer: Any = None

    def before_train(self) -> None:
        """Run before the first iteration."""

    def after_train(self) -> None:
        """Run after the last iteration, also when the training ends by an exception."""

    def before_step(self) -> None:
        """Run before each iteration."""

    def after_backward(self) -> None:
        """Run in each iteration when the gradients are there and the parameters are not yet updated."""

    def after_step(self) -> None:
        """Run after each iteration."""

    def state_dict(self) -> dict[str, Any]:
        """Return what the hook needs to continue after an interruption: numbers, strings, tensors and containers."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a state that `state_dict` returned; a hook without state ignores it."""


class TrainerBase:
    """A loop with hooks; a subclass says in `run_step` what one iteration does.

    Attributes:
        iter: The number of the current iteration.
        start_iter: The first iteration of this run, not 0 when it continues another one.
        max_iter: The number of iterations in all.
        storage: The `EventStorage` that is open during the training.
        stop_reason: Why the training ends before `max_iter`, None while it does not.
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
        """Add hooks, which run in the order of registration; None is left out."""
        for hook in hooks:
            if hook is None:
                continue
            if not isinstance(hook, HookBase):
                raise TypeError(f"register_hooks: expected hooks (HookBase), got {type(hook).__name__}")
            # A strong reference in both directions would keep the model's memory after the training.
            hook.trainer = weakref.proxy(self)
            self._hooks.append(hook)

    def train(self, start_iter: int, max_iter: int) -> None:
        """Run the iterations from `start_iter` to `max_iter - 1`.

        An exception is logged with its iteration and raised; hooks end properly before.
        """
        _logger.info("training starts at iteration %d of %d", start_iter, max_iter)
        self.iter = self.start_iter = start_iter
        self.max_iter = max_iter
        self.stop_reason = None
        with EventStorage(start_iter) as self.storage:
            try:
                self.before_train()
                self._run_iterations()
            except Exception as error:
                _logger.error("training ends in iteration %d: %s: %s", self.iter, type(error).__name__, error)
                if isinstance(error, FloatingPointError) and "iteration" not in str(error):
                    raise FloatingPointError(f"training, iteration {self.iter}: {error}") from error
                raise
            finally:
                self.after_train()

    def stop(self, reason: str) -> None:
        """End the training after the current iteration; `reason` is logged and kept in `stop_reason`."""
        self.stop_reason = reason

    def _run_iterations(self) -> None:
        for iteration in range(self.start_iter, self.max_iter):
            self.iter = iteration
            self.before_step()
            self.run_step()
            self.after_step()
            if self.stop_reason is not None:
                _logger.info("training stops after iteration %d: %s", iteration, self.stop_reason)
                return
        # Hooks tell a finished training from an interrupted one by this.
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
        # The storage's iteration is right also when the user's hooks read it.
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
        """Run one iteration; a subclass defines it."""
        raise TypeError(f"{type(self).__name__} must define run_step()")

    def synchronize_state(self) -> None:
        """Gather what other processes add to `state_dict`; all processes call it before one of them saves."""

    def state_dict(self) -> dict[str, Any]:
        """Return the iteration that was run last and the states of the hooks that have one."""
        hooks: dict[str, Any] = {}
        for name, hook in self._named_hooks():
            if state := hook.state_dict():
                hooks[name] = state
        return {"iteration": self.iter, "hooks": hooks} if hooks else {"iteration": self.iter}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a state of `state_dict`; the state of a hook that is gone is told and ignored."""
        self.iter = state_dict["iteration"]
        states = dict(state_dict.get("hooks", {}))
        for name, hook in self._named_hooks():
            if name in states:
                hook.load_state_dict(states.pop(name))
        if states:
            _logger.warning("the checkpoint holds states of hooks that this training does not have: %s", sorted(states))

    def _named_hooks(self) -> list[tuple[str, HookBase]]:
        """Return the hooks under the names of their classes; a second one of a class gets a number."""
        counts: dict[str, int] = {}
        named = []
        for hook in self._hooks:
            name = type(hook).__qualname__
            counts[name] = counts.get(name, 0) + 1
            named.append((name if counts[name] == 1 else f"{name}:{counts[name]}", hook))
        return named
