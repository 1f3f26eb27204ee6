"""Tables of the parameters, multiply-adds and activations of all modules."""

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
    """Return a table with one row per module.

    Args:
        flops: Analysis of the multiply-adds.
        max_depth: Maximum depth of the modules.
        activations: Analysis of the activations; `None` for no such column.
        show_param_shapes: Whether to include rows for parameters, with their shapes.
    """
    counts = parameter_count(flops.model)
    shapes = {name: str(tuple(p.shape)) for name, p in flops.model.named_parameters()} if show_param_shapes else {}
    module_flops = flops.by_module()
    module_activations = activations.by_module() if activations is not None else {}
    rows = []
    for name in [*dict.fromkeys([*module_flops, *shapes])]:
        depth = name.count(".") + 1 if name else 0
        if depth > max_depth:
            continue
        row = [
            "  " * depth + (name or "model"),
            shapes.get(name, format_count(counts[name])),
            format_count(module_flops[name]) if name in module_flops else "",
        ]
        if activations is not None:
            row.append(format_count(module_activations[name]) if name in module_activations else "")
        rows.append(tuple(row))
    header = ("module", "parameters", "multiply-adds") + (("activations",) if activations is not None else ())
    return markdown_table(header, rows)


def flop_count_str(flops: FlopCountAnalysis, activations: ActivationCountAnalysis | None = None) -> str:
    """Return the representation that `print(model)` shows, with the counts of every module.

    Args:
        flops: Analysis of the multiply-adds.
        activations: Analysis of the activations; `None` to omit them.
    """
    counts = parameter_count(flops.model)

    def describe(module: nn.Module, name: str, indent: str) -> list[str]:
        metrics = [f"#params: {format_count(counts[name])}", f"#flops: {format_count(flops.total(name))}"]
        if activations is not None:
            metrics.append(f"#acts: {format_count(activations.total(name))}")
        header = f"{type(module).__name__}({module.extra_repr()}  {', '.join(metrics)}"
        children = []
        for child_name, child in module.named_children():
            full_name = f"{name}.{child_name}" if name else child_name
            first, *rest = describe(child, full_name, indent + "  ")
            children += [f"{indent}  ({child_name}): {first}", *rest]
        return [f"{header})"] if not children else [header, *children, f"{indent})"]

    return "\n".join(describe(flops.model, "", ""))
