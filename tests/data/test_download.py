"""Downloads from a server of our own: resumed, pinned, from the second mirror, never half a file."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from nbdl.data.download import Pinned, fetch
from nbdl.errors import DataError

CONTENT = bytes(range(256)) * 4000
FILE = Pinned("file.bin", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


class Handler(BaseHTTPRequestHandler):
    """/good has the file, /cut stops half-way, /whole ignores ranges, /other has other bytes, /long too many."""

    def do_GET(self):
        mirror = self.path.split("/")[1]
        self.server.requests.append((mirror, self.headers.get("Range")))
        content = {"other": CONTENT[::-1], "long": CONTENT + b"x"}.get(mirror, CONTENT)
        if mirror == "none":
            return self.send_error(404)
        asked = self.headers.get("Range") if mirror != "whole" else None
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start : len(content) // 2] if mirror == "cut" else content[start:])

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.requests = []
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def mirrors(server, *names):
    return [f"http://127.0.0.1:{server.server_port}/{name}" for name in names]


def test_download_then_found_again(server, tmp_path):
    seen = []
    folder = tmp_path / "new" / "folder"
    assert fetch([FILE], mirrors(server, "good"), folder, lambda *now: seen.append(now)) == [folder / "file.bin"]
    assert (folder / "file.bin").read_bytes() == CONTENT
    assert seen[-1] == ("file.bin", FILE.size, FILE.size)
    fetch([FILE], mirrors(server, "good"), folder)
    assert len(server.requests) == 1
    assert [path.name for path in folder.iterdir()] == ["file.bin"]


def test_interrupted_download_is_continued(server, tmp_path):
    with pytest.raises(DataError, match="ended early"):
        fetch([FILE], mirrors(server, "cut"), tmp_path)
    assert not (tmp_path / "file.bin").exists()
    assert (tmp_path / "file.bin.part").stat().st_size == FILE.size // 2
    fetch([FILE], mirrors(server, "good"), tmp_path)
    assert server.requests[-1] == ("good", f"bytes={FILE.size // 2}-")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_a_mirror_without_ranges_starts_again(server, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(b"old" * 100)
    fetch([FILE], mirrors(server, "whole"), tmp_path)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_the_next_mirror_is_tried(server, tmp_path):
    fetch([FILE], mirrors(server, "none", "other", "long", "good"), tmp_path)
    assert [mirror for mirror, _ in server.requests] == ["none", "other", "long", "good"]
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_other_bytes_are_never_kept(server, tmp_path):
    with pytest.raises(DataError, match="sha256 differs"):
        fetch([FILE], mirrors(server, "other"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_mirror_that_sends_too_much_is_cut_off(server, tmp_path):
    with pytest.raises(DataError, match=f"sends more than the {FILE.size} bytes"):
        fetch([FILE], mirrors(server, "long"), tmp_path)


def test_a_wrong_file_in_place_is_replaced(server, tmp_path):
    (tmp_path / "file.bin").write_bytes(b"something else")
    fetch([FILE], mirrors(server, "good"), tmp_path)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_offline_says_which_files_go_where(tmp_path):
    other = Pinned("second.bin", 7, "0" * 64)
    with pytest.raises(DataError, match=rf"put these files into {tmp_path}.*file.bin.*{FILE.sha256}.*second.bin"):
        fetch([FILE, other], ["http://127.0.0.1:9"], tmp_path)
