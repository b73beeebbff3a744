"""A cluster as somebody makes it by hand: kind's own defaults, Calico by kubectl, and pods of theirs. Nothing of it
comes from a plan of netspec's.

Two things are not kind's defaults: its CNI, which only its own node image has, and the tag of CoreDNS, which the node
image of `airgap/` has in the version that netspec installs.
"""

import hashlib
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from netspec.catalogue import IMAGES
from netspec.deploy.kind import merged
from netspec.toolchain import kind_overrides
from netspec.verify.access import Access

NAME = "handmade"
#: Of the cluster that somebody made: where their things are. In `SHARED` the stack has things of its own too.
SHARED, THEIRS = "shop", "theirs"
#: kind's own container network: it is removed with the cluster.
_NETWORK = "kind"
#: Seconds: for kind, and for what is applied to be ready.
_KIND_LIMIT, _READY = 600, 400
#: What a cluster keeps changing by itself: its log, who leads, who has which address.
_FLEETING = ("events", "events.events.k8s.io", "leases.coordination.k8s.io", "ipamblocks.crd.projectcalico.org")
_FLEETING += ("ipamhandles.crd.projectcalico.org", "blockaffinities.crd.projectcalico.org", "componentstatuses")

Object = dict[str, Any]


def _config() -> Object:
    repository, _, tag = IMAGES["coredns"].rpartition(":")
    dns = {"imageRepository": repository.rpartition("/")[0], "imageTag": tag}
    own = {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "networking": {"disableDefaultCNI": True},
        "nodes": [{"role": "control-plane"}, {"role": "worker"}],
        "kubeadmConfigPatches": [json.dumps({"kind": "ClusterConfiguration", "dns": dns})],
    }
    return merged(own, kind_overrides())


@contextmanager
def made(kubeconfig: Path) -> Iterator[Access]:
    """The cluster, and its kubeconfig in this file; gone afterwards."""
    create = ["kind", "create", "cluster", "--name", NAME, "--image", IMAGES["node"], "--kubeconfig", str(kubeconfig)]
    _gone()
    try:
        _run([*create, "--wait", "0s", "--config", "-"], stdin=json.dumps(_config()), limit=_KIND_LIMIT)
        yield Access(kubeconfig)
    finally:
        _gone()


def _gone() -> None:
    """Whatever there is of it, an earlier run's too."""
    _run(["kind", "delete", "cluster", "--name", NAME, "--kubeconfig", "/dev/null"], limit=120)
    subprocess.run(["docker", "network", "rm", _NETWORK], capture_output=True, timeout=60, check=False)


def _run(command: list[str], stdin: str = "", limit: float = 60) -> str:
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=limit, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
    return done.stdout


# Calico, as its documentation has it: the operator, with all rights, and an Installation


