"""Verified downloads with resume, mirrors and locking between processes."""

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
    """A file could not be downloaded from any URL, or its hash is wrong."""


def download(
    urls: str | Sequence[str],
    destination: str | os.PathLike[str],
    sha256: str | None = None,
    progress: Progress | None = None,
) -> Path:
    """Download a file unless it exists already, and return its path.

    An existing file (with the right hash, if one is given) is not downloaded again. Concurrent processes with the same
    destination wait for the first one to finish. An interrupted transfer is resumed, in this call or in the next.

    If no hash is given, the hash of the first download is recorded in `<destination>.sha256`, and later downloads must
    match it. Delete the record if the file was changed intentionally. Hexadecimal digits at the end of a file name
    that are the prefix of its hash, as in `model_final_f10217.pkl`, verify the first download; other digits are
    ignored.

    Args:
        urls: One or more URLs of the same file, tried in order: `https://`, `http://` or `file://`.
        destination: The path to write. Missing folders are created.
        sha256: The hexadecimal SHA-256 of the file, or its first 8 or more digits.
        progress: Called with the bytes received and the total (None if unknown). Logged by default.

    Raises:
        DownloadError: If no URL returned the right file, or `DETECTORY_OFFLINE=1` forbids the download; the message
            has one line per URL. The destination is unchanged.
        ValueError: If `sha256` is not a hexadecimal number of 8 to 64 digits.
    """
    addresses = [urls] if isinstance(urls, str) else list(urls)
    target = Path(destination)
    expected = _checked_hash(sha256)
    if _is_complete(target, expected):
        return target
    if os.environ.get("DETECTORY_OFFLINE", "0") not in ("", "0") and not _all_local(addresses):
        raise DownloadError(f"download: {target} does not exist and DETECTORY_OFFLINE is set; source {addresses[0]}")
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
    """Logs the progress of a download at most every five seconds."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.last = time.monotonic()

    def __call__(self, done: int, total: int | None) -> None:
        now = time.monotonic()
        if now - self.last < 5 and done != total:
            return
        self.last = now
        of_total = f" of {total / 1e6:.1f}" if total else ""
        _logger.info("downloading %s: %.1f%s MB", self.name, done / 1e6, of_total)


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
    """Return the six or more hexadecimal digits at the end of a file name, before the suffix, or None."""
    match = re.search(r"[_-]([0-9a-f]{6,64})\.\w+$", name)
    return match[1] if match else None


def _is_complete(target: Path, expected: str | None) -> bool:
    if not target.is_file():
        return False
    if expected is None:
        return True
    record = _record_of(target)
    # The record avoids hashing the file on every use. It is valid only if the file has not been modified since.
    if record.is_file() and record.stat().st_mtime_ns >= target.stat().st_mtime_ns:
        actual = record.read_text(encoding="ascii").strip()
    else:
        actual = file_sha256(target)
        record.write_text(actual, encoding="ascii")
    return actual.startswith(expected)


def _fetch_from_any(addresses: Sequence[str], target: Path, expected: str | None, progress: Progress) -> None:
    problems = []
    record = _record_of(target)
    recorded = record.read_text(encoding="ascii").strip() if expected is None and record.is_file() else None
    for address in addresses:
        part = target.with_name(f"{target.name}.part")
        try:
            _fetch_with_retries(address, part, progress)
            actual = file_sha256(part)
            if expected is not None and not actual.startswith(expected):
                _discard(part)
                raise DownloadError(f"expected SHA-256 {expected}, got {actual}")
            if recorded is not None and actual != recorded:
                _discard(part)
                raise DownloadError(f"expected SHA-256 {recorded} of an earlier download, got {actual}; see {record}")
        except (OSError, http.client.HTTPException, ValueError) as error:
            problems.append(f"  {address}: {error}")
            continue
        with open(part, "rb") as file:
            os.fsync(file.fileno())
        os.replace(part, target)
        _discard(part)
        record.write_text(actual, encoding="ascii")
        if expected is None and recorded is None:
            _log_verification(target.name, actual)
        return
    raise DownloadError(f"download: cannot download {target.name} from any URL:\n" + "\n".join(problems))


def _log_verification(name: str, sha256: str) -> None:
    digits = hash_in_name(name)
    if digits is not None and sha256.startswith(digits):
        _logger.info("%s is verified by the digits in its name; SHA-256 %s", name, sha256)
    else:
        _logger.info("%s is unverified: no published hash; later downloads must have SHA-256 %s", name, sha256)


def _fetch_with_retries(address: str, part: Path, progress: Progress) -> None:
    """Download into `part`, resuming after interruptions; give up after three attempts without progress."""
    failures = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            _fetch_once(address, part, progress)
            return
        except urllib.error.HTTPError as error:
            if error.code < 500 and error.code not in (408, 416, 429):
                raise
            failure: Exception = error
            if error.code == 416:
                _discard(part)
        except (urllib.error.URLError, ConnectionError, TimeoutError, http.client.HTTPException) as error:
            failure = error
        failures = 0 if part.exists() and part.stat().st_size > before else failures + 1
        if failures >= _ATTEMPTS:
            raise failure
        time.sleep(min(0.2 * 2**failures, 5.0))


def _fetch_once(address: str, part: Path, progress: Progress) -> None:
    if urlsplit(address).scheme == "file":
        shutil.copyfile(unquote(urlsplit(address).path), part)
        return
    if urlsplit(address).scheme not in ("http", "https"):
        raise ValueError("the URL must start with https://, http:// or file://")
    offset, validator = _resume_point(address, part)
    headers = {"User-Agent": "detectory"}
    if offset and validator:
        # If-Range: the server sends the remainder only if the file has not changed since the transfer started.
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
        raise ConnectionError(f"transfer ended after {done} of {total} bytes")


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
    # A weak ETag marks semantically equal files, whose bytes may differ, so it cannot be used to resume.
    strong = validator if validator and not validator.startswith("W/") else None
    _notes(part).write_text(json.dumps({"address": address, "validator": strong}), encoding="utf-8")


def _discard(part: Path) -> None:
    for leftover in (part, _notes(part)):
        with contextlib.suppress(FileNotFoundError):
            leftover.unlink()
