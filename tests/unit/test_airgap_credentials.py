"""The stand-in for the kubernetes plugin sends whatever credential a kubeconfig gives, also what a command prints."""

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from airgap.standin.kubernetes_standin.cluster import Cluster

SAID = {"apiVersion": "client.authentication.k8s.io/v1beta1", "kind": "ExecCredential", "status": {"token": "said"}}


@pytest.fixture
def server() -> Iterator[tuple[str, list[str | None]]]:
    """Its address, and the Authorization header of each request."""
    seen: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers["Authorization"])
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{listening.server_address[1]}", seen
    listening.shutdown()
    listening.server_close()


def _kubeconfig(server: str, user: dict[str, Any]) -> str:
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "a", "cluster": {"server": server}}],
            "users": [{"name": "a", "user": user}],
            "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
            "current-context": "a",
        },
        indent=1,
    )


def test_credentials(server: tuple[str, list[str | None]], tmp_path: Path) -> None:
    address, seen = server
    program = tmp_path / "say"
    program.write_text(f"#!{sys.executable}\nprint({json.dumps(SAID)!r})\n")
    program.chmod(0o755)
    said = {"apiVersion": SAID["apiVersion"], "command": str(program), "interactiveMode": "Never"}
    for user in ({"token": "given"}, {"exec": said}, {"username": "a", "password": "b"}):
        Cluster({"kubeconfig": _kubeconfig(address, user)}).call("GET", "/version")
    assert seen == ["Bearer given", "Bearer said", "Basic YTpi"]
