"""Files of run folders that no training has written."""

import json

from detectory.engine.hooks.run_record import RECORD_FILE


def write_run(folder, evaluations=((3, 20.0), (7, 35.0), (9, 30.0)), max_iter=10, classes=("cat", "dog"), **part):
    """Write metrics and record of a run with the box AP after the given iterations, and return the folder."""
    folder.mkdir(exist_ok=True)
    rows = [{"iteration": i, "total_loss": 3.0 - i / 10, "loss_cls": 1.0, "lr": 0.1, "time": 0.5} for i in range(10)]
    for iteration, ap in evaluations:
        by_class = {f"bbox/AP-{name}": ap + index for index, name in enumerate(classes)}
        rows.append({"iteration": iteration, "bbox/AP": ap, "bbox/AP50": ap + 5, **by_class})
    (folder / "metrics.json").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    default = {"first_iteration": 0, "iterations": max_iter, "max_iter": max_iter, "end": "finished", "seconds": 60.0}
    default |= {"peak_memory": 3 * 2**30, "environment": {"torch": "2.15"}, "started": "2026-01-01T10:00:00+00:00"}
    (folder / RECORD_FILE).write_text(json.dumps({"parts": [default | part]}))
    return folder


def save_best(folder, iteration, value=0.0):
    """Write the files of a best checkpoint."""
    (folder / "model_best.pth").touch()
    record = {"metric": "bbox/AP", "value": value, "iteration": iteration, "completed": iteration + 1}
    (folder / "model_best.json").write_text(json.dumps(record))
