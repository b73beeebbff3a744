"""Faults of Services, and ways in that the spec does not have."""

import json
from collections.abc import Iterator

from faulting import NAME, Expected, cluster_ip, created, fault, flow, patched, ready, split, stranger, workload
from live_cluster import Live

from netspec.probes import FlowProbe, Outcome


@fault("a Service that selects nobody")
def selector_of_nobody(live: Live) -> Iterator[Expected]:
    """Connections are refused; or there is no route to the address, which is no answer (Cilium in the place of
    kube-proxy)."""
    probe = flow(live, "cluster-ip", Outcome.CONNECTED)
    says = {probe.id: "expected connected, saw "}
    yield from selecting(live, probe, dict.fromkeys(selector_of(live, probe), NAME), says)


@fault("a Service that selects another workload")
def selector_of_another(live: Live) -> Iterator[Expected]:
    probe = flow(live, "cluster-ip", Outcome.CONNECTED)
    right = next(w for w in live.ir.workloads if w.id in probe.backends)
    wrong = next(
        w
        for w in live.ir.workloads
        if w.id not in probe.backends and w.namespace == right.namespace and w.ports and not w.system
    )
    yield from selecting(live, probe, dict(wrong.labels), {})


def selector_of(live: Live, probe: FlowProbe) -> dict[str, str]:
    namespace, name = split(probe.destination)
    service = json.loads(live.kubectl("get", "service", name, "-n", namespace, "-o", "json"))
    return dict(service["spec"]["selector"])


def selecting(live: Live, probe: FlowProbe, wrong: dict[str, str], says: dict[str, str]) -> Iterator[Expected]:
    right = selector_of(live, probe)
    try:
        patched(live, "service", probe.destination, {"spec": {"selector": wrong}})
        endpoints = f"fact:service-endpoints:{probe.destination}"
        yield Expected(
            [f"Service {probe.destination} is not the spec's: selector"], says=says | {endpoints: probe.destination}
        )
    finally:
        patched(live, "service", probe.destination, {"spec": {"selector": right}})


@fault("an external IP on a Service")
def external_ip(live: Live) -> Iterator[Expected]:
    service = cluster_ip(live)
    try:
        patched(live, "service", service.id, {"spec": {"externalIPs": ["192.0.2.1"]}})
        yield Expected(
            [f"Service {service.id} is not the spec's: externalIPs is ['192.0.2.1'], the spec says nothing"],
            only=(f"fact:service-spec:{service.id}",),
        )
    finally:
        patched(live, "service", service.id, {"spec": {"externalIPs": None}})


@fault("a Service made a NodePort")
def made_a_node_port(live: Live) -> Iterator[Expected]:
    service = cluster_ip(live)
    try:
        patched(live, "service", service.id, {"spec": {"type": "NodePort"}})
        yield Expected(
            [f"Service {service.id} is not the spec's", "type is 'NodePort', the spec says 'ClusterIP'"],
            only=(f"fact:service-spec:{service.id}",),
        )
    finally:
        patched(live, "service", service.id, [{"op": "replace", "path": "/spec/type", "value": "ClusterIP"}], "json")


@fault("an undeclared NodePort Service over an open workload")
def undeclared_node_port(live: Live) -> Iterator[Expected]:
    open_one = next(s for s in live.ir.services if s.type == "NodePort" and s.selector)
    assert open_one.selector is not None
    port = {"port": 80, "targetPort": open_one.ports[0].target_port, "nodePort": 31999}
    spec = {"type": "NodePort", "selector": dict(open_one.selector.match_labels), "ports": [port]}
    meta = {"name": NAME, "namespace": open_one.namespace}
    with created(live, {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}, "service"):
        yield Expected(
            [f"Service {open_one.namespace}/{NAME} is not in the spec and opens node port 31999 to "],
            only=(f"fact:undeclared:{open_one.namespace}",),
        )


@fault("an undeclared Ingress")
def undeclared_ingress(live: Live) -> Iterator[Expected]:
    service = cluster_ip(live)
    backend = {"service": {"name": service.name, "port": {"number": service.ports[0].port}}}
    meta = {"name": NAME, "namespace": service.namespace}
    ingress = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": meta}
    with created(live, ingress | {"spec": {"defaultBackend": backend}}, "ingress"):
        yield Expected(
            [f"Ingress {service.namespace}/{NAME} is not in the spec and opens a way from outside", service.id],
            only=(f"fact:undeclared:{service.namespace}",),
        )


@fault("a stranger behind a Service")
def stranger_behind_a_service(live: Live) -> Iterator[Expected]:
    target = workload(live)
    with created(live, stranger(target.namespace, target.labels, target.ports[0].port), "pod"):
        ready(live, target.namespace)
        yield Expected([f"{target.namespace}/{NAME} belongs to no workload of the spec, and is behind Service "])


@fault("an undeclared pod with a host port")
def undeclared_host_port(live: Live) -> Iterator[Expected]:
    namespace = workload(live).namespace
    with created(live, stranger(namespace, {}, 8111, host_port=True), "pod"):
        ready(live, namespace)
        yield Expected(
            [f"pod {namespace}/{NAME} is not in the spec and opens host port 8111/TCP"],
            only=(f"fact:undeclared:{namespace}",),
        )


@fault("an undeclared pod in its node's network")
def undeclared_host_network(live: Live) -> Iterator[Expected]:
    namespace = workload(live).namespace
    with created(live, stranger(namespace, {}, 8112, hostNetwork=True), "pod"):
        ready(live, namespace)
        yield Expected(
            [f"pod {namespace}/{NAME} is not in the spec and opens its ports on node"],
            only=(f"fact:undeclared:{namespace}",),
        )
