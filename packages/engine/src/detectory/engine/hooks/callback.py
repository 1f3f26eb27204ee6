"""CallbackHook: a hook made of functions."""

from collections.abc import Callable
from typing import Any

from detectory.engine.trainers.training_loop import HookBase

Callback = Callable[[Any], None]


class CallbackHook(HookBase):
    """Calls functions with the trainer at the points of `HookBase`. Each function may be None.

    Args:
        before_train: Called before the first iteration.
        after_train: Called after the last iteration.
        before_step: Called before each iteration.
        after_step: Called after each iteration.
    """

    def __init__(
        self,
        *,
        before_train: Callback | None = None,
        after_train: Callback | None = None,
        before_step: Callback | None = None,
        after_step: Callback | None = None,
    ) -> None:
        self._before_train = before_train
        self._before_step = before_step
        self._after_step = after_step
        self._after_train = after_train

    def before_train(self) -> None:
        """Call the function for this point."""
        if self._before_train:
            self._before_train(self.trainer)

    def after_train(self) -> None:
        """Call the function for this point, and release all functions: they often reference the trainer."""
        if self._after_train:
            self._after_train(self.trainer)
        del self._before_train, self._after_train
        del self._before_step, self._after_step

    def before_step(self) -> None:
        """Call the function for this point."""
        if self._before_step:
            self._before_step(self.trainer)

    def after_step(self) -> None:
        """Call the function for this point."""
        if self._after_step:
            self._after_step(self.trainer)
