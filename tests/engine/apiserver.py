"""An API server in memory: discovery, server-side apply, get and delete, enough for the kubernetes plugin."""

import copy
import json
import threading
import uuid
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

#: group/version -> kinds; those in CLUSTER_SCOPED have no namespace.
KINDS = {
    "v1": ("Namespace", "ConfigMap", "Secret", "Service", "ServiceAccount"),
    "apps/v1": ("Deployment",),
    "networking.k8s.io/v1": ("NetworkPolicy",),
    "rbac.authorization.k8s.io/v1": ("ClusterRole", "ClusterRoleBinding"),
    "crd.projectcalico.org/v1": ("FelixConfiguration",),
    "operator.tigera.io/v1": ("Installation",),
    "crd.k8s.amazonaws.com/v1alpha1": ("ENIConfig",),
}
CLUSTER_SCOPED = ("Namespace", "ClusterRole", "ClusterRoleBinding", "FelixConfiguration", "Installation", "ENIConfig")


def resources(version: str) -> list[dict[str, Any]]:
    """The discovery document's list for a group and version."""
    return [{"name": plural(kind), "kind": kind, "namespaced": kind not in CLUSTER_SCOPED} for kind in KINDS[version]]


def plural(kind: str) -> str:
    """
    >>> plural("NetworkPolicy"), plural("Service")
    ('networkpolicies', 'services')
    """
    return f"{kind.lower()[:-1]}ies" if kind.endswith("y") else f"{kind.lower()}s"


class ApiServer:
    """`requests` lists "METHOD path" of every write; `objects` what is there, by path. `lets_in` judges tokens."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.requests: list[str] = []
        self._writes = 0
        self.lets_in: Callable[[str], bool] = lambda token: True
        #: How many writes are being held back.
        self.held = 0
        self._hold, self._after, self._released = "", False, threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def kubeconfig(self) -> str:
        cluster = {"name": "fake", "cluster": {"server": f"http://127.0.0.1:{self._server.server_address[1]}"}}
        user = {"name": "fake", "user": {"token": "not-so-secret-client-key"}}
        context = {"name": "fake", "context": {"cluster": "fake", "user": "fake"}}
        return json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [cluster],
                "users": [user],
                "contexts": [context],
                "current-context": "fake",
            },
            indent=1,
        )

    def wipe(self) -> None:
        """As a new cluster: nothing is there, nothing was asked."""
        self.objects.clear()
        self.requests.clear()

    def hold(self, part: str, after: bool = False) -> None:
        """Answer no write to a path that contains `part`, until `release`; `after`: it is done, but not answered."""
        self._hold, self._after = part, after
        self._released.clear()

    def release(self) -> None:
        self._hold = ""
        self._released.set()

    def pause(self, path: str, is_done: bool) -> None:
        if self._hold and self._hold in path and is_done == self._after:
            self.held += 1
            self._released.wait(600)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def apply(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        old = self.objects.get(path, {"metadata": {"uid": str(uuid.uuid4())}})
        self._writes += 1
        own = {"uid": old["metadata"]["uid"], "generation": 1, "resourceVersion": str(self._writes)}
        metadata = {**body["metadata"], **own}
        replicas = body.get("spec", {}).get("replicas", 1) if body["kind"] == "Deployment" else 0
        status = {
            "observedGeneration": 1,
            **dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas"), replicas),
        }
        return {**body, "metadata": metadata, "status": status}

    def change(self, path: str, change: Callable[[dict[str, Any]], None]) -> None:
        """As somebody else does."""
        changed = copy.deepcopy(self.objects[path])
        change(changed)
        self._writes += 1
        changed["metadata"]["resourceVersion"] = str(self._writes)
        self.objects[path] = changed

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def parse_request(self) -> bool:
                """A stranger is told so, whatever is asked."""
                if not super().parse_request():
                    return False
                token = (self.headers["Authorization"] or "").removeprefix("Bearer ")
                if self.path == "/objects" or server.lets_in(token):
                    return True
                self.rfile.read(int(self.headers["Content-Length"] or 0))
                self._answer(401, {"kind": "Status", "message": "Unauthorized", "code": 401})
                return False

            def do_GET(self) -> None:
                path = urlsplit(self.path).path
                version = path.removeprefix("/apis/").removeprefix("/api/")
                if path == "/objects":  # not Kubernetes': for the stand-in of kubectl
                    self._answer(200, {"items": list(server.objects.values())})
                elif version in KINDS:
                    self._answer(200, {"resources": resources(version)})
                elif path in server.objects:
                    self._answer(200, server.objects[path])
                else:
                    self._missing()

            def do_PATCH(self) -> None:
                split = urlsplit(self.path)
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                server.pause(split.path, is_done=False)
                made = server.apply(split.path, body)
                if "dryRun" not in parse_qs(split.query):
                    server.requests.append(f"PATCH {split.path}")
                    server.objects[split.path] = made
                server.pause(split.path, is_done=True)
                self._answer(200, made)

            def do_DELETE(self) -> None:
                path = urlsplit(self.path).path
                server.requests.append(f"DELETE {path}")
                if server.objects.pop(path, None) is None:
                    self._missing()
                else:
                    self._answer(200, {"kind": "Status", "status": "Success"})

            def _missing(self) -> None:
                self._answer(404, {"kind": "Status", "message": f"{self.path} not found", "code": 404})

            def _answer(self, status: int, body: dict[str, Any]) -> None:
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing."""

        return Handler
