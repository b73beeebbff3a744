"""A Kubernetes API server on loopback, the real one: etcd, kube-apiserver and the controllers that deletion needs."""

import base64
import contextlib
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from netspec.catalogue import CILIUM
from netspec.toolchain import programs as toolchain

TOKEN = "not-so-secret-client-key"
#: Seconds until it must answer.
PATIENCE = 60


class Unavailable(Exception):
    """Its programs are not built."""


def programs() -> dict[str, Path]:
    """etcd, kube-apiserver, kube-controller-manager and kubectl, as airgap builds them. Raises `Unavailable`."""
    from airgap import build
    from airgap.errors import AirgapError

    try:
        found = {"etcd": build.bin_dir("etcd"), "kubectl": build.bin_dir("kubectl")}
        found |= dict.fromkeys(("kube-apiserver", "kube-controller-manager"), build.bin_dir("kubernetes"))
    except AirgapError as error:
        raise Unavailable(error.message) from error
    return {name: folder / name for name, folder in found.items()}


def _port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


#: What counts in the status of one that is ready.
READY = {
    "deployments": ("replicas", "readyReplicas", "availableReplicas", "updatedReplicas"),
    "daemonsets": (
        *("desiredNumberScheduled", "currentNumberScheduled", "updatedNumberScheduled"),
        *("numberReady", "numberAvailable"),
    ),
}


class Server:
    """A real API server. Somebody makes every Deployment and DaemonSet on it ready."""

    def __init__(self, kubeconfig: Path) -> None:
        self.path, self.kubeconfig = kubeconfig, kubeconfig.read_text()
        self._server = json.loads(self.kubeconfig)["clusters"][0]["cluster"]["server"]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._make_ready)
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        self._thread.join()

    def kubectl(self, *words: str) -> str:
        done = toolchain.kubectl(self.path, *words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def records(self) -> list[tuple[str, str]]:
        """Revision and status of the release, by helm's records."""
        found = json.loads(self.kubectl("get", "secrets", "-n", "kube-system", "-l", "owner=helm", "-o", "json"))
        labels = [item["metadata"]["labels"] for item in found["items"]]
        return sorted((of["version"], of["status"]) for of in labels)

    def config(self) -> dict[str, str]:
        found = json.loads(self.kubectl("get", "configmap", "cilium-config", "-n", "kube-system", "-o", "json"))
        return dict(found["data"])

    def wipe(self) -> None:
        self.kubectl("delete", "secrets", "-n", "kube-system", "-l", "owner=helm")
        self.kubectl("delete", "configmaps,jobs", "-n", "kube-system", "--all", "--cascade=background")

    def _make_ready(self) -> None:
        while not self._over.wait(0.3):
            for resource, counts in READY.items():
                for item in self.ask("GET", f"/apis/apps/v1/{resource}")["items"]:
                    meta = item["metadata"]
                    status = dict.fromkeys(counts, item["spec"].get("replicas", 1))
                    status["observedGeneration"] = meta["generation"]
                    if {**(item.get("status") or {}), **status} != item.get("status"):
                        path = f"/apis/apps/v1/namespaces/{meta['namespace']}/{resource}/{meta['name']}/status"
                        self.ask("PATCH", path, {"status": status})

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": kind}
        data = json.dumps(body).encode() if body else None
        request = urllib.request.Request(f"{self._server}{path}", data, headers, method=method)
        context = ssl._create_unverified_context()
        with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=10, context=context) as answer:
            return json.loads(answer.read())
        return {"items": []}


