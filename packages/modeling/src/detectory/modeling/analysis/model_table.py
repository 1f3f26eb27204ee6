"""Parameters, operations and activations of every module side by side."""

from torch import nn

from .activations import ActivationCountAnalysis
from .flops import FlopCountAnalysis
from .parameters import parameter_count
from .text_table import format_count, markdown_table


def flop_count_table(
    flops: FlopCountAnalysis,
    max_depth: int = 3,
    activations: ActivationCountAnalysis | None = None,
    show_param_shapes: bool = True,
) -> str:
    """Return a table with one line a module.

    Args:
        flops: Counts multiply-adds.
        max_depth: Levels of modules to show.
        activations: Counts activations; `None` leaves their column out.
        show_param_shapes: Whether single parameters have lines with their shapes.
    """
    counts = parameter_count(flops.model)
    shapes = {name: str(tuple(p.shape)) for name, p in flops.model.named_parameters()} if show_param_shapes else {}
    per_module = flops.by_module()
    per_activation = activations.by_module() if activations is not None else {}
    rows = []
    for name in [*dict.fromkeys([*per_module, *shapes])]:
        depth = name.count(".") + 1 if name else 0
        if depth > max_depth:
            continue
        row = ["  " * depth + (name or "model"), shapes.get(name, format_count(counts[name])), ""]
        row[2] = format_count(per_module[name]) if name in per_module else ""
        if activations is not None:
            row.append(format_count(per_activation[name]) if name in per_activation else "")
        rows.append(tuple(row))
    header = ("module", "parameters", "multiply-adds") + (("activations",) if activations is not None else ())
    return markdown_table(header, rows)


def flop_count_str(flops: FlopCountAnalysis, activations: ActivationCountAnalysis | None = None) -> str:
    """Return what `print(model)` shows, every module with its parameters and multiply-adds.

    Args:
        flops: Counts multiply-adds.
        activations: Counts activations; `None` leaves them out.
    """
    counts = parameter_count(flops.model)

    def describe(module: nn.Module, name: str, indent: str) -> list[str]:
        figures = [f"#params: {format_count(counts[name])}", f"#flops: {format_count(flops.total(name))}"]
        if activations is not None:
            figures.append(f"#acts: {format_count(activations.total(name))}")
        extra = module.extra_repr()
        head = f"{type(module).__name__}({extra}  {', '.join(figures)}"
        below = []
        for child_name, child in module.named_children():
            full = f"{name}.{child_name}" if name else child_name
            first, *rest = describe(child, full, indent + "  ")
            below += [f"{indent}  ({child_name}): {first}", *rest]
        return [f"{head})"] if not below else [head, *below, f"{indent})"]

    return "\n".join(describe(flops.model, "", ""))
