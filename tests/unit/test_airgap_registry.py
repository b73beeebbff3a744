"""The registry that nodes pull from: asked over HTTP on loopback, as a container runtime asks."""

import hashlib
import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from airgap import engine
from airgap.archive import Image, Layer, write_archive
from airgap.registry import serve

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def build(folder: Path, name: str, references: list[str], content: str) -> Path:
    layer = folder / f"{name}.layer"
    with Layer(layer) as writing:
        writing.text("etc/what", content)
    path = folder / f"{name}.images"
    write_archive(path, [Image(reference, [layer], {"Cmd": [name]}) for reference in references])
    return path


class Client:
    def __init__(self, port: int) -> None:
        self._port = port

    def ask(self, path: str, method: str = "GET") -> tuple[int, bytes, dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        connection.request(method, path)
        answer = connection.getresponse()
        found = (answer.status, answer.read(), dict(answer.getheaders()))
        connection.close()
        return found


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    (tmp_path / "served").mkdir()
    server = serve(tmp_path / "served", "127.0.0.1", 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Client(server.server_address[1])
    server.shutdown()
    server.server_close()


def test_an_image_is_pulled_whole_under_its_own_name(tmp_path: Path, client: Client) -> None:
    archive = build(tmp_path, "agent", ["quay.io/x/agent:v1"], "the agent")
    (tmp_path / "served" / "agent.tar").symlink_to(archive)
    assert client.ask("/v2/")[0] == 200
    status, body, headers = client.ask("/v2/x/agent/manifests/v1?ns=quay.io")
    assert (status, headers["Content-Type"]) == (200, MANIFEST)
    digest = headers["Docker-Content-Digest"]
    assert digest == f"sha256:{hashlib.sha256(body).hexdigest()}"
    assert client.ask(f"/v2/x/agent/manifests/{digest}?ns=quay.io")[1] == body, "a runtime asks again by digest"
    manifest = json.loads(body)
    for part in (manifest["config"], *manifest["layers"]):
        status, blob, _ = client.ask(f"/v2/x/agent/blobs/{part['digest']}?ns=quay.io")
        assert status == 200
        assert len(blob) == part["size"]
        assert f"sha256:{hashlib.sha256(blob).hexdigest()}" == part["digest"]
    assert b"the agent" in blob
    status, body, headers = client.ask("/v2/x/agent/manifests/v1?ns=quay.io", "HEAD")
    assert (status, body) == (200, b"")
    assert headers["Docker-Content-Digest"] == digest


def test_registry_name_and_tag_all_count(tmp_path: Path, client: Client) -> None:
    references = ["quay.io/x/a:v1", "b:v1", "x/c:v1"]
    (tmp_path / "served" / "all.tar").symlink_to(build(tmp_path, "all", references, "x"))
    there = ["x/a/manifests/v1?ns=quay.io", "library/b/manifests/v1?ns=docker.io", "x/c/manifests/v1"]
    assert [client.ask(f"/v2/{path}")[0] for path in there] == [200, 200, 200]
    missing = ["x/a/manifests/v2?ns=quay.io", "x/a/manifests/v1?ns=ghcr.io", "x/a/blobs/sha256:00", "x"]
    answers = [client.ask(f"/v2/{path}") for path in missing]
    assert [status for status, _, _ in answers] == [404] * 4
    assert json.loads(answers[0][1])["errors"][0]["code"] == "NOT_FOUND"


def test_an_archive_that_comes_later_or_is_another_one_is_served(tmp_path: Path, client: Client) -> None:
    link = tmp_path / "served" / "agent.tar"
    assert client.ask("/v2/x/agent/manifests/v1?ns=quay.io")[0] == 404
    link.symlink_to(build(tmp_path, "old", ["quay.io/x/agent:v1"], "old"))
    old = client.ask("/v2/x/agent/manifests/v1?ns=quay.io")[1]
    link.unlink()
    link.symlink_to(build(tmp_path, "new", ["quay.io/x/agent:v1"], "new"))
    new = client.ask("/v2/x/agent/manifests/v1?ns=quay.io")[1]
    assert json.loads(old)["layers"] != json.loads(new)["layers"]


def test_only_what_a_plan_names_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {"one": frozenset({"quay.io/x/a:v1", "quay.io/x/b:v1"}), "two": frozenset({"quay.io/x/c:v1"})}
    monkeypatch.setattr(engine, "EXTRAS", rows)
    assert engine.extras(["quay.io/x/b:v1", "elsewhere:v1"]) == ["one"]
    assert engine.extras(["quay.io/x/b:v1", "quay.io/x/c:v1"]) == ["one", "two"]
    assert engine.extras([]) == []


def test_the_node_image_asks_the_port_at_which_the_registry_answers() -> None:
    entrypoint = (engine.PACKAGE / "src/node/entrypoint").read_text()
    assert f'http://%s:{engine.REGISTRY_PORT}"' in entrypoint
