"""Downloads that are verified, resumed after a break, tried on several mirrors and shared by many processes."""

import contextlib
import hashlib
import http.client
import json
import logging
import os
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from iopath.common.file_io import file_lock

_logger = logging.getLogger(__name__)
_BLOCK = 1 << 20
_ATTEMPTS = 3
_TIMEOUT_SECONDS = 30.0

Progress = Callable[[int, int | None], None]


class DownloadError(OSError):
    """A file could not be had from any of its addresses, or is not the file that was asked for."""


def download(
    urls: str | Sequence[str],
    destination: str | os.PathLike[str],
    sha256: str | None = None,
    progress: Progress | None = None,
) -> Path:
    """Fetch a file once and return its path.

    A file that is already there (with the right hash, when one is given) is not fetched again. Several processes that
    ask for the same destination wait for the one that fetches. A broken transfer continues where it stopped, in this
    call, and in the next one.

    Without a published hash the first download records the file's, beside it, and later ones must equal it: delete the
    record, `<destination>.sha256`, where a file was meant to change. Digits at the end of a file's name that are the
    beginning of its hash, as in `model_final_f10217.pkl`, verify it the first time; others mean nothing.

    Args:
        urls: One address or several of the same file, tried in order: `https://`, `http://` or `file://`.
        destination: Where the file goes; missing folders are made.
        sha256: The hexadecimal SHA-256, or its first 8 or more digits.
        progress: Called with the bytes so far and the bytes in all (None when unknown); logged by default.

    Raises:
        DownloadError: no address gave the right file, or `DETECTORY_OFFLINE=1` forbids to ask; the message has one
            line for each address. The destination is untouched.
        ValueError: `sha256` is no hexadecimal number of 8 to 64 digits.
    """
    addresses = [urls] if isinstance(urls, str) else list(urls)
    target = Path(destination)
    expected = _checked_hash(sha256)
    if _is_complete(target, expected):
        return target
    if os.environ.get("DETECTORY_OFFLINE", "0") not in ("", "0") and not _all_local(addresses):
        raise DownloadError(f"download: {addresses[0]} is not at {target}, and DETECTORY_OFFLINE is set")
    target.parent.mkdir(parents=True, exist_ok=True)
    with file_lock(str(target)):
        if not _is_complete(target, expected):
            _fetch_from_any(addresses, target, expected, progress or _LoggedProgress(target.name))
    return target


def file_sha256(path: str | os.PathLike[str]) -> str:
    """Return the hexadecimal SHA-256 of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


class _LoggedProgress:
    """Logs a download's progress at most every five seconds."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.last = time.monotonic()

    def __call__(self, done: int, total: int | None) -> None:
        now = time.monotonic()
        if now - self.last < 5 and done != total:
            return
        self.last = now
        share = f" of {total / 1e6:.1f}" if total else ""
        _logger.info("downloading %s: %.1f%s MB", self.name, done / 1e6, share)


def _checked_hash(sha256: str | None) -> str | None:
    if sha256 is None:
        return None
    lower = sha256.lower()
    if not 8 <= len(lower) <= 64 or set(lower) - set("0123456789abcdef"):
        raise ValueError(f"download: sha256 must be 8 to 64 hexadecimal digits, got '{sha256}'")
    return lower


def _all_local(addresses: Sequence[str]) -> bool:
    return all(urlsplit(address).scheme == "file" for address in addresses)


def _record_of(target: Path) -> Path:
    return target.with_name(f"{target.name}.sha256")


def hash_in_name(name: str) -> str | None:
    """Return the six or more hexadecimal digits at the end of a file's name, before its suffix; None without any."""
    match = re.search(r"[_-]([0-9a-f]{6,64})\.\w+$", name)
    return match[1] if match else None


def _is_complete(target: Path, expected: str | None) -> bool:
    if not target.is_file():
        return False
    if expected is None:
        return True
    record = _record_of(target)
    # The record spares hashing the file at every use; it counts only while the file has not changed since.
    if record.is_file() and record.stat().st_mtime_ns >= target.stat().st_mtime_ns:
        found = record.read_text(encoding="ascii").strip()
    else:
        found = file_sha256(target)
        record.write_text(found, encoding="ascii")
    return found.startswith(expected)


