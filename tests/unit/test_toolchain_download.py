"""Downloads from a server on loopback: whole, wrong, cut."""

import errno
import hashlib
import io
import os
import socket
import struct
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from netspec.catalogue import TOOLS
from netspec.diagnostics import Problem
from netspec.toolchain import download

PROGRAM = b"#!/bin/sh\necho a program\n" * 4000


class Site:
    """`files` by path; `cut` is how many answers end half-way; `asked` lists path and Range of each request."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.redirects: dict[str, str] = {}
        self.cut = 0
        self.ranges = True
        self.asked: list[tuple[str, str | None]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def publish(self, path: str, content: bytes, checksum_path: str, name: str = "", wrong: bool = False) -> None:
        checksum = hashlib.sha256(b"something else" if wrong else content).hexdigest()
        self.files[path] = content
        self.files[checksum_path] = (f"{'0' * 64}  other\n{checksum}  {name}\n" if name else checksum).encode()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                wanted = self.headers.get("Range")
                site.asked.append((self.path, wanted))
                if to := site.redirects.get(self.path):
                    self.send_response(302)
                    self.send_header("Location", to)
                    self.end_headers()
                    return
                content = site.files.get(self.path)
                if content is None:
                    self.send_error(404)
                    return
                start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and site.ranges else 0
                self.send_response(206 if start else 200)
                self.send_header("Content-Length", str(len(content) - start))
                self.end_headers()
                if content in (b"half of one", b"reset", b"stall"):
                    self.wfile.write(content[:2])
                    if content == b"reset":  # closing at once, with data unsent, is one
                        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                        self.connection.close()
                    elif content == b"stall":
                        threading.Event().wait(1)
                    return
                is_cut = site.cut > 0 and len(content) > 1000
                site.cut -= is_cut
                self.wfile.write(content[start : start + (len(content) - start) // 2] if is_cut else content[start:])

            def log_message(self, format: str, *args: object) -> None:
                """Nothing."""

        return Handler


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    found = Site()
    monkeypatch.setenv("NETSPEC_CACHE", str(tmp_path))
    monkeypatch.setattr(download.platform, "system", lambda: "Linux")
    monkeypatch.setattr(download.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(download.time, "sleep", lambda _: None)
    for name in ("KIND", "KUBECTL", "PULUMI"):
        monkeypatch.setenv(f"NETSPEC_{name}_URL", found.url)
    yield found
    found.close()


def publish_kind(site: Site, wrong: bool = False) -> None:
    path = f"/v{TOOLS['kind'].official}/kind-linux-amd64"
    site.publish(path, PROGRAM, f"{path}.sha256sum", "kind-linux-amd64", wrong)


def left_behind(cache: Path) -> list[str]:
    return [str(p.relative_to(cache)) for p in cache.rglob("*") if p.is_file() and p.name != ".lock"]


def test_a_program_is_there_executable_and_verified(site: Site, tmp_path: Path) -> None:
    publish_kind(site)
    said: list[str] = []
    path = download.install("kind", said.append)
    assert path == tmp_path / "tools" / "kind" / TOOLS["kind"].official / "bin" / "kind"
    assert path.read_bytes() == PROGRAM and path.stat().st_mode & 0o111
    assert len(said) == 1 and "downloading kind" in said[0]
    site.asked.clear()
    assert download.install("kind", said.append) == path
    assert site.asked == []


def test_a_checksum_file_with_nothing_but_the_checksum(site: Site) -> None:
    path = f"/v{TOOLS['kubectl'].official}/bin/linux/amd64/kubectl"
    site.publish(path, PROGRAM, f"{path}.sha256")
    assert download.install("kubectl", lambda _: None).read_bytes() == PROGRAM


def test_pulumi_comes_with_its_language_host_and_launchers(site: Site, tmp_path: Path) -> None:
    names = ("pulumi", "pulumi-language-python", "pulumi-resource-pulumi-python")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name in (*(f"pulumi/{name}" for name in names), "../outside", "pulumi/../../outside"):
            info = tarfile.TarInfo(name)
            info.size, info.mode = 4, 0o755
            tar.addfile(info, io.BytesIO(b"true"))
    version = TOOLS["pulumi"].official
    file = f"pulumi-v{version}-linux-x64.tar.gz"
    site.publish(f"/{file}", buffer.getvalue(), f"/pulumi-{version}-checksums.txt", file)
    path = download.install("pulumi", lambda _: None)
    assert sorted(p.name for p in path.parent.iterdir()) == sorted(names)
    assert all(p.stat().st_mode & 0o111 for p in path.parent.iterdir())
    assert not list(tmp_path.rglob("outside"))


def test_a_wrong_checksum_is_an_error_and_leaves_nothing(site: Site, tmp_path: Path) -> None:
    publish_kind(site, wrong=True)
    with pytest.raises(Problem, match="it was not kept"):
        download.install("kind", lambda _: None)
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize("ranges", [True, False])
def test_a_cut_download_goes_on_where_it_was(site: Site, ranges: bool) -> None:
    publish_kind(site)
    site.cut, site.ranges = 2, ranges
    assert download.install("kind", lambda _: None).read_bytes() == PROGRAM
    asked = [wanted for path, wanted in site.asked if path.endswith("amd64")]
    assert asked == [None, f"bytes={len(PROGRAM) // 2}-", asked[2]] and asked[2] is not None


def test_a_download_cut_again_and_again_is_an_error_and_leaves_nothing(site: Site, tmp_path: Path) -> None:
    publish_kind(site)
    site.cut = download.ATTEMPTS
    with pytest.raises(Problem, match="was cut"):
        download.install("kind", lambda _: None)
    assert left_behind(tmp_path) == []


def test_a_missing_file_is_a_source_out_of_reach(site: Site, tmp_path: Path) -> None:
    with pytest.raises(download.Unreachable, match="HTTP status 404"):
        download.install("kind", lambda _: None)
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize(
    ("answer", "error", "sentence"),
    [
        (b"abcdef12", Problem, "has no checksum for kind-linux-amd64"),
        (b"z" * 64, Problem, "has no checksum for kind-linux-amd64"),
        (b"half of one", download.Unreachable, "the connection broke off"),
        (b"reset", download.Unreachable, "reset"),
        (b"stall", download.Unreachable, "timed out"),
    ],
)
def test_a_checksum_that_is_none(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes, error: type[Exception], sentence: str
) -> None:
    monkeypatch.setattr(download, "TIMEOUT", 0.5)
    publish_kind(site)
    site.files[f"/v{TOOLS['kind'].official}/kind-linux-amd64.sha256sum"] = answer
    with pytest.raises(error, match=sentence):
        download.install("kind", lambda _: None)
    assert left_behind(tmp_path) == []


def test_a_full_disk_is_said_as_such(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_kind(site)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(download.shutil, "copyfileobj", full)
    with pytest.raises(Problem, match="No space left on device") as caught:
        download.install("kind", lambda _: None)
    assert caught.value.hint and "NETSPEC_CACHE" in caught.value.hint
    assert len(site.asked) == 2 and left_behind(tmp_path) == []


def test_a_cache_that_cannot_be_written_is_a_sentence(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a-file").touch()
    monkeypatch.setenv("NETSPEC_CACHE", str(tmp_path / "a-file"))
    with pytest.raises(Problem, match="kind cannot be kept in"):
        download.install("kind", lambda _: None)


def test_an_address_without_a_scheme_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETSPEC_KIND_URL", "mirror.corp/kind")
    with pytest.raises(Problem, match="which is not the address of a site"):
        download.install("kind", lambda _: None)


@pytest.mark.parametrize(
    "base",
    ["http://mirror.corp/kind", "http://10.0.0.1/kind", "http://localhost.corp", "http://127.0.0.1.corp"],
)
def test_a_mirror_over_plain_http_is_refused(monkeypatch: pytest.MonkeyPatch, base: str) -> None:
    monkeypatch.setenv("NETSPEC_KIND_URL", base)
    with pytest.raises(Problem, match=r"NETSPEC_KIND_URL is 'http://.*plain http is refused"):
        download.install("kind", lambda _: None)


@pytest.mark.parametrize(
    "base", ["https://mirror.corp/kind", "http://localhost:8/kind", "http://127.9.0.1", "http://[::1]:80"]
)
def test_a_mirror_that_nobody_on_the_way_can_change(monkeypatch: pytest.MonkeyPatch, base: str) -> None:
    monkeypatch.setenv("NETSPEC_KIND_URL", base)
    assert download.release("kind", "Linux", "x86_64").url.startswith(base)


def test_a_site_that_sends_on_to_plain_http_is_not_followed(site: Site, tmp_path: Path) -> None:
    path = f"/v{TOOLS['kind'].official}/kind-linux-amd64.sha256sum"
    site.redirects[path] = "http://mirror.corp/kind"
    with pytest.raises(Problem, match=r"127\.0\.0\.1 redirects to http://mirror\.corp/kind: plain http is refused"):
        download.install("kind", lambda _: None)
    assert left_behind(tmp_path) == []
    publish_kind(site)
    site.files["/moved"] = site.files.pop(path)
    site.redirects[path] = f"{site.url}/moved"
    assert download.install("kind", lambda _: None).is_file()


def test_what_a_killed_download_left_is_removed(site: Site, tmp_path: Path) -> None:
    publish_kind(site)
    leftover = tmp_path / "tools" / "kind" / ".work-killed"
    leftover.mkdir(parents=True)
    (leftover / "kind-linux-amd64").write_bytes(b"half")
    download.install("kind", lambda _: None)
    assert not leftover.exists()


@pytest.mark.parametrize(
    ("name", "system", "machine", "end"),
    [
        ("kind", "Darwin", "arm64", "/kind-darwin-arm64"),
        ("kubectl", "Linux", "aarch64", "/bin/linux/arm64/kubectl"),
        ("pulumi", "Darwin", "x86_64", "-darwin-x64.tar.gz"),
    ],
)
def test_platforms(name: str, system: str, machine: str, end: str) -> None:
    assert download.release(name, system, machine).url.endswith(end)


def test_a_platform_without_a_download_is_a_sentence() -> None:
    with pytest.raises(Problem, match="no official kind for Windows"):
        download.release("kind", "Windows", "AMD64")
