"""Measures which model exports to which format, and writes the table in `docs/tasks/export.md`.

    python tools/export_table.py                                   # everything that was not measured yet, hours
    python tools/export_table.py --models "Mask R-CNN" --formats onnx,openvino --checks sizes,batch
    python tools/export_table.py --failed                          # measure the failed cells again
    python tools/export_table.py --write                           # only write the tables from the stored results

Each cell runs in its own process with a time limit. `docs/tasks/export_table.json` is replaced after every cell, so
that an interrupted measurement continues where it stopped. Photos are from scikit-image.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "tasks" / "export_table.json"
PAGE = ROOT / "docs" / "tasks" / "export.md"
START, END = "<!-- export table: start -->", "<!-- export table: end -->"

SUFFIXES = {"onnx": ".onnx", "torchscript": ".ts", "torch-export": ".pt2", "openvino": ".xml", "aoti": ".pt2"}
TITLES = {"onnx": "ONNX", "torchscript": "TorchScript", "torch-export": "torch.export"}
TITLES |= {"openvino": "OpenVINO", "aoti": "AOTInductor"}
#: The checks by name: options of the export.
CHECKS: dict[str, dict[str, Any]] = {
    "sizes": {},
    "batch": {"batch": 3},
    "float16": {"dtype": "float16"},
    "bfloat16": {"dtype": "bfloat16"},
}
HEADINGS = {
    "sizes": "Two image sizes and an image without objects, float32",
    "batch": "Batches of three images, float32",
    "float16": "float16: detections that agree, largest differences",
    "bfloat16": "bfloat16: detections that agree, largest differences",
}
#: Shorter and longer side of the images, pixels.
SIZE = 320, 480
LIMIT = 1e-3
REFUSALS = ("export: ", "InferenceGraph: ", "record: ")
"""Start of the messages for models and settings that a format does not support."""


def photos(size: tuple[int, int] | None) -> list[dict[str, Any]]:
    """Return two photos, of different sizes unless the size (height, width) is fixed."""
    import numpy as np
    import skimage.data
    import torch

    from detectory.data.transforms import Resize, ResizeShortestEdge

    rule = ResizeShortestEdge(*SIZE) if size is None else Resize(size)
    items = []
    for name in ("coffee", "astronaut"):
        pixels = np.ascontiguousarray(getattr(skimage.data, name)()[:, :, ::-1])
        resized = rule.get_transform(pixels).apply_image(pixels)
        items.append({"image": torch.as_tensor(resized.transpose(2, 0, 1).copy()).float(), "file_name": name})
    return items


def measure(label: str, format_name: str, check: str) -> dict[str, Any]:
    """Export one model to one format and compare; return the differences or the reason of the failure."""
    import export_models
    from detectory.export import Tolerance, export, load
    from detectory.export.comparison import compare_models

    size = export_models.FIXED_SIZES.get(label)
    items = photos(size)
    model, blank = export_models.build(label, items[0])
    fixed = {} if size is None else {"height": size[0], "width": size[1]}
    everything = Tolerance(*[float("inf")] * 6)
    if check == "batch":  # with a mirrored photo, and one of another size, whose batch is filled up
        items.insert(1, {"image": items[0]["image"].flip(2), "file_name": "mirrored coffee"})
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"model{SUFFIXES[format_name]}"
        options = {**fixed, **CHECKS[check]}
        try:
            export(model, path, items[:1], format=format_name, tolerance=everything, resize=SIZE, **options)
            seconds = round(time.perf_counter() - start)
            exported = load(path).model
            agreement, last = (compare_models(model, exported, some) for some in (items, [blank]))
        except Exception as error:  # noqa: BLE001 - the table reports every reason
            reason = " ".join(str(error).split())[:300]
            refused = isinstance(error, ValueError | TypeError) and reason.startswith(REFUSALS)
            return {"refused": reason} if refused else {"error": f"{type(error).__name__}: {reason}"}
    names = ("detections", "matched", "unmatched", "boxes", "scores", "masks", "keypoints", "labels")
    result = {name: float(f"{getattr(agreement, name):.3g}") for name in names}
    empty = {"detections": last.detections, "exported": last.exported_detections, "labels": last.labels}
    return {**result, "empty": empty, "seconds": seconds}


def problems(result: dict[str, Any], check: str) -> list[str]:
    """Return the differences of a result that exceed the limits."""
    limits = {"scores": LIMIT, "masks": LIMIT, "labels": LIMIT, "unmatched": LIMIT, "boxes": LIMIT * SIZE[1]}
    if check in ("float16", "bfloat16"):
        limits = {"scores": 0.1, "masks": 0.1, "labels": 0.05, "unmatched": 0.2, "boxes": 16.0}
    over = [f"{name} {result[name]:.1g}" for name, limit in limits.items() if not result[name] <= limit]
    empty = result["empty"]
    if empty["detections"] != empty["exported"] or not empty["labels"] <= limits["labels"]:
        over.append("image without objects")
    return over


def state(result: dict[str, Any] | None, check: str) -> str:
    """Return `ok`, `differs`, `refused`, `failed` or `not run`."""
    if result is None:
        return "not run"
    if "refused" in result or "error" in result:
        return "refused" if "refused" in result else "failed"
    return "differs" if problems(result, check) else "ok"


def cell(result: dict[str, Any] | None, check: str) -> str:
    """Return the text of a cell: a tick, the measured differences or the state."""
    what = state(result, check)
    if result is None or what in ("refused", "failed"):
        return {"not run": "", "refused": "refused", "failed": "fails"}[what]
    if what == "differs":
        return ", ".join(problems(result, check))
    notes = []
    if check in ("float16", "bfloat16"):
        notes.append(f"{100 * (1 - result['unmatched']):.0f} %" if result["detections"] else f"{result['labels']:.1g}")
        if result["detections"]:
            notes.append(f"{result['boxes']:.1g} px")
    elif result["empty"]["detections"]:
        notes.append("without an empty image")
    return ", ".join(["✓", *notes])


def table(results: dict[str, Any], check: str) -> list[str]:
    """Return the lines of the table of one check; models and formats without any result are left out."""
    rows = {label: {name: checks.get(check) for name, checks in row.items()} for label, row in results.items()}
    rows = {label: row for label, row in rows.items() if any(row.values())}
    names = [name for name in SUFFIXES if any(row.get(name) for row in rows.values())]
    if not names:
        return []
    lines = [f"### {HEADINGS[check]}", "", f"| | {' | '.join(TITLES[name] for name in names)} |"]
    lines.append(f"|---|{'---|' * len(names)}")
    for label, row in rows.items():
        lines.append(f"| {label} | {' | '.join(cell(row.get(name), check) for name in names)} |")
    reasons = []
    for label, row in rows.items():
        for name in names:
            result = row.get(name) or {}
            if reason := result.get("refused") or result.get("error"):
                reasons.append(f"* {label}, {TITLES[name]}: {reason}")
    return [*lines, "", *reasons, *([""] if reasons else [])]


def write_tables(results: dict[str, Any]) -> None:
    """Replace the tables in the page."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(START)
    _, after = rest.split(END)
    body = "\n".join(line for check in CHECKS for line in table(results, check))
    PAGE.write_text(f"{before}{START}\n\n{body}\n{END}{after}", encoding="utf-8")


