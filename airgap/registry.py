"""A registry of what airgap/ has built, for nodes to pull images from under the names that users' nodes pull.

`python registry.py FOLDER PORT`: every FOLDER/*.tar is a docker archive (airgap.archive); one that comes later is
served from then on. Only "pull" of the OCI distribution specification (v1.1): manifests by tag or digest, and blobs. A
container runtime that uses it as a mirror names the image's own registry in `?ns=`. It runs in the engine's network
namespace and ends with the engine, so it has no access control. It is started without netspec: standard library only.
"""

import hashlib
import json
import re
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any
from urllib.parse import parse_qs, urlsplit

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"
#: Bytes read and sent at a time.
_CHUNK = 1 << 20
_PATH = re.compile(r"/v2/(?P<name>.+)/(?P<kind>manifests|blobs)/(?P<reference>[^/]+)")


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes of a file, or `data`."""

    path: Path | None = None
    offset: int = 0
    size: int = 0
    data: bytes = b""


def full_name(reference: str) -> str:
    """
    >>> full_name("alpine:3"), full_name("quay.io/a/b:v1"), full_name("kindest/node:v1")
    ('docker.io/library/alpine:3', 'quay.io/a/b:v1', 'docker.io/kindest/node:v1')
    """
    first, _, rest = reference.partition("/")
    if rest and ("." in first or ":" in first or first == "localhost"):
        return reference
    return f"docker.io/{reference}" if rest else f"docker.io/library/{reference}"


class Store:
    """The images of a folder's archives: full name with tag -> digest of its manifest, and every blob by digest."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, Path] = {}
        self.tags: dict[str, str] = {}
        self.blobs: dict[str, Blob] = {}

    def refresh(self) -> None:
        """Reads the archives that are new, or are links to another one now."""
        for path in sorted(self._folder.glob("*.tar")):
            target = path.resolve()
            if self._read.get(path) != target:
                self._add(target)
                self._read[path] = target

    def _add(self, path: Path) -> None:
        with tarfile.open(path) as tar:
            members = {member.name: member for member in tar.getmembers()}
            images = json.loads(_content(tar, "manifest.json"))
            for image in images:
                config = _content(tar, image["Config"])
                digests = json.loads(config)["rootfs"]["diff_ids"]
                layers = []
                for digest, name in zip(digests, image["Layers"], strict=True):
                    member = members[name]
                    self.blobs[digest] = Blob(path, member.offset_data, member.size)
                    layers.append({"mediaType": _LAYER, "digest": digest, "size": member.size})
                manifest = {
                    "schemaVersion": 2,
                    "mediaType": _MANIFEST,
                    "config": {"mediaType": _CONFIG, "digest": self._keep(config), "size": len(config)},
                    "layers": layers,
                }
                digest = self._keep(json.dumps(manifest).encode())
                self.tags |= {full_name(tag): digest for tag in image["RepoTags"]}

    def _keep(self, data: bytes) -> str:
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self.blobs[digest] = Blob(size=len(data), data=data)
        return digest


def _content(tar: tarfile.TarFile, name: str) -> bytes:
    member = tar.extractfile(name)
    assert member is not None
    return member.read()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store: Store

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _answer(self, with_body: bool) -> None:
        url = urlsplit(self.path)
        if url.path.rstrip("/") == "/v2":
            self._send(Blob(data=b"{}", size=2), {"Content-Type": "application/json"}, with_body)
            return
        found = _PATH.fullmatch(url.path)
        blob = self._blob(found, parse_qs(url.query).get("ns", ["docker.io"])[0]) if found else None
        if found is None or blob is None:
            body = b'{"errors": [{"code": "NOT_FOUND", "message": "airgap/ has not built it"}]}'
            self._send(Blob(data=body, size=len(body)), {"Content-Type": "application/json"}, with_body, 404)
            return
        is_manifest = found["kind"] == "manifests"
        headers = {"Content-Type": _MANIFEST if is_manifest else "application/octet-stream"}
        if is_manifest:
            headers["Docker-Content-Digest"] = f"sha256:{hashlib.sha256(blob.data).hexdigest()}"
        self._send(blob, headers, with_body)

    def _blob(self, found: re.Match[str], registry: str) -> Blob | None:
        self.store.refresh()
        reference = found["reference"]
        digest = reference if ":" in reference else self.store.tags.get(f"{registry}/{found['name']}:{reference}", "")
        return self.store.blobs.get(digest)

    def _send(self, blob: Blob, headers: Mapping[str, str], with_body: bool, status: int = 200) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(blob.size)}.items():
            self.send_header(name, value)
        self.end_headers()
        if not with_body:
            return
        if blob.path is None:
            self.wfile.write(blob.data)
            return
        with blob.path.open("rb") as content:
            content.seek(blob.offset)
            _copy(content, self.wfile, blob.size)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: its output is the engine's log."""


def _copy(source: IO[bytes], target: Any, size: int) -> None:
    while size and (chunk := source.read(min(size, _CHUNK))):
        target.write(chunk)
        size -= len(chunk)


def serve(folder: Path, address: str, port: int) -> ThreadingHTTPServer:
    """A server that is not started yet."""
    server = ThreadingHTTPServer((address, port), type("FolderHandler", (Handler,), {"store": Store(folder)}))
    server.daemon_threads = True
    return server


if __name__ == "__main__":
    serve(Path(sys.argv[1]), "0.0.0.0", int(sys.argv[2])).serve_forever()
