"""The model zoo: recipes, published weights and published metrics, by name.

Names, metrics and addresses of weights are available without torch, which is imported with the first config or model.
"""

import importlib
from typing import TYPE_CHECKING, Any

from detectory.zoo.published import PublishedModel, list_models, published_model, published_models

if TYPE_CHECKING:
    from detectory.zoo.model_zoo import get, get_checkpoint_url, get_config

__all__ = [
    "PublishedModel",
    "get",
    "get_checkpoint_url",
    "get_config",
    "list_models",
    "published_model",
    "published_models",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    value = globals()[name] = getattr(importlib.import_module(f"{__name__}.model_zoo"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
