"""Registration of tensor collections as torch pytree nodes for `torch.export`, `torch.compile` and `torch.func`."""

from collections.abc import Iterable
from typing import Any

from torch.utils import _pytree as pytree


def register_tensor_holder(cls: type) -> None:
    """Register a class with the single attribute `tensor` as a pytree node with one child.

    Unflattening bypasses the constructor, because its checks would fail: torch also builds trees with shapes, names or
    `None` in place of tensors.
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
