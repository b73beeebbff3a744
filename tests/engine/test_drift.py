"""Setting back in a real API server: what server-side apply alone would leave, or would not do."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netspec.deploy import drift
from netspec.toolchain import programs
from tests.engine import kubernetes

pytestmark = pytest.mark.engine

MANAGER = "pulumi-kubernetes-1a2b3c4d"


class Cluster:
    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig

    def kubectl(self, *words: str, stdin: str = "") -> str:
        done = programs.kubectl(self.kubeconfig, *words, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def get(self, kind: str, name: str, *words: str) -> dict[str, Any]:
        return dict(json.loads(self.kubectl("get", kind, name, "--output=json", *words)))

    def apply(self, manifest: dict[str, Any]) -> drift.Kept:
        """As the plugin does."""
        words = ("apply", "--server-side", "--force-conflicts", f"--field-manager={MANAGER}", "--output=json")
        left = json.loads(self.kubectl(*words, "--filename=-", stdin=json.dumps(manifest)))
        meta = manifest["metadata"]
        return drift.Kept(f"urn::{manifest['kind'].lower()}:default/{meta['name']}", manifest, left)

    def look(self, *kept: drift.Kept) -> list[drift.Difference]:
        found = drift.look(self.kubeconfig, kept)
        assert found is not None
        return found


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    try:
        kubectl = kubernetes.programs()["kubectl"]
    except kubernetes.Unavailable as reason:
        pytest.skip(f"not run: {reason}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(kubectl.parent), prepend=":")
        patch.setenv("KUBECACHEDIR", str(tmp_path_factory.mktemp("cache")))
        with kubernetes.serving(tmp_path_factory.mktemp("api")) as kubeconfig:
            yield Cluster(kubeconfig)


def service(name: str, port: int = 80) -> dict[str, Any]:
    ports = [{"name": "http", "port": port, "targetPort": 8080}]
    meta = {"name": name, "namespace": "default", "labels": {"app": name}}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta,
        "spec": {"selector": {"app": name}, "ports": ports},
    }


#: What somebody does to a Service (JSON patch), and what is said of it.
CHANGES = {
    "port": ([{"op": "replace", "path": "/spec/ports/0/port", "value": 81}], "spec.ports[0].port 81 -> 80"),
    "more": ([{"op": "add", "path": "/spec/ports/-", "value": {"name": "b", "port": 9}}], "spec.ports 2 entries -> 1"),
    "type": ([{"op": "replace", "path": "/spec/type", "value": "NodePort"}], 'spec.type "NodePort" -> "ClusterIP"'),
    "outside": ([{"op": "add", "path": "/spec/externalIPs", "value": ["192.0.2.1"]}], "spec.externalIPs"),
    "selector": ([{"op": "add", "path": "/spec/selector/b", "value": "c"}], "spec.selector.b"),
    "label": ([{"op": "remove", "path": "/metadata/labels/app"}], "metadata.labels"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_service_is_as_it_was_and_the_next_apply_owns_it(cluster: Cluster, name: str) -> None:
    """The second apply is the proof: fields that others owned would stay, and a second port of one name is refused."""
    patch, said = CHANGES[name]
    kept = cluster.apply(service(name))
    assert cluster.look(kept) == []
    cluster.kubectl("patch", "service", name, "--type=json", "--patch", json.dumps(patch))
    [found] = cluster.look(kept)
    assert any(change.startswith(said) for change in found.changes), found.changes

    assert drift.set_back(cluster.kubeconfig, [found]) == []
    assert cluster.get("service", name)["spec"] == kept.left["spec"]
    assert cluster.look(kept) == []
    owners = cluster.get("service", name, "--show-managed-fields")["metadata"]["managedFields"]
    assert drift.MANAGER not in {owner["manager"] for owner in owners}

    cluster.apply(service(name, port=8080))
    assert [port["port"] for port in cluster.get("service", name)["spec"]["ports"]] == [8080]


def test_an_added_rule_is_taken_out_of_a_denial(cluster: Cluster) -> None:
    meta = {"name": "deny", "namespace": "default"}
    spec = {"podSelector": {}, "policyTypes": ["Ingress"]}
    kept = cluster.apply(
        {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta, "spec": spec}
    )
    opened = json.dumps([{"op": "add", "path": "/spec/ingress", "value": [{}]}])
    cluster.kubectl("patch", "networkpolicy", "deny", "--type=json", "--patch", opened)
    found = cluster.look(kept)
    assert [d.changes for d in found] == [("spec.ingress [{}] -> nothing",)]
    assert drift.set_back(cluster.kubeconfig, found) == []
    assert cluster.get("networkpolicy", "deny")["spec"] == kept.left["spec"]


def test_what_is_gone_or_of_a_kind_that_is_gone_is_for_pulumi(cluster: Cluster) -> None:
    kept = cluster.apply(service("gone"))
    unserved = drift.Kept("urn::x", {"apiVersion": "x.example/v1", "kind": "X", "metadata": {"name": "x"}}, {})
    cluster.kubectl("delete", "service", "gone")
    found = cluster.look(kept, unserved)
    assert [d.changes for d in found] == [("was deleted",)] * 2
    assert drift.set_back(cluster.kubeconfig, found) == found


def test_what_cannot_be_set_back_is_for_pulumi(cluster: Cluster) -> None:
    kept = cluster.apply(service("stuck"))
    cluster.kubectl("label", "service", "stuck", "app=other", "--overwrite")
    [found] = cluster.look(kept)
    broken = drift.Difference(kept, found.changes, ({"op": "replace", "path": "/spec/ports/0/port", "value": -1},))
    assert drift.set_back(cluster.kubeconfig, [broken]) == [broken]


def test_a_cluster_that_does_not_answer_says_nothing(cluster: Cluster, tmp_path: Path) -> None:
    other = tmp_path / "kubeconfig"
    text = json.loads(cluster.kubeconfig.read_text())
    text["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"
    other.write_text(json.dumps(text))
    assert drift.look(other, [cluster.apply(service("there"))]) is None


def test_the_plugin_sends_the_token_of_a_kubeconfig(cluster: Cluster) -> None:
    script = (
        "import sys; from airgap.standin.kubernetes_standin.cluster import Cluster; "
        "print(Cluster({'kubeconfig': open(sys.argv[1]).read()}).call('GET', '/api/v1/namespaces/default')['kind'])"
    )
    command = [sys.executable, "-W", "ignore", "-c", script, str(cluster.kubeconfig)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "Namespace\n", done.stderr
