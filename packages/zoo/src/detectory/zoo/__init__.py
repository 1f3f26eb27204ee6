"""The model zoo: recipes, published weights and published metrics, by name."""

from detectory.zoo.model_zoo import get, get_checkpoint_url, get_config, list_models
from detectory.zoo.published import PublishedModel, published_model, published_models

__all__ = [
    "PublishedModel",
    "get",
    "get_checkpoint_url",
    "get_config",
    "list_models",
    "published_model",
    "published_models",
]
