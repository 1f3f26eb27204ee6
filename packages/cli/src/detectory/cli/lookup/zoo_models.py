"""Models of the zoo as a person sees them: recipes and YAML configs with what is published about them."""

import sys
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import click
import torch

from detectory.core.config import instantiate
from detectory.core.storage import cached_path, download, file_sha256, mirrors
from detectory.core.suggestions import nearest
from detectory.zoo import PublishedModel, get_config, published_models
from detectory.zoo.published import without_suffix
from detectory.zoo.recipes import recipe_names

_LABELS = {
    "box_ap": "box AP",
    "mask_ap": "mask AP",
    "keypoint_ap": "keypoint AP",
    "box_ap50": "box AP50",
    "pq": "PQ",
    "proposal_ar": "proposal AR",
}


@dataclass(frozen=True)
class ZooEntry:
    """A model of the zoo.

    Attributes:
        name: Name of the recipe, without suffix.
        published: Its weights, None where nobody published any.
    """

    name: str
    published: PublishedModel | None

    def figures(self) -> str:
        """Return the published figures as text, e.g. `"box AP 37.9  mask AP 35.2"`; empty without any."""
        if self.published is None:
            return ""
        return "  ".join(f"{_LABELS.get(key, key)} {value:.1f}" for key, value in self.published.published.items())

    def as_dict(self) -> dict[str, Any]:
        """Return the name and everything published, None where it is unknown."""
        known = asdict(self.published) if self.published is not None else {}
        figures = known.pop("published", {})
        return {**known, "name": self.name, "figures": figures, "weights": known.get("url")}

    def described(self) -> dict[str, Any]:
        """Return what a person asks about one model; builds it, without memory, to count its parameters."""
        known = self.published
        found: dict[str, Any] = {"name": self.name, "parameters": self._parameters()}
        if known is None:
            return found | {"weights": None}
        path = cached_path(known.url)
        found |= {_LABELS.get(key, key): value for key, value in known.published.items()}
        found |= {
            "schedule": known.schedule,
            "seconds an image": known.seconds_per_image,
            "weights": known.url,
            "size in bytes": path.stat().st_size if path.is_file() else known.size,
            "licence": known.licence,
            "SHA-256": known.sha256 or _recorded_hash(path),
            "verified": _verification(known, path),
            "file": str(path) if path.is_file() else "not downloaded",
        }
        return found

    def download(self) -> dict[str, Any]:
        """Fetch the weights into the cache; return `name`, `path`, `sha256` and `verified`.

        Raises:
            KeyError: nobody published weights of this model.
            DownloadError: no address gives the file, or it is not the published one.
        """
        if self.published is None:
            raise KeyError(f"no weights are published for '{self.name}'; detectory zoo list --trained shows which are")
        url = self.published.url
        with click.progressbar(length=1, label=Path(url).name, file=sys.stderr, show_pos=False) as bar:

            def advance(done: int, total: int | None) -> None:
                bar.length = total or done + 1
                bar.update(done - bar.pos)

            path = download(mirrors(url), cached_path(url), sha256=self.published.sha256, progress=advance)
        return {
            "name": self.name,
            "path": str(path),
            "sha256": _recorded_hash(path) or file_sha256(path),
            "verified": _verification(self.published, path),
        }

    def _parameters(self) -> int:
        with torch.device("meta"):
            model = instantiate(get_config(self.name).model)
        return sum(parameter.numel() for parameter in model.parameters())


def entries(pattern: str = "*") -> list[ZooEntry]:
    """Return the models whose name contains `pattern`, or matches it as a shell pattern, sorted by name."""
    known = published_models()
    pattern = without_suffix(pattern)
    names = [name for name in recipe_names() if pattern in name or fnmatch(name, f"{pattern}*")]
    return [ZooEntry(name, known.get(name)) for name in names]


def entry_of(name: str) -> ZooEntry:
    """Return the model of a name, with suffix or without.

    Raises:
        KeyError: If the model does not exist; the message lists the nearest names.
    """
    models = {entry.name: entry for entry in entries()}
    stem = without_suffix(name)
    if stem not in models:
        raise KeyError(f"no model '{name}' in the zoo: {nearest(stem, models)}")
    return models[stem]


def _recorded_hash(path: Path) -> str | None:
    record = path.with_name(f"{path.name}.sha256")
    return record.read_text(encoding="ascii").strip() if record.is_file() else None


def _verification(known: PublishedModel, path: Path) -> str:
    if known.sha256 is not None:
        return "by its published hash"
    recorded = _recorded_hash(path)
    if recorded is None:
        return "unverified: nobody published its hash"
    digits = Path(known.url).stem.rpartition("_")[2]
    if len(digits) == 6 and recorded.startswith(digits):
        return f"by the digits {digits} of its published name"
    return "against the hash of its first download; nobody published one"
