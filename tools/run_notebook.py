"""Run the code cells of a Jupyter notebook without Jupyter, and optionally store their outputs in the file.

    python tools/run_notebook.py examples/train_shapes.ipynb --write

Printed text, the value of a cell's last expression and PIL images are stored. The first cell with the tag `parameters`
sets variables, which `run` can replace.
"""

import argparse
import ast
import base64
import contextlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image


def run(path: Path, parameters: Mapping[str, Any] | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run a notebook.

    Args:
        path: The notebook.
        parameters: Values of variables, set after the cell with the tag `parameters`.

    Returns:
        The notebook with outputs, and the variables at its end.
    """
    notebook = json.loads(path.read_text(encoding="utf-8"))
    variables: dict[str, Any] = {"__name__": "__main__"}
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for number, cell in enumerate(cells, start=1):
        cell["execution_count"], cell["outputs"] = number, _outputs(cell["source"], variables, number, path)
        if "parameters" in cell["metadata"].get("tags", ()):
            variables |= parameters or {}
    return notebook, variables


def _outputs(source: list[str], variables: dict[str, Any], number: int, path: Path) -> list[dict[str, Any]]:
    name = f"{path.name}, cell {number}"
    body = ast.parse("".join(source), name).body
    last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
    printed, value = io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        exec(compile(ast.Module(body, []), name, "exec"), variables)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), name, "eval"), variables)
    outputs: list[dict[str, Any]] = []
    if printed.getvalue():
        lines = printed.getvalue().splitlines(keepends=True)
        outputs.append({"name": "stdout", "output_type": "stream", "text": lines})
    if value is not None:
        data = {"image/jpeg": _jpeg(value)} if isinstance(value, Image.Image) else {}
        text = f"<image of {value.width} x {value.height} pixels>" if isinstance(value, Image.Image) else repr(value)
        data |= {"text/plain": text.splitlines(keepends=True)}
        outputs.append({"data": data, "execution_count": number, "metadata": {}, "output_type": "execute_result"})
    return outputs


def _jpeg(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=80, optimize=True)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def main() -> None:
    """Run the notebook that is named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebook", type=Path)
    parser.add_argument("--write", action="store_true", help="store the outputs in the notebook")
    arguments = parser.parse_args()
    notebook, _ = run(arguments.notebook)
    if arguments.write:
        arguments.notebook.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
