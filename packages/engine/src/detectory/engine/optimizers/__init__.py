"""Parameter groups and gradient clipping for torch's optimizers."""

from detectory.engine.optimizers.gradient_clipping import clip_gradients
from detectory.engine.optimizers.parameter_groups import get_default_optimizer_params

__all__ = ["clip_gradients", "get_default_optimizer_params"]
