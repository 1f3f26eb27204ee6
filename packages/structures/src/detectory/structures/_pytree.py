"""How a structure becomes a torch pytree, so that it crosses `torch.export`, `torch.compile` and `torch.func`."""

from collections.abc import Iterable
from typing import Any

from torch.utils import _pytree as pytree


def register_tensor_holder(cls: type) -> None:
    """Make `cls`, whose one state is the attribute `tensor`, a pytree node with that tensor as its child.

    Rebuilding skips the constructor: a tree may hold shapes, names or `None` where a tensor was.
    """

    def flatten(holder: Any) -> tuple[list[Any], None]:
        return [holder.tensor], None

    def flatten_with_keys(holder: Any) -> tuple[list[tuple[pytree.KeyEntry, Any]], None]:
        return [(pytree.GetAttrKey("tensor"), holder.tensor)], None

    def unflatten(children: Iterable[Any], _context: None) -> Any:
        holder: Any = object.__new__(cls)
        (holder.tensor,) = children
        return holder

    pytree.register_pytree_node(
        cls,
        flatten,
        unflatten,
        serialized_type_name=f"detectory.structures.{cls.__name__}",
        flatten_with_keys_fn=flatten_with_keys,
    )