def _fetch_from_any(addresses: Sequence[str], target: Path, expected: str | None, progress: Progress) -> None:
    faults = []
    record = _record_of(target)
    recorded = record.read_text(encoding="ascii").strip() if expected is None and record.is_file() else None
    for address in addresses:
        part = target.with_name(f"{target.name}.part")
        try:
            _fetch_patiently(address, part, progress)
            found = file_sha256(part)
            if expected is not None and not found.startswith(expected):
                _discard(part)
                raise DownloadError(f"expected SHA-256 {expected}, got {found}")
            if recorded is not None and found != recorded:
                _discard(part)
                raise DownloadError(f"an earlier download had SHA-256 {recorded}, this one {found}; see {record}")
        except (OSError, http.client.HTTPException, ValueError) as error:
            faults.append(f"  {address}: {error}")
            continue
        with open(part, "rb") as file:
            os.fsync(file.fileno())
        os.replace(part, target)
        _discard(part)
        record.write_text(found, encoding="ascii")
        if expected is None and recorded is None:
            _tell_what_vouches(target.name, found)
        return
    raise DownloadError(f"download: cannot get {target.name} from any address:\n" + "\n".join(faults))


def _tell_what_vouches(name: str, found: str) -> None:
    digits = hash_in_name(name)
    if digits is not None and found.startswith(digits):
        _logger.info("%s is verified by the digits in its name; its SHA-256 is %s", name, found)
    else:
        _logger.info("%s is unverified, nobody published its hash; later downloads must have SHA-256 %s", name, found)


def _fetch_patiently(address: str, part: Path, progress: Progress) -> None:
    """Fetch into `part`, again from where it broke off, up to three times without any progress."""
    failures = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            _fetch_once(address, part, progress)
            return
        except urllib.error.HTTPError as error:
            if error.code < 500 and error.code not in (408, 416, 429):
                raise
            fault: Exception = error
            if error.code == 416:
                _discard(part)
        except (urllib.error.URLError, ConnectionError, TimeoutError, http.client.HTTPException) as error:
            fault = error
        failures = 0 if part.exists() and part.stat().st_size > before else failures + 1
        if failures >= _ATTEMPTS:
            raise fault
        time.sleep(min(0.2 * 2**failures, 5.0))


def _fetch_once(address: str, part: Path, progress: Progress) -> None:
    if urlsplit(address).scheme == "file":
        shutil.copyfile(unquote(urlsplit(address).path), part)
        return
    if urlsplit(address).scheme not in ("http", "https"):
        raise ValueError("expected an address that starts with https://, http:// or file://")
    offset, validator = _resume_point(address, part)
    headers = {"User-Agent": "detectory"}
    if offset and validator:
        # If-Range: the server sends the rest only when the file is still the one that was begun.
        headers |= {"Range": f"bytes={offset}-", "If-Range": validator}
    with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=_TIMEOUT_SECONDS) as reply:
        offset = offset if reply.status == 206 else 0
        length = reply.headers.get("Content-Length")
        total = offset + int(length) if length is not None else None
        _remember(address, part, reply.headers.get("ETag") or reply.headers.get("Last-Modified"))
        done = offset
        with open(part, "ab" if offset else "wb") as file:
            while block := reply.read(_BLOCK):
                file.write(block)
                done += len(block)
                progress(done, total)
    if total is not None and done != total:
        raise ConnectionError(f"the transfer ended after {done} of {total} bytes")


def _notes(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _resume_point(address: str, part: Path) -> tuple[int, str | None]:
    if not part.exists() or not _notes(part).exists():
        return 0, None
    try:
        notes = json.loads(_notes(part).read_text(encoding="utf-8"))
    except json.JSONDecodeError:
        return 0, None
    if notes.get("address") != address or not notes.get("validator"):
        return 0, None
    return part.stat().st_size, notes["validator"]


def _remember(address: str, part: Path, validator: str | None) -> None:
    # A weak ETag says that two files mean the same, not that their bytes are equal.
    strong = validator if validator and not validator.startswith("W/") else None
    _notes(part).write_text(json.dumps({"address": address, "validator": strong}), encoding="utf-8")


def _discard(part: Path) -> None:
    for leftover in (part, _notes(part)):
        with contextlib.suppress(FileNotFoundError):
            leftover.unlink()
