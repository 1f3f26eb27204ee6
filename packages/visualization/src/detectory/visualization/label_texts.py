"""Texts of labels: class name, score and crowd flag."""

from collections.abc import Sequence


def class_labels(
    classes: Sequence[int] | None,
    scores: Sequence[float] | None,
    names: Sequence[str] | None,
    crowds: Sequence[bool] | None = None,
) -> list[str] | None:
    """Return one text per instance, such as "person 98%", "3 71%", "98%" or "person | crowd".

    Args:
        classes: N class ids, or None to omit the class.
        scores: N scores in [0, 1], or None to omit the score.
        names: Class names by class id; a class without a name is written as its id.
        crowds: N flags; True appends "| crowd".

    Returns:
        N texts, or None if both `classes` and `scores` are None.
    """
    if classes is not None:
        count = len(classes)
    elif scores is not None:
        count = len(scores)
    else:
        return None
    texts = []
    for index in range(count):
        parts = []
        if classes is not None:
            category = int(classes[index])
            parts.append(str(names[category]) if names is not None and 0 <= category < len(names) else str(category))
        if scores is not None:
            parts.append(f"{scores[index] * 100:.0f}%")
        if crowds is not None and crowds[index]:
            parts.append("| crowd")
        texts.append(" ".join(parts))
    return texts
