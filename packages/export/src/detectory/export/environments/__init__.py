"""Python environments for libraries that need another version of torch, and the programs that run in them."""

from detectory.export.environments.environment import EXECUTORCH, LITERT, Environment
from detectory.export.environments.portable_graph import save_portable
from detectory.export.environments.worker import Worker

__all__ = ["EXECUTORCH", "LITERT", "Environment", "Worker", "save_portable"]
