import hashlib
import http.server
import multiprocessing
import sys
import threading
import types

import pytest

from detectory.core.config import LazyConfig
from detectory.core.storage import DownloadError, cached_path, download, hash_in_name, local_path, mirrors, open_file

CONTENT = bytes(range(256)) * 4096
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT at /model.pkl with range requests; truncates responses at `server.breaks`."""

    def do_GET(self):
        self.server.requests.append((self.path, self.headers.get("Range")))
        if not self.path.startswith("/model.pkl"):
            self.send_error(404)
            return
        start = int(self.headers["Range"][6:-1]) if self.headers.get("If-Range") == '"v1"' else 0
        self.send_response(206 if start else 200)
        self.send_header("ETag", '"v1"')
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        stop = self.server.breaks.pop(0) if self.server.breaks else len(CONTENT)
        self.wfile.write(CONTENT[start:stop])

    def log_message(self, *_):
        return


@pytest.fixture
def server():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.requests, server.breaks = [], []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.url = f"http://127.0.0.1:{server.server_port}/model.pkl"
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DETECTORY_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("DETECTORY_OFFLINE", raising=False)
    monkeypatch.delenv("DETECTORY_MIRRORS", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "cache"


def test_local_path_caches_a_url(server, cache):
    path = local_path(server.url)
    assert path == str(cache / f"127.0.0.1_{server.server_port}" / "model.pkl")
    local_path(server.url)
    assert len(server.requests) == 1


def test_open_file_reads_a_url(server):
    with open_file(server.url, "rb") as file:
        assert file.read() == CONTENT


def test_resumes_an_interrupted_transfer(server, tmp_path):
    server.breaks = [300_000]
    assert download(server.url, tmp_path / "file", sha256=SHA256).read_bytes() == CONTENT
    assert server.requests[1] == ("/model.pkl", "bytes=300000-")


def test_resumes_the_transfer_of_an_earlier_call(server, tmp_path):
    server.breaks = [100_000, 100_000, 100_000, 100_000]
    with pytest.raises(DownloadError, match="after 100000 of 1048576 bytes"):
        download(server.url, tmp_path / "file")
    server.requests.clear()
    download(server.url, tmp_path / "file", sha256=SHA256[:8])
    assert server.requests == [("/model.pkl", "bytes=100000-")]


def test_a_wrong_hash_leaves_nothing(server, tmp_path):
    with pytest.raises(DownloadError, match=f"expected SHA-256 {'0' * 64}, got {SHA256}"):
        download(server.url, tmp_path / "file", sha256="0" * 64)
    assert not (tmp_path / "file").exists()
    assert not (tmp_path / "file.part").exists()


def test_downloads_a_corrupt_cached_file_again(server, tmp_path):
    (tmp_path / "file").write_bytes(b"corrupt")
    assert download(server.url, tmp_path / "file", sha256=SHA256).read_bytes() == CONTENT


def test_the_first_download_records_the_expected_hash(server, tmp_path, caplog):
    caplog.set_level("INFO", logger="detectory")
    download(server.url, tmp_path / "file.pkl")
    assert f"file.pkl is unverified: no published hash; later downloads must have SHA-256 {SHA256}" in caplog.text
    (tmp_path / "file.pkl").unlink()
    (tmp_path / "file.pkl.sha256").write_text("0" * 64)
    with pytest.raises(DownloadError, match=f"expected SHA-256 {'0' * 64} of an earlier download, got {SHA256}"):
        download(server.url, tmp_path / "file.pkl")
    assert not (tmp_path / "file.pkl").exists()


def test_a_hash_prefix_in_the_file_name_verifies_the_file(server, tmp_path, caplog):
    caplog.set_level("INFO", logger="detectory")
    download(server.url, tmp_path / f"model_final_{SHA256[:6]}.pkl")
    assert "verified by the digits in its name" in caplog.text
    caplog.clear()
    download(server.url, tmp_path / "model_final_000000.pkl")
    assert "unverified" in caplog.text
    assert hash_in_name("model_final.pkl") is None


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """Replace huggingface_hub by a fake that records its arguments."""
    (tmp_path / "model.bin").write_bytes(CONTENT)

    def hf_hub_download(**arguments):
        module.arguments = arguments
        return str(tmp_path / "model.bin")

    module = types.SimpleNamespace(hf_hub_download=hf_hub_download)
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    return module


def test_hub_urls_contain_owner_repository_revision_and_file(hub, cache):
    local_path("hf://owner/repo@v1/folder/model.bin", sha256=SHA256[:8])
    assert {key: hub.arguments[key] for key in ("repo_id", "filename", "revision")} == {
        "repo_id": "owner/repo",
        "filename": "folder/model.bin",
        "revision": "v1",
    }
    assert hub.arguments["cache_dir"] == str(cache / "huggingface")
    with pytest.raises(DownloadError, match=f"expected SHA-256 {'0' * 8}, got {SHA256}"):
        local_path("hf://owner/repo/model.bin", sha256="0" * 8)


def test_hub_urls_respect_offline_mode_and_are_read_only(hub, monkeypatch):
    monkeypatch.setenv("DETECTORY_OFFLINE", "1")
    assert open_file("hf://owner/repo/model.bin", "rb").read() == CONTENT
    assert hub.arguments["local_files_only"]
    with pytest.raises(ValueError, match=r"must be like hf://owner/repository/file, got 'hf://owner/repo'"):
        local_path("hf://owner/repo")
    with pytest.raises(ValueError, match="is read-only"):
        open_file("hf://owner/repo/model.bin", "w")


def test_a_missing_hub_library_is_reported_with_the_install_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match=r"detectory-core\[hf\]"):
        local_path("hf://owner/repo/model.bin")


def test_mirrors_are_tried_in_order(server, tmp_path):
    missing = server.url.replace("model.pkl", "missing.pkl")
    assert download([missing, server.url], tmp_path / "file", sha256=SHA256).is_file()


def test_reads_mirrors_from_the_environment(monkeypatch):
    monkeypatch.setenv("DETECTORY_MIRRORS", "https://a.org/=https://b.org/x/ https://c.org/=https://d.org/")
    assert mirrors("https://a.org/m.pkl") == ["https://b.org/x/m.pkl", "https://a.org/m.pkl"]


def test_an_error_lists_every_url(server, tmp_path):
    missing = server.url.replace("model.pkl", "missing.pkl")
    with pytest.raises(DownloadError, match=r"missing.pkl: HTTP Error 404"):
        download([missing, missing], tmp_path / "file")


def test_offline_mode_uses_only_the_cache(server, monkeypatch):
    local_path(server.url)
    monkeypatch.setenv("DETECTORY_OFFLINE", "1")
    assert local_path(server.url)
    with pytest.raises(DownloadError, match="DETECTORY_OFFLINE is set"):
        local_path(server.url + "2")


def test_progress_ends_at_the_total(server, tmp_path):
    seen = []
    download(server.url, tmp_path / "file", progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (len(CONTENT), len(CONTENT))


def test_file_urls_are_local_paths(tmp_path):
    assert local_path(f"file://{tmp_path}/a%20b.txt") == f"{tmp_path}/a b.txt"


def test_resolves_detectron2_urls(monkeypatch, server, cache):
    monkeypatch.setenv("DETECTORY_MIRRORS", f"https://dl.fbaipublicfiles.com/detectron2/={server.url[:-9]}")
    path = local_path("detectron2://model.pkl", sha256=SHA256)
    assert path == str(cache / "dl.fbaipublicfiles.com" / "detectron2" / "model.pkl")


def test_urls_with_different_queries_are_different_files():
    assert cached_path("https://a.org/m.pkl?v=1") != cached_path("https://a.org/m.pkl?v=2")


def test_concurrent_processes_download_once(server, tmp_path):
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=download, args=(server.url, tmp_path / "file", SHA256)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert len(server.requests) == 1


def test_rejects_an_invalid_hash(tmp_path):
    with pytest.raises(ValueError, match="8 to 64 hexadecimal digits, got 'xyz'"):
        download("https://a.org/m", tmp_path / "file", sha256="xyz")


def test_rejects_other_url_schemes(tmp_path):
    with pytest.raises(DownloadError, match="the URL must start with https://"):
        download("ftp://a.org/m", tmp_path / "file")


def test_rejects_writing_to_a_url():
    with pytest.raises(ValueError, match="is read-only"):
        open_file("https://a.org/m", "w")


def test_loads_a_config_from_a_file_url(tmp_path):
    (tmp_path / "config.yaml").write_text("a: 1\n")
    assert LazyConfig.load(f"file://{tmp_path}/config.yaml").a == 1
