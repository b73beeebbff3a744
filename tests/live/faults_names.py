"""Faults of Services' fields, records, workloads and resolvers, on the stack `names`."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from faulting import NAME, Expected, created, fault, kept, patched, rolled_out, settled, split, stranger, worker
from live_cluster import Live

from netspec.catalogue import IMAGES
from netspec.ir.dns import KUBE_DNS
from netspec.verify.model import Status

#: Seconds that the cache of a node keeps an answer about the cluster, which CoreDNS says is good for as long.
KEPT = 30


def forgotten(live: Live) -> None:
    """Waits until no cache of a node answers as before."""
    if live.ir.dns.node_local:
        time.sleep(KEPT)


def _service(live: Live, id_: str, change: dict[str, object]) -> Iterator[None]:
    namespace, name = split(id_)
    with kept(live, "service", name, "-n", namespace):
        patched(live, "service", id_, {"spec": change})
        yield


@fault("session affinity off")
def affinity_off(live: Live) -> Iterator[Expected]:
    fact = next(p.id for p in live.probes if p.id.startswith("fact:same-pod-again:"))
    for _ in _service(live, "shop/sticky", {"sessionAffinity": "None", "sessionAffinityConfig": None}):
        yield Expected(["Service shop/sticky is not the spec's", "sessionAffinity"], statuses={fact: Status.WRONG})


@fault("a Service for its own node, open to all nodes")
def internal_local_off(live: Live) -> Iterator[Expected]:
    probe = next(p for p in live.probes if p.id.endswith("shop/near:80/TCP@without-endpoint"))
    for _ in _service(live, "shop/near", {"internalTrafficPolicy": "Cluster"}):
        said = {probe.id: "expected timed-out, saw connected"}
        yield Expected(["Service shop/near is not the spec's", "internalTrafficPolicy"], says=said)


@fault("a record missing: a StatefulSet with fewer pods")
def fewer_stateful_pods(live: Live) -> Iterator[Expected]:
    with kept(live, "statefulset", "postgres", "-n", "data"):
        patched(live, "statefulset", "data/postgres", {"spec": {"replicas": 1}})
        live.kubectl("wait", "--for=delete", "pod/postgres-1", "-n", "data", "--timeout=60s")
        yield Expected(["StatefulSet data/postgres is not the spec's", "replicas is 1, the spec says 2"])
    live.kubectl("rollout", "status", "statefulset/postgres", "-n", "data", "--timeout=120s", limit=130)


@fault("endpoints given by hand, gone")
def given_endpoints_gone(live: Live) -> Iterator[Expected]:
    with kept(live, "endpointslice", "mirrors-given", "-n", "data"):
        live.kubectl("delete", "endpointslice", "mirrors-given", "-n", "data")
        forgotten(live)
        asked = next(p.id for p in live.probes if p.id.endswith(":A:mirrors.data.svc.cluster.local"))
        yield Expected(["Service data/mirrors lacks endpoints that the spec gives it"], statuses={asked: Status.WRONG})


@fault("a name that must not be there: a Service of somebody else's")
def stranger_s_name(live: Live) -> Iterator[Expected]:
    absent = next(p for p in live.probes if p.id.endswith(":A:netspec-nobody.shop.svc.cluster.local"))
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "netspec-nobody", "namespace": "shop"},
        "spec": {"ports": [{"port": 80}]},
    }
    with created(live, service, "service"):
        yield Expected(["netspec-nobody.shop.svc.cluster.local", "which the spec does not have"], only=(absent.id,))


@fault("a pod that must not be ready, ready")
def held_pod_ready(live: Live) -> Iterator[Expected]:
    with kept(live, "deployment", "held", "-n", "shop"):
        remove = [{"op": "remove", "path": "/spec/template/spec/containers/0/readinessProbe"}]
        patched(live, "deployment", "shop/held", remove, "json")
        live.kubectl("rollout", "status", "deployment/held", "-n", "shop", "--timeout=120s", limit=130)
        yield Expected(["shop/held"], statuses={"fact:never-ready:shop/held": Status.WRONG})
    _held_again(live)


def _held_again(live: Live) -> None:
    """Its one pod is there, runs, and is not ready."""
    _wait_for_pods(live, "held", lambda c: "running" in c["state"] and not c["ready"])


def _wait_for_pods(live: Live, app: str, is_so: Callable[[dict[str, Any]], bool]) -> None:
    """Until there is one pod of it, and all its containers are so."""
    for _ in range(60):
        pods = json.loads(live.kubectl("get", "pods", "-n", "shop", "-l", f"app={app}", "-o", "json"))["items"]
        states = [c for pod in pods for c in pod["status"].get("containerStatuses", [])]
        if len(pods) == 1 and states and all(map(is_so, states)):
            return
        time.sleep(1)
    raise AssertionError(f"shop/{app} is not as it must be")


@fault("another ndots in a pod")
def another_ndots(live: Live) -> Iterator[Expected]:
    counted = next(p for p in live.probes if p.id.startswith("fact:names-asked:"))
    subject = counted.id.removeprefix("fact:names-asked:")
    namespace, name = split(subject)
    with kept(live, "deployment", name, "-n", namespace):
        options = {"spec": {"template": {"spec": {"dnsConfig": {"options": [{"name": "ndots", "value": "5"}]}}}}}
        patched(live, "deployment", subject, options)
        live.kubectl("rollout", "status", f"deployment/{name}", "-n", namespace, "--timeout=120s", limit=130)
        yield Expected(
            [f"resolv-conf of {subject} is not as the spec has it", "ndots is 5, the spec says 2"],
            statuses={counted.id: Status.WRONG},
        )
    live.kubectl("rollout", "status", f"deployment/{name}", "-n", namespace, "--timeout=120s", limit=130)


@fault("the DNS cache of one node stopped")
def cache_stopped(live: Live) -> Iterator[Expected]:
    """Its pods ask the servers then, which policy lets none of the closed ones do."""
    node, caches = worker(live), f"{KUBE_DNS.namespace}/node-local-dns"

    def keep_away(affinity: object) -> None:
        patched(live, "daemonset", caches, {"spec": {"template": {"spec": {"affinity": affinity}}}})
        settled(live, caches)

    elsewhere = {"key": "kubernetes.io/hostname", "operator": "NotIn", "values": [node]}
    required = {"nodeSelectorTerms": [{"matchExpressions": [elsewhere]}]}
    try:
        keep_away({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}})
        yield Expected(
            [f"node-local-dns-addresses of node {node} is 'nodelocaldns'"],
            statuses={"fact:node-local-dns:dns": Status.WRONG},
        )
    finally:
        keep_away(None)


@fault("the autoscaler of the DNS servers stuck")
def autoscaler_stuck(live: Live) -> Iterator[Expected]:
    servers, autoscaler = KUBE_DNS.workload_id, KUBE_DNS.autoscaler_id
    wanted = live.ir.dns.servers(live.ir.traits.nodes)
    scaled = ("wait", f"deployment/{split(servers)[1]}", "-n", KUBE_DNS.namespace, "--timeout=120s")
    try:
        patched(live, "deployment", autoscaler, {"spec": {"replicas": 0}})
        rolled_out(live, autoscaler)
        patched(live, "deployment", servers, {"spec": {"replicas": 1}})
        live.kubectl(*scaled, "--for=jsonpath={.status.readyReplicas}=1", limit=130)
        yield Expected(
            [f"Deployment {servers} has 1 ready pods, and must have {wanted}: {autoscaler} has not scaled it"],
            statuses={f"fact:dns-autoscaler:{autoscaler}": Status.WRONG},
        )
    finally:
        patched(live, "deployment", autoscaler, {"spec": {"replicas": 1}})
        live.kubectl(*scaled, f"--for=jsonpath={{.status.readyReplicas}}={wanted}", limit=130)


@fault("a port taken twice in one pod")
def port_taken_twice(live: Live) -> Iterator[Expected]:
    """The second container ends at once, again and again; the old pod goes first, or it would serve on."""
    strategy: dict[str, object] = {"op": "replace", "path": "/spec/strategy"}
    with kept(live, "deployment", "app", "-n", "shop") as app:
        containers = app["spec"]["template"]["spec"]["containers"]
        at = next(i for i, c in enumerate(containers) if c["name"] == "helper")
        args = {"op": "replace", "path": f"/spec/template/spec/containers/{at}/args"}
        taken = args | {"value": ["netexec", "--http-port=8080", "--udp-port=9053"]}
        patched(live, "deployment", "shop/app", [strategy | {"value": {"type": "Recreate"}}, taken], "json")
        _wait_for_pods(live, "app", lambda c: c["name"] != "helper" or c["restartCount"] > 0)
        yield Expected(["is not ready, it is of shop/app", "address already in use"])
    patched(live, "deployment", "shop/app", [strategy | {"value": app["spec"]["strategy"]}], "json")
    rolled_out(live, "shop/app")


@fault("a server among the cluster's DNS that answers otherwise")
def strange_dns_server(live: Live) -> Iterator[Expected]:
    """Every other query goes to it: it has no Service of the cluster's."""
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": NAME, "namespace": KUBE_DNS.namespace},
        "data": {"Corefile": ".:53 {\n    hosts {\n        192.0.2.99 wrong.example\n    }\n    ready\n}\n"},
    }
    pod = stranger(KUBE_DNS.namespace, KUBE_DNS.labels, 53)
    container = {
        "name": "coredns",
        "image": IMAGES["coredns"],
        "imagePullPolicy": "IfNotPresent",
        "args": ["-conf", "/etc/coredns/Corefile"],
        "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns"}],
    }
    pod["spec"] |= {"containers": [container], "volumes": [{"name": "config", "configMap": {"name": NAME}}]}
    with created(live, config, "configmap"), created(live, pod, "pod"):
        live.kubectl("wait", f"pod/{NAME}", "-n", KUBE_DNS.namespace, "--for=condition=Ready", "--timeout=60s")
        yield Expected([f"pod {KUBE_DNS.namespace}/{NAME} answers among the cluster's DNS"])
