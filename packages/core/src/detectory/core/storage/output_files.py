"""OutputFiles: commands replace only files that they wrote themselves."""

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

_MANIFEST = ".detectory-outputs.jsonl"


class OutputFiles:
    """The files that a command writes to a folder, recorded so that a later command may replace them.

    Every file is written under a temporary name and renamed. The manifest `.detectory-outputs.jsonl` of the folder then
    records its size and modification time. A file that is not in the manifest, or was changed since, belongs to the
    user and is only replaced with `overwrite`. Inputs of the command are never replaced.

    Args:
        folder: The output folder; created when the first file is written.
        overwrite: Whether files of the user may be replaced.
        inputs: Files that the command reads.
    """

    def __init__(
        self, folder: str | os.PathLike[str], *, overwrite: bool = False, inputs: Iterable[str | os.PathLike[str]] = ()
    ) -> None:
        self.folder = Path(folder)
        self._overwrite = overwrite
        self._inputs = {Path(path).resolve() for path in inputs}
        self._written = _read_manifest(self.folder / _MANIFEST)

    def check(self, names: Iterable[str]) -> None:
        """Check before the work starts that files can be written.

        Args:
            names: Paths relative to the folder.

        Raises:
            FileExistsError: If a file is an input, or exists and was not written by an earlier command.
        """
        paths = [self.folder / name for name in names]
        inputs = [path for path in paths if path.resolve() in self._inputs]
        if inputs:
            raise FileExistsError(f"{_first(inputs)} would replace an input. Choose another --output")
        foreign = [] if self._overwrite else [path for path in paths if os.path.lexists(path) and not self.wrote(path)]
        if foreign:
            raise FileExistsError(
                f"{_first(foreign)} exists and was not written by this command. "
                "Choose another --output, or pass --overwrite"
            )

    def wrote(self, path: Path) -> bool:
        """Return whether a file was written by an earlier command and is unchanged since."""
        try:
            name = path.resolve().relative_to(self.folder.resolve()).as_posix()
            return self._written.get(name) == _fingerprint(path)
        except (ValueError, OSError):
            return False

    @contextlib.contextmanager
    def replacing(self, name: str) -> Iterator[Path]:
        """Yield a temporary path with the same suffix, which replaces the file when the block ends without an error.

        Args:
            name: Path relative to the folder.

        Raises:
            FileExistsError: If `check` raises it for the path.
        """
        self.check([name])
        target = self.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.stem}.{os.getpid()}.unfinished{target.suffix}")
        try:
            yield temporary
            if temporary.exists():
                os.replace(temporary, target)
                self.record(name)
        finally:
            temporary.unlink(missing_ok=True)

    def record(self, name: str) -> None:
        """Record a file that was written to the folder."""
        self._written[name] = _fingerprint(self.folder / name)
        with open(self.folder / _MANIFEST, "a", encoding="utf-8") as file:
            # A killed process may have left an incomplete last line.
            file.write("\n" + json.dumps([name, *self._written[name]]) + "\n")


def _fingerprint(path: Path) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


def _read_manifest(path: Path) -> dict[str, tuple[int, int]]:
    """Read the manifest; an incomplete last line of a killed process is ignored."""
    written: dict[str, tuple[int, int]] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        with contextlib.suppress(ValueError):
            name, size, modified = json.loads(line)
            written[name] = (size, modified)
    return written


def _first(paths: list[Path]) -> str:
    return f"{paths[0]}" + (f" (and {len(paths) - 1} more)" if len(paths) > 1 else "")
