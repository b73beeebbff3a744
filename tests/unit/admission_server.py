"""Run in a network namespace of its own: etcd and an API server on `lo`. Reads policies and pods as JSON from standard
input, applies them, and prints of each pod what became of its DNS settings. What it started ends with its namespace."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PATIENCE = 280
ETCD, PEERS = "http://127.0.0.1:2379", "http://127.0.0.1:2380"


def main(plan: dict[str, Any]) -> dict[str, Any]:
    folder, programs = Path(plan["folder"]), plan["programs"]
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["ip", "address", "add", "10.200.0.1/32", "dev", "lo"], check=True)
    key = folder / "sa.key"
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    (folder / "tokens").write_text('token,admin,1,"system:masters"\n')
    urls = ["--listen-client-urls", ETCD, "--advertise-client-urls", ETCD, "--listen-peer-urls", PEERS]
    start(folder, "etcd", programs["etcd"], "--data-dir", str(folder / "etcd"), "--unsafe-no-fsync", *urls)
    start(
        folder,
        "apiserver",
        programs["kube-apiserver"],
        *("--etcd-servers", ETCD, "--cert-dir", str(folder / "certs"), "--bind-address=127.0.0.1"),
        *("--secure-port=6443", "--advertise-address=10.200.0.1", "--service-cluster-ip-range=10.96.0.0/16"),
        *("--service-account-issuer=https://kubernetes.default.svc", f"--service-account-signing-key-file={key}"),
        *(f"--service-account-key-file={key}", f"--token-auth-file={folder / 'tokens'}"),
        *("--authorization-mode=AlwaysAllow", "--disable-admission-plugins=ServiceAccount"),
        # As kind is told in the plan.
        "--feature-gates=MutatingAdmissionPolicy=true",
        "--runtime-config=admissionregistration.k8s.io/v1beta1=true",
    )

    def kubectl(*words: str, stdin: str = "") -> str:
        reach = ["--server=https://127.0.0.1:6443", "--insecure-skip-tls-verify", "--token=token"]
        done = subprocess.run(
            [programs["kubectl"], *reach, *words], input=stdin, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise OSError(done.stderr)
        return done.stdout

    until(folder, lambda: kubectl("get", "--raw=/readyz"))
    kubectl("create", "namespace", "shop")
    for policy in plan["policies"]:
        kubectl("apply", "--server-side", "--validate=strict", "-f", "-", stdin=json.dumps(policy))
    pods = {p["metadata"]["name"]: p for p in plan["pods"]}

    def made() -> dict[str, Any]:
        """What each pod would be; the API server takes up each policy a moment after it has it."""
        out = {}
        for name, pod in pods.items():
            text = kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", stdin=json.dumps(pod))
            spec = json.loads(text)["spec"]
            out[name] = [spec["dnsPolicy"], spec.get("dnsConfig")]
        return out

    def settled() -> dict[str, Any] | None:
        found = made()
        return found if all(found[name][1] for name in plan["awaited"]) else None

    return until(folder, settled)


def start(folder: Path, name: str, *command: str) -> None:
    log = (folder / f"{name}.log").open("wb")
    subprocess.Popen(command, stdout=log, stderr=log)


def until(folder: Path, check: Any) -> Any:
    """What `check` gives, once it gives something."""
    deadline, last = time.monotonic() + PATIENCE, ""
    while time.monotonic() < deadline:
        try:
            if found := check():
                return found
        except OSError as error:
            last = str(error)
        time.sleep(0.5)
    log = (folder / "apiserver.log").read_text(errors="replace")[-2000:]
    raise SystemExit(f"it did not come: {last}\n{log}")


if __name__ == "__main__":
    print(json.dumps(main(json.load(sys.stdin))))