#: Every request, with who asked and what was answered.
AUDIT = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata}]
"""


def audited(folder: Path) -> list[dict[str, Any]]:
    """What was asked of the server whose files are in `folder`, as its audit log has it."""
    return [json.loads(line) for line in (folder / "audit.log").read_text().splitlines()]


@contextlib.contextmanager
def serving(folder: Path, webhook: str = "") -> Iterator[Path]:
    """An empty cluster without nodes, its files in `folder`; yields the kubeconfig of its administrator. `webhook`: the
    URL that says who a token is of (TokenReview); who comes in by that may do what RBAC lets him, and all is audited.
    """
    found = programs()
    client, peer, secure = _port(), _port(), _port()
    key, kubeconfig = folder / "sa.key", folder / "kubeconfig"
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    (folder / "tokens").write_text(f"{TOKEN},admin,1,system:masters\n")
    server = {"server": f"https://127.0.0.1:{secure}", "insecure-skip-tls-verify": True}
    kubeconfig.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "real", "cluster": server}],
                "users": [{"name": "real", "user": {"token": TOKEN}}],
                "contexts": [{"name": "real", "context": {"cluster": "real", "user": "real"}}],
                "current-context": "real",
            }
        )
    )
    who = ["--authorization-mode=AlwaysAllow"]
    if webhook:
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "who", "cluster": {"server": webhook}}],
            "users": [{"name": "who", "user": {}}],
            "contexts": [{"name": "who", "context": {"cluster": "who", "user": "who"}}],
            "current-context": "who",
        }
        (folder / "webhook").write_text(json.dumps(config))
        (folder / "audit").write_text(AUDIT)
        who = ["--authorization-mode=RBAC", "--authentication-token-webhook-version=v1"]
        who += [f"--authentication-token-webhook-config-file={folder / 'webhook'}"]
        who += ["--authentication-token-webhook-cache-ttl=0"]
        who += [f"--audit-policy-file={folder / 'audit'}", f"--audit-log-path={folder / 'audit.log'}"]
    clients, peers = f"http://127.0.0.1:{client}", f"http://127.0.0.1:{peer}"
    commands = {
        "etcd": [
            *(f"--data-dir={folder / 'etcd'}", f"--listen-client-urls={clients}", f"--advertise-client-urls={clients}"),
            *(f"--listen-peer-urls={peers}", f"--initial-advertise-peer-urls={peers}"),
            f"--initial-cluster=default={peers}",
        ],
        "kube-apiserver": [
            *(f"--etcd-servers={clients}", f"--secure-port={secure}", f"--cert-dir={folder / 'certificates'}"),
            *("--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--service-cluster-ip-range=10.96.0.0/16"),
            "--allow-privileged=true",  # as kubeadm has it
            *(f"--token-auth-file={folder / 'tokens'}", *who),
            *("--service-account-issuer=https://netspec", f"--service-account-key-file={key}"),
            *(f"--service-account-signing-key-file={key}", "--disable-admission-plugins=ServiceAccount"),
        ],
        "kube-controller-manager": [
            *(f"--kubeconfig={kubeconfig}", "--leader-elect=false", "--secure-port=0"),
            *(f"--cert-dir={folder}", "--controllers=garbage-collector-controller,namespace-controller"),
        ],
    }
    with contextlib.ExitStack() as stack:
        for name, words in commands.items():
            log = stack.enter_context((folder / f"{name}.log").open("w"))
            process = subprocess.Popen([found[name], *words], stdout=log, stderr=subprocess.STDOUT, cwd=folder)
            stack.callback(process.wait)
            stack.callback(process.kill)
            if name == "kube-apiserver":
                _wait(found["kubectl"], kubeconfig)
        yield kubeconfig


def authority(folder: Path) -> str:
    """The certificate that such a server shows, as a kubeconfig has it."""
    return base64.b64encode((folder / "certificates" / "apiserver.crt").read_bytes()).decode()


def write_chart(charts: Path, name: str = "cilium", version: str = CILIUM.official, **templates: str) -> None:
    """A small chart that goes by the name and version of a real one."""
    chart = charts / f"{name}-{version}"
    shutil.rmtree(chart, ignore_errors=True)
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text(f"apiVersion: v2\nname: {name}\nversion: {version}\n")
    for template, text in templates.items():
        (chart / "templates" / f"{template}.yaml").write_text(text)


def _wait(kubectl: Path, kubeconfig: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    asked = [str(kubectl), f"--kubeconfig={kubeconfig}", "get", "--raw", "/readyz"]
    while subprocess.run(asked, capture_output=True, check=False).returncode:
        assert time.monotonic() < deadline, "the API server does not answer"
        time.sleep(0.2)
