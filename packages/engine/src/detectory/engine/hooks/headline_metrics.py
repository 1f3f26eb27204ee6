"""The metrics that summarize an evaluation in a few words, such as box AP or PQ."""

from collections.abc import Iterable

#: Suffix of a metric -> its name in a summary.
_HEADLINES = {
    "bbox/AP": "box AP",
    "segm/AP": "mask AP",
    "keypoints/AP": "keypoint AP",
    "panoptic_seg/PQ": "PQ",
    "sem_seg/mIoU": "mIoU",
}
_TASKS = {"bbox": "box", "segm": "mask", "keypoints": "keypoint"}
_OTHER_NAMES = ("AP", "PQ", "mIoU", "Acc@1")


def headline_metrics(names: Iterable[str]) -> dict[str, str]:
    """Map the most important metrics among `names` to short labels, in the order of a summary.

    Args:
        names: Flat names of metrics, such as `"bbox/AP50"`. If there are several test sets, the name of a test set
            precedes the task: `"coco_val/bbox/AP"`.

    Example:
        >>> headline_metrics(["total_loss", "segm/AP", "bbox/AP", "bbox/AP50", "bbox/AP-cat"])
        {'bbox/AP': 'box AP', 'segm/AP': 'mask AP'}
    """
    known = list(dict.fromkeys(names))
    labels = {}
    for suffix, label in _HEADLINES.items():
        for name in known:
            if name == suffix or name.endswith(f"/{suffix}"):
                labels[name] = f"{name.removesuffix(suffix)}{label}".replace("/", " ")
    if not labels:
        labels = {name: metric_label(name) for name in known if name.rpartition("/")[2] in _OTHER_NAMES}
    return labels


def metric_label(name: str) -> str:
    """Return the label of any metric.

    Example:
        >>> metric_label("bbox/AP50")
        'box AP50'
    """
    return " ".join(_TASKS.get(part, part) for part in name.split("/"))
