"""`up` of many Services against kubectl, on one API server: the real one on loopback, where airgap has built it.

Of `netspec up` this is what a process with the plan does: start, look for what was changed, apply. Docker and kind are
the stand-ins of tests/engine; Pulumi, its plugin, kubectl, the API server and etcd are real, or what airgap builds.
"""

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.timing import Measured, python, row, seconds

ROOT = Path(__file__).resolve().parents[1]
SERVICES = 500


def services(prefix: str, count: int) -> list[dict[str, Any]]:
    ports = [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}]
    spec = {"selector": {"app": "x"}, "ports": ports}
    names = [{"name": f"{prefix}{i}", "namespace": "default", "labels": {"app": "x"}} for i in range(count)]
    return [{"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec} for meta in names]


def up(prefix: str, count: int) -> Mapping[str, int]:
    """What a process of its own does (`python -m bench.apply PREFIX COUNT`); returns the changes."""
    from netspec import toolchain
    from netspec.deploy.cluster import TOKEN
    from netspec.deploy.session import Session
    from netspec.plan import CLUSTER, ManifestNode, Plan, ResourceNode, manifest_id, order

    toolchain.activate()
    properties = {
        **{"name": "bench", "image": "image", "config": {"nodes": [{"role": "control-plane"}]}, "immutable": {}},
        **{"network": "bench", "networkCidr": "10.99.0.0/24", "outsideName": "bench-outside", "outsideImage": "image"},
    }
    cluster = ResourceNode(CLUSTER, TOKEN, properties, secrets=("kubeconfig",), found_again=True)
    objects = [ManifestNode(manifest_id(manifest), manifest, (CLUSTER,)) for manifest in services(prefix, count)]
    plan = Plan("bench", "dev", order([cluster, *objects]))
    return Session("dev", None, lambda _: None).up(plan, lambda _: None, lambda _: None).changes


def _world(folder: Path, kubeconfig: Path, kubectl: Path) -> dict[str, str]:
    """A project of its own, and the environment of a process that works on it."""
    project, state, programs = folder / "project", folder / "fake", folder / "bin"
    for path in (project / "stacks", state, programs):
        path.mkdir(parents=True)
    for name in ("docker", "kind"):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -ISE {ROOT}/tests/engine/fakes.py {name} "$@"\n')
        program.chmod(0o755)
    (project / "Pulumi.yaml").write_text("name: bench\nruntime: python\nstackConfigDir: stacks\n")
    (state / "kubeconfig").write_text(kubeconfig.read_text())
    given = {k: v for k, v in os.environ.items() if not k.startswith(("PULUMI_", "DOCKER_", "KUBECONFIG"))}
    return given | {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "FAKE_STATE": str(state),
        "NETSPEC_PROJECT": str(project),
        "NETSPEC_ENGINE": "docker",
        "NETSPEC_KUBECTL": str(kubectl),
        "PULUMI_HOME": str(folder / "home"),
        "PYTHONPATH": str(ROOT),
    }


def main() -> None:
    from tests.engine import kubernetes

    try:
        kubectl = kubernetes.programs()["kubectl"]
    except kubernetes.Unavailable as reason:
        print(f"up against kubectl: not measured: {reason}")
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "api").mkdir()
        with kubernetes.serving(folder / "api") as kubeconfig:
            _measure(folder, kubeconfig, kubectl)


def _measure(folder: Path, kubeconfig: Path, kubectl: Path) -> None:
    env = _world(folder / "world", kubeconfig, kubectl)

    def netspec(prefix: str, count: int = SERVICES) -> float:
        return seconds(python("-m", "bench.apply", prefix, str(count)), env)

    def kubectl_does(prefix: str, *words: str) -> float:
        file = folder / f"{prefix}.json"
        file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": services(prefix, SERVICES)}))
        return seconds([str(kubectl), f"--kubeconfig={kubeconfig}", *words, "--filename", str(file)])

    netspec("n", 1)  # the stack, and what Pulumi and Python keep from then on
    apply = ("apply", "--server-side")
    made, unchanged, deleted = (kubectl_does("k", *words) for words in (apply, apply, ("delete",)))
    _print(f"up makes {SERVICES} Services", netspec("n"), "kubectl apply --server-side", made)
    _print(f"up of {SERVICES} Services, unchanged", netspec("n"), "the same kubectl again", unchanged)
    _print(f"up makes {SERVICES} and deletes {SERVICES}", netspec("m"), "kubectl apply and delete", made + deleted)


def _print(name: str, subject: float, against: str, baseline: float) -> None:
    print(row(name, against, Measured(subject, baseline, subject / baseline)), flush=True)


if __name__ == "__main__":
    if sys.argv[1:]:
        print(dict(up(sys.argv[1], int(sys.argv[2]))))
    else:
        main()
