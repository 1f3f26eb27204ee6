"""A package index made of the files of a folder, for pip and uv."""

import contextlib
import functools
import hashlib
import http.server
import re
import threading
from collections import defaultdict
from collections.abc import Iterator
from html import escape
from pathlib import Path


def write_index(files: list[Path], folder: Path) -> None:
    """Write a static index in the format of the simple repository API (PEP 503), with links to copies of the files.

    Args:
        files: Wheels and sdists.
        folder: Folder of the index; `folder/NAME/index.html` lists the files of a project.
    """
    projects: dict[str, list[Path]] = defaultdict(list)
    for path in files:
        name = path.name.split("-")[0] if path.suffix == ".whl" else path.name.rsplit("-", 1)[0]
        projects[re.sub(r"[-_.]+", "-", name).lower()].append(path)
    for name, paths in projects.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        links = []
        for path in sorted(paths):
            data = path.read_bytes()
            (folder / name / path.name).write_bytes(data)
            file = escape(path.name)
            links.append(f'<a href="{file}#sha256={hashlib.sha256(data).hexdigest()}">{file}</a><br>')
        (folder / name / "index.html").write_text("<!DOCTYPE html>\n" + "\n".join(links) + "\n", encoding="utf-8")
    listing = "\n".join(f'<a href="{name}/">{name}</a><br>' for name in sorted(projects))
    (folder / "index.html").write_text(f"<!DOCTYPE html>\n{listing}\n", encoding="utf-8")


class _SilentHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Print no line per request."""


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve a folder on a free local port; yield the address of the index."""
    handler = functools.partial(_SilentHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()
