"""Faults of policies, namespaces and workloads."""

import json
from collections.abc import Iterator
from typing import Any

from cnis import Cni
from faulting import (
    NAME,
    Expected,
    created,
    fault,
    flow,
    gone,
    kept,
    patched,
    pod_of,
    rolled_out,
    split,
    workload,
)
from live_cluster import Live

from netspec.ir.model import Workload
from netspec.probes import FlowProbe, Outcome
from netspec.verify.model import Answer, Status


@fault("a policy deleted")
def deleted_policy(live: Live) -> Iterator[Expected]:
    probe = flow(live, "pod", Outcome.CONNECTED)
    namespace, name = split(probe.deciding[0])
    with kept(live, "networkpolicy", name, "-n", namespace):
        live.kubectl("delete", "networkpolicy", name, "-n", namespace)
        ends = f"{probe.source} -> {probe.destination}:{probe.port}/{probe.protocol}"
        said = f"{ends} by pod: expected connected, saw timed-out"
        yield Expected([f"policy {probe.deciding[0]} is missing"], says={probe.id: said})


@fault("a policy that lets everything pass")
def allow_all(live: Live) -> Iterator[Expected]:
    probe = flow(live, "pod", Outcome.TIMED_OUT)
    namespace, _ = split(probe.destination)
    spec = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [{}], "egress": [{}]}
    with created(live, network_policy(namespace, spec), "networkpolicy"):
        said = "expected timed-out, saw connected"
        yield Expected([f"policy {namespace}/{NAME} is not in the spec"], says={probe.id: said})


@fault("a policy for pods that the spec does not have")
def policy_for_strangers(live: Live) -> Iterator[Expected]:
    """No probe between the spec's own pods can see it."""
    target = workload(live)
    from_default = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "default"}}}
    spec = {"podSelector": {"matchLabels": dict(target.labels)}, "ingress": [{"from": [from_default]}]}
    with created(live, network_policy(target.namespace, spec), "networkpolicy"):
        yield Expected([f"policy {target.namespace}/{NAME} is not in the spec"], only=("fact:policies:cluster",))


def network_policy(namespace: str, spec: dict[str, Any]) -> dict[str, Any]:
    meta = {"name": NAME, "namespace": namespace}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta, "spec": spec}


def of_the_cni(cni: Cni, kind: str, **meta: str) -> dict[str, Any]:
    """Lets everything pass."""
    name = {"name": f"{cni.prefix}{NAME}"}
    return {"apiVersion": f"{cni.group}/{cni.version}", "kind": kind, "metadata": name | meta, "spec": dict(cni.allow)}


@fault("an allow-all of the CNI's own kind")
def allow_all_of_the_cni(live: Live) -> Iterator[Expected]:
    cni, namespace = live.cni, workload(live).namespace
    kind, _ = cni.kinds
    policy = of_the_cni(cni, kind, namespace=namespace)
    with created(live, policy, cni.resource(kind)):
        said = {flow(live, "pod", Outcome.TIMED_OUT).id: "expected timed-out, saw connected"}
        yield Expected([f"{kind} {namespace}/{cni.prefix}{NAME} is not in the spec"], says=said)


@fault("an allow-all of the CNI's own kind, for the whole cluster")
def void_enforcement(live: Live) -> Iterator[Expected]:
    cni = live.cni
    _, kind = cni.kinds
    with created(live, of_the_cni(cni, kind), cni.resource(kind)):
        yield Expected([f"{kind} {cni.prefix}{NAME} is not in the spec"], Answer.INCONCLUSIVE)


@fault("a label that the spec declares on a namespace, removed")
def namespace_label_removed(live: Live) -> Iterator[Expected]:
    namespace = next(n for n in live.ir.namespaces if not n.system and len(n.labels) > 1)
    key = next(k for k in namespace.labels if not k.startswith("kubernetes.io/"))
    with kept(live, "namespace", namespace.name):
        live.kubectl("label", "namespace", namespace.name, f"{key}-")
        yield Expected(
            [f"namespace {namespace.name} is not labelled as the spec says: {key} is missing"],
            only=(f"fact:namespace-labels:{namespace.name}",),
        )


# Workloads


@fault("a mislabelled replica")
def mislabelled_replica(live: Live) -> Iterator[Expected]:
    yield from mislabelled(live, workload(live, replicas=2))


@fault("a mislabelled pod, the only one of its workload")
def mislabelled_pod(live: Live) -> Iterator[Expected]:
    yield from mislabelled(live, workload(live))


def mislabelled(live: Live, target: Workload) -> Iterator[Expected]:
    pod, (key, value) = pod_of(live, target), next(iter(target.labels.items()))
    label = ("label", "pod", pod, "-n", target.namespace, "--overwrite")
    try:
        live.kubectl(*label, f"{key}={NAME}")
        yield Expected([f"pod {target.namespace}/{pod} is not labelled as {target.id}: {key} is '{NAME}'"])
    finally:
        live.kubectl(*label, f"{key}={value}")


@fault("a workload scaled to nothing")
def scaled_to_nothing(live: Live) -> Iterator[Expected]:
    target = workload(live)
    try:
        patched(live, "deployment", target.id, {"spec": {"replicas": 0}})
        gone(live, target)
        ends = [p.id for p in live.probes if isinstance(p, FlowProbe) and target.id in (p.source, p.destination)]
        yield Expected(
            [f"Deployment {target.id} is not the spec's: replicas is 0, the spec says 1"],
            says={ends[0]: f"no ready pod of {target.id}"},
            statuses=dict.fromkeys(ends, Status.CHECK_FAILED),
        )
    finally:
        patched(live, "deployment", target.id, {"spec": {"replicas": target.replicas}})
        rolled_out(live, target.id)


@fault("a replica too many")
def replica_too_many(live: Live) -> Iterator[Expected]:
    target = workload(live)
    try:
        patched(live, "deployment", target.id, {"spec": {"replicas": 2}})
        rolled_out(live, target.id)
        only = (f"fact:replicas:{target.id}", f"fact:workload-spec:{target.id}")
        yield Expected([f"Deployment {target.id} is not the spec's: replicas is 2, the spec says 1"], only=only)
    finally:
        patched(live, "deployment", target.id, {"spec": {"replicas": 1}})
        rolled_out(live, target.id)


@fault("a changed DNS setting of pods")
def changed_ndots(live: Live) -> Iterator[Expected]:
    target = workload(live)
    namespace, name = split(target.id)
    deployment = json.loads(live.kubectl("get", f"deployment/{name}", "-n", namespace, "-o", "json"))
    before = deployment["spec"]["template"]["spec"].get("dnsConfig")

    def configure(dns: object) -> None:
        patched(live, "deployment", target.id, {"spec": {"template": {"spec": {"dnsConfig": dns}}}})
        rolled_out(live, target.id)

    probe = f"fact:resolv-conf:{target.id}"
    try:
        configure({"options": [{"name": "ndots", "value": "7"}]})
        yield Expected([f"resolv-conf of {target.id} is not as the spec has it: ndots is 7"], only=(probe,))
    finally:
        configure(before)