def _operator() -> list[Object]:
    name = "tigera-operator"
    account = {"kind": "ServiceAccount", "name": name, "namespace": name}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}

    def container(step: str, argument: str) -> Object:
        env = [{"name": "WATCH_NAMESPACE", "value": ""}, {"name": "OPERATOR_NAME", "value": name}]
        env.append({"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}})
        return {"name": step, "image": IMAGES["tigera-operator"], "args": [argument], "env": env}

    pod = {
        "serviceAccountName": name,
        "hostNetwork": True,
        "tolerations": [{"operator": "Exists"}],
        "initContainers": [container("crds", "-bootstrap-crds=true")],
        "containers": [container(name, "-manage-crds=true")],
    }
    return [
        _object("v1", "Namespace", name, labels={"name": name}),
        _object("v1", "ServiceAccount", name, name),
        _object("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", name, subjects=[account], roleRef=role),
        _deployment(name, name, 1, pod),
    ]


def _installation() -> Object:
    pool = {"cidr": "10.244.0.0/16", "encapsulation": "VXLAN"}
    spec = {
        "flexVolumePath": "None",
        "kubeletVolumePluginPath": "None",
        "calicoNetwork": {"bgp": "Disabled", "ipPools": [pool]},
    }
    return _object("operator.tigera.io/v1", "Installation", "default", spec=spec)


def with_calico(access: Access) -> None:
    """Until every node is ready, and every pod of the system."""
    apply(access, *_operator())
    _wait(access, "deployment/tigera-operator", "Available", "-n", "tigera-operator")
    _wait(access, "crd/installations.operator.tigera.io", "Established")
    apply(access, _installation())
    # The operator makes it when it begins with the Installation.
    _wait(access, "tigerastatus/calico", "create")
    _wait(access, "tigerastatus/calico", "Available")
    _wait(access, "nodes", "Ready", "--all")
    _wait(access, "deployment/coredns", "Available", "-n", "kube-system")
    _wait(access, "pods", "Ready", "--all", "-A")


# What else somebody has on it


def with_things(access: Access) -> None:
    """A namespace that the stack knows nothing of, and one that it shares, whose pods its spec is about."""
    apply(access, *(_object("v1", "Namespace", name, labels={"owner": "somebody"}) for name in (THEIRS, SHARED)))
    serve = {"name": "serve", "image": IMAGES["agnhost"], "args": ["netexec", "--http-port=5432", "--udp-port=-1"]}
    pod = {"containers": [serve], "terminationGracePeriodSeconds": 1}
    port = {"name": "sql", "port": 5432}
    closed = {"podSelector": {}, "policyTypes": ["Egress"]}
    apply(
        access,
        _deployment("db", SHARED, 1, pod),
        _object("v1", "ConfigMap", "settings", SHARED, data={"a": "b"}),
        _deployment("keep", THEIRS, 2, pod),
        _object("v1", "Service", "keep", THEIRS, spec={"selector": {"app": "keep"}, "ports": [port]}),
        _object("networking.k8s.io/v1", "NetworkPolicy", "closed", THEIRS, spec=closed),
    )
    for namespace in (SHARED, THEIRS):
        _wait(access, "deployments", "Available", "--all", "-n", namespace)


def _object(version: str, kind: str, name: str, namespace: str = "", **rest: Any) -> Object:
    meta: Object = {"name": name} | ({"namespace": namespace} if namespace else {})
    if "labels" in rest:
        meta["labels"] = rest.pop("labels")
    return {"apiVersion": version, "kind": kind, "metadata": meta, **rest}


def _deployment(name: str, namespace: str, replicas: int, pod: Object) -> Object:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": pod}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return _object("apps/v1", "Deployment", name, namespace, spec=spec)


def apply(access: Access, *things: Object) -> None:
    kubectl(access, "apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(things)}))


def _wait(access: Access, what: str, condition: str, *where: str) -> None:
    until = condition if condition in ("create", "delete") else f"condition={condition}"
    kubectl(access, "wait", what, f"--for={until}", f"--timeout={_READY}s", *where, limit=_READY + 10)


def kubectl(access: Access, *words: str, stdin: str = "", limit: float = 60) -> str:
    done = access.kubectl(*words, stdin=stdin, limit=limit)
    assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr}"
    return done.stdout


# Whether all is as it was


def listed(access: Access) -> dict[str, str]:
    """Everything on the cluster -> what is its maker's: the identity, the labels and annotations, and all but the
    status. Of a pod it does not say which ephemeral containers it has: those by which netspec asks stay with it."""
    kinds = kubectl(access, "api-resources", "--verbs=list", "-o", "name").split()
    kinds = [kind for kind in kinds if kind not in _FLEETING and not kind.endswith("metrics.k8s.io")]
    items = json.loads(kubectl(access, "get", ",".join(kinds), "-A", "-o", "json", limit=120))["items"]
    return {_name(item): _digest(item) for item in items}


def _name(item: Object) -> str:
    meta = item["metadata"]
    return f"{item['kind']}.{item['apiVersion']} {meta.get('namespace', '')}/{meta['name']}"


def _digest(item: Object) -> str:
    meta = {key: item["metadata"].get(key) for key in ("uid", "labels", "annotations", "ownerReferences", "finalizers")}
    body = {key: value for key, value in item.items() if key not in ("metadata", "status")}
    if item["kind"] == "Pod":
        body["spec"] = {key: value for key, value in body["spec"].items() if key != "ephemeralContainers"}
    text = json.dumps([meta, body], sort_keys=True)
    return f"{hashlib.sha256(text.encode()).hexdigest()[:12]} {meta['labels']} {meta['annotations']}"
