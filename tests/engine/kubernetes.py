"""A Kubernetes API server on loopback, the real one: etcd, kube-apiserver and the controllers that deletion needs."""

import contextlib
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

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


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Path]:
    """An empty cluster without nodes, its files in `folder`; yields the kubeconfig of its administrator."""
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
            *(f"--token-auth-file={folder / 'tokens'}", "--authorization-mode=AlwaysAllow"),
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


def _wait(kubectl: Path, kubeconfig: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    asked = [str(kubectl), f"--kubeconfig={kubeconfig}", "get", "--raw", "/readyz"]
    while subprocess.run(asked, capture_output=True, check=False).returncode:
        assert time.monotonic() < deadline, "the API server does not answer"
        time.sleep(0.2)
