"""The initial weights of a plan: published COCO weights, ImageNet weights, a file, or random weights."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig, ListConfig

from detectory.core.checkpoint import load_checkpoint_file
from detectory.core.storage import DownloadError, local_path
from detectory.data.classes import ClassList
from detectory.zoo import published_models
from detectory.zoo.published import without_suffix

Fetch = Callable[[str], str]
#: Layers of detectors with outputs per class, by the names that Detectory, Detectron2, torchvision and Caffe2 use.
_CLASS_LAYERS = re.compile(
    r"(^|[._])(cls_score|bbox_pred|predictor|sem_seg_head|mask_fcn_logits)\b|(cls_score|bbox_pred)_[wb]$"
)


@dataclass(frozen=True)
class InitialWeights:
    """The initial weights of a training.

    Attributes:
        source: `"coco"`, `"imagenet"`, `"none"`, or a path or URL.
        checkpoint: The path or URL to load, `""` for random weights.
        reason: Why these weights were chosen.
        is_set: Whether the user has set the source.
        has_heads: Whether the weights are those of a whole detector, with heads for the classes that it was trained on.
        classes: These classes, if the checkpoint contains their names.
    """

    source: str
    checkpoint: str
    reason: str
    is_set: bool = False
    has_heads: bool = False
    classes: tuple[str, ...] = ()

    @property
    def is_trained(self) -> bool:
        """Whether the weights are not random."""
        return bool(self.checkpoint)


def choose_weights(
    recipe: str, config: DictConfig, source: str | None = None, fetch: Fetch = local_path
) -> InitialWeights:
    """Return the initial weights of a recipe: COCO weights if published, else those that the recipe names, else none.

    Published weights are downloaded now, and files are opened to find out whether they contain heads. Without a
    requested source, weights that cannot be downloaded are replaced by the next ones of the list, and the reason says
    how to pass a file.

    Args:
        recipe: Name of the recipe; a file has no published weights.
        config: The recipe.
        source: `"coco"`, `"imagenet"`, `"none"`, or a path or URL; None chooses.
        fetch: Returns the local path of a URL; raises `DownloadError` if the file cannot be downloaded.

    Raises:
        ValueError: If `source` is "coco" or "imagenet" and the recipe has no such weights.
        DownloadError: If the requested weights cannot be downloaded.
        FileNotFoundError: If the requested file, or a file that the recipe names, does not exist.
        CheckpointError: If a file is not a checkpoint.
    """
    published = published_models().get(without_suffix(recipe))
    urls = {"coco": published.url if published else "", "imagenet": ""}
    own = str(config.train.get("init_checkpoint") or "")
    if own and own != urls["coco"]:
        is_download = "://" in own and own not in {model.url for model in published_models().values()}
        urls["imagenet" if is_download else own] = own
    if source is not None:
        return _requested(recipe, urls, source, fetch)
    problems = []
    for name, url in urls.items():
        if not url:
            continue
        try:
            path = _fetched(url, fetch)
        except (DownloadError, ImportError) as error:
            problems.append(f"{Path(url).name} cannot be downloaded ({_cause(error)})")
            continue
        origin = "the recipe's published weights" if name == "coco" else "the recipe's initial weights"
        heads = _heads(name, path)
        return InitialWeights(name, url, "; ".join([*problems, origin]) + _hint(problems), False, *heads)
    if problems:
        return InitialWeights("none", "", "; ".join(problems) + _hint(problems))
    return InitialWeights("none", "", "no weights are published for the recipe: every layer is trained")


def train_from_random(config: DictConfig) -> None:
    """Make every layer of a recipe's model trainable, in place: frozen norms become batch norm, no stage is frozen.

    Frozen batch norm with its initial statistics does not normalize, so that a network with random weights cannot
    learn.
    """
    _unfreeze(config.model)


def _unfreeze(node: object) -> None:
    if isinstance(node, ListConfig):
        for value in node:
            _unfreeze(value)
    if not isinstance(node, DictConfig):
        return
    for key in list(node):
        value = node._get_node(key)
        if isinstance(value, (DictConfig, ListConfig)):
            _unfreeze(value)
        elif key == "norm" and node[key] == "FrozenBN":
            node[key] = "BN"
        elif key == "freeze_at" and node[key]:
            node[key] = 0


def _requested(recipe: str, urls: dict[str, str], source: str, fetch: Fetch) -> InitialWeights:
    if source == "none":
        return InitialWeights(source, "", "random weights: every layer is trained", is_set=True)
    if source in urls and not urls[source]:
        raise ValueError(f"plan: weights must be a file or 'none', got '{source}': {recipe} has no {source} weights")
    url = urls.get(source, source)
    try:
        path = _fetched(url, fetch)
    except DownloadError as error:
        raise DownloadError(f"{Path(url).name} cannot be downloaded ({_cause(error)}){_hint(['requested'])}") from error
    has_heads, classes = _heads(source, path)
    reason = "" if source in urls or has_heads else "the weights of a backbone: the heads are new"
    return InitialWeights(source, url, reason, True, has_heads, classes)


def _fetched(url: str, fetch: Fetch) -> str:
    """Return the local path of a checkpoint."""
    plain = url.partition("?")[0]
    if "://" not in url and not Path(plain).expanduser().is_file():
        raise FileNotFoundError(f"{url}: no such file. Initial weights are coco, imagenet, none, a file or a URL")
    return fetch(plain)


def _heads(source: str, path: str) -> tuple[bool, tuple[str, ...]]:
    """Return whether a checkpoint contains the heads of a detector, and the names of its classes if it stores them."""
    if source in ("coco", "imagenet"):
        return source == "coco", ()
    content = load_checkpoint_file(path)
    stored = ClassList.from_state(content.get("classes"))
    has_heads = any(_CLASS_LAYERS.search(str(name)) for name in content["model"])
    return has_heads, stored.names if stored is not None and has_heads else ()


def _hint(problems: list[str]) -> str:
    return ". Pass a downloaded file with --from FILE" if problems else ""


def _cause(error: Exception) -> str:
    """Return the last line of a download error, without the URL."""
    if "DETECTORY_OFFLINE" in str(error):
        return "DETECTORY_OFFLINE is set"
    line = str(error).strip().splitlines()[-1].strip()
    return line.partition(": ")[2].strip("<>") if "://" in line.partition(": ")[0] else line