def store(results: dict[str, Any]) -> None:
    """Replace the file of results, whole or not at all."""
    temporary = RESULTS.with_suffix(".tmp")
    temporary.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    os.replace(temporary, RESULTS)


def stored() -> dict[str, Any]:
    """Return the stored results, by label, format and check."""
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}


def run_cell(label: str, format_name: str, check: str, limit: float) -> dict[str, Any] | None:
    """Measure a cell in a new process; return None if it takes too long on this machine."""
    command = [sys.executable, __file__, "--one", label, format_name, check]
    try:
        output = subprocess.run(command, capture_output=True, text=True, check=False, timeout=limit)
    except subprocess.TimeoutExpired:
        return None
    lines = output.stdout.strip().splitlines()
    if output.returncode == 0 and lines:
        return json.loads(lines[-1])
    last = (output.stderr.strip().splitlines() or [""])[-1][:200]
    return {"error": f"the process ended with code {output.returncode}: {last}"}


def main() -> None:
    """Measure, store and write the tables."""
    from export_models import MODELS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="", help="Only models with one of these texts in their name, by commas.")
    parser.add_argument("--formats", default=",".join(SUFFIXES), help="Formats, separated by commas.")
    parser.add_argument("--checks", default=",".join(CHECKS), help="Checks, separated by commas.")
    parser.add_argument("--failed", action="store_true", help="Measure cells that are not ok or refused again.")
    parser.add_argument("--again", action="store_true", help="Measure the selected cells again.")
    parser.add_argument("--limit", type=float, default=1800, help="Time limit of a cell, seconds.")
    parser.add_argument("--write", action="store_true", help="Only write the tables from the stored results.")
    parser.add_argument("--one", nargs=3, metavar=("MODEL", "FORMAT", "CHECK"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(*arguments.one)))
        return
    texts = arguments.models.split(",")
    cells = [
        (label, name, check)
        for check in arguments.checks.split(",")
        for name in arguments.formats.split(",")
        for label in MODELS
        if any(text in label for text in texts)
    ]
    for number, (label, name, check) in enumerate([] if arguments.write else cells, start=1):
        known = stored().get(label, {}).get(name, {}).get(check)
        done = {"ok", "refused"} if arguments.failed else {"ok", "refused", "differs", "failed"}
        if not arguments.again and state(known, check) in done:
            continue
        start = time.perf_counter()
        result = run_cell(label, name, check, arguments.limit)
        if result is None:
            print(f"[{number}/{len(cells)}] {label}, {name}, {check}: not finished, not stored", flush=True)
            continue
        results = stored()  # another process may measure other cells
        results.setdefault(label, {}).setdefault(name, {})[check] = result
        store({label: results[label] for label in MODELS if label in results})
        seconds = time.perf_counter() - start
        print(f"[{number}/{len(cells)}] {label}, {name}, {check}: {state(result, check)}, {seconds:.0f} s", flush=True)
        if state(result, check) != "ok":
            print(f"    {result}", flush=True)
    results = stored()
    write_tables(results)
    states = Counter(
        state(results.get(label, {}).get(name, {}).get(check), check)
        for label in MODELS
        for name in SUFFIXES
        for check in CHECKS
    )
    print(", ".join(f"{count} {what}" for what, count in states.most_common()))


if __name__ == "__main__":
    main()
