"""Zoo models as `detectory zoo` lists them: recipes with their published metrics and weights."""

import sys
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import click

from detectory.core.storage import cached_path, download, file_sha256, mirrors
from detectory.core.suggestions import nearest
from detectory.zoo import PublishedModel, published_models
from detectory.zoo.published import without_suffix
from detectory.zoo.recipes import count_parameters, recipe_names

_METRIC_LABELS = {
    "box_ap": "box AP",
    "mask_ap": "mask AP",
    "keypoint_ap": "keypoint AP",
    "box_ap50": "box AP50",
    "pq": "PQ",
    "miou": "mIoU",
    "proposal_ar": "proposal AR",
}


@dataclass(frozen=True)
class ZooModel:
    """A recipe of the zoo.

    Attributes:
        name: Name of the recipe, without suffix.
        published: Published weights and metrics, or None.
    """

    name: str
    published: PublishedModel | None

    def format_metrics(self) -> str:
        """Return the published metrics as text, e.g. `"box AP 37.9  mask AP 35.2"`, may be empty."""
        if self.published is None:
            return "no published weights"
        metrics = self.published.published
        return "  ".join(f"{_METRIC_LABELS.get(key, key)} {value:.1f}" for key, value in metrics.items())

    def as_dict(self) -> dict[str, Any]:
        """Return the name and all published properties; unknown properties are None."""
        properties = asdict(self.published) if self.published is not None else {}
        metrics = properties.pop("published", {})
        return {**properties, "name": self.name, "metrics": metrics, "weights": properties.get("url")}

    def describe(self) -> dict[str, Any]:
        """Return the rows of `detectory zoo info`; unknown values are None, also the weights if none are published."""
        model = self.published
        rows: dict[str, Any] = {"name": self.name, "parameters": count_parameters(self.name)}
        if model is None:
            return rows | {"weights": None}
        path = cached_path(model.url)
        rows |= {_METRIC_LABELS.get(key, key): value for key, value in model.published.items()}
        rows |= {
            "schedule": model.schedule,
            "seconds per image": model.seconds_per_image,
            "weights": model.url,
            "size in bytes": path.stat().st_size if path.is_file() else model.size,
            "licence": model.licence,
            "SHA-256": model.sha256 or _recorded_hash(path),
            "verification": _verification(model, path),
            "file": str(path) if path.is_file() else "not downloaded",
        }
        return rows

    def download(self, overwrite: bool = False) -> dict[str, Any]:
        """Download the weights into the cache; return `name`, `path`, `sha256` and `verification`.

        Args:
            overwrite: Whether a file in the cache with another hash is replaced.

        Raises:
            KeyError: If the model has no published weights.
            FileExistsError: If a file in the cache has another hash and `overwrite` is not set.
            DownloadError: If every download fails, or a file does not match the published hash.
        """
        if self.published is None:
            raise KeyError(
                f"'{self.name}' has no published weights. 'detectory zoo list --trained' lists the models that do"
            )
        url = self.published.url
        self._check_cached(cached_path(url), overwrite)
        with click.progressbar(length=1, label=Path(url).name, file=sys.stderr, show_pos=False) as bar:

            def advance(done: int, total: int | None) -> None:
                bar.length = total or done + 1
                bar.update(done - bar.pos)

            path = download(mirrors(url), cached_path(url), sha256=self.published.sha256, progress=advance)
        return {
            "name": self.name,
            "path": str(path),
            "sha256": _recorded_hash(path) or file_sha256(path),
            "verification": _verification(self.published, path),
        }

    def _check_cached(self, path: Path, overwrite: bool) -> None:
        """Compare a file in the cache with the published hash, otherwise with the hash of its first download."""
        if not path.is_file():
            return
        published = self.published.sha256 if self.published is not None else None
        expected = published or _recorded_hash(path)
        actual = "" if expected is None else file_sha256(path)
        if expected is None or actual.startswith(expected.lower()):
            return
        if not overwrite:
            raise FileExistsError(
                f"{path} has SHA-256 {actual[:12]}…, expected {expected[:12]}…: the file is damaged or was changed. "
                "Move the file, or pass --overwrite to download it again"
            )
        path.unlink()


def find_models(pattern: str = "*") -> list[ZooModel]:
    """Return the models with `pattern` in their name, or a name that matches it as a shell pattern, sorted by name."""
    published = published_models()
    pattern = without_suffix(pattern)
    names = [name for name in recipe_names() if pattern in name or fnmatch(name, f"{pattern}*")]
    return [ZooModel(name, published.get(name)) for name in names]


def get_model(name: str) -> ZooModel:
    """Return the model with this name, with or without its suffix.

    Raises:
        KeyError: If there is no such model; the message lists the nearest names.
    """
    models = {model.name: model for model in find_models()}
    stem = without_suffix(name)
    if stem not in models:
        raise KeyError(f"no model '{name}' in the zoo: {nearest(stem, models)}")
    return models[stem]


def _recorded_hash(path: Path) -> str | None:
    record = path.with_name(f"{path.name}.sha256")
    return record.read_text(encoding="ascii").strip() if record.is_file() else None


def _verification(model: PublishedModel, path: Path) -> str:
    """Return how the downloaded file at `path` was verified."""
    if model.sha256 is not None:
        return "published SHA-256"
    recorded = _recorded_hash(path)
    if recorded is None:
        return "unverified (no published hash)"
    # Detectron2 puts the first six digits of the hash into its file names.
    digits = Path(model.url).stem.rpartition("_")[2]
    if len(digits) == 6 and recorded.startswith(digits):
        return f"SHA-256 digits {digits} in the file name"
    return "SHA-256 of the first download (no published hash)"
