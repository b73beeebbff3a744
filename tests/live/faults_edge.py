"""Faults of the front door, on a stack that has one: certificates, routes, the proxy, the load balancer, policies."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from faulting import NAME, WAIT, Expected, created, fault, kept, patched, rolled_out, split
from live_cluster import Live

from netspec.backends.common.certificates import certificate_pem
from netspec.ir.http import Front, HttpRoute
from netspec.verify.model import Status

#: The kind of a route -> kubectl's name for it, and where its first backend's port stands.
_KINDS = {
    "IngressRoute": ("ingressroutes.traefik.io", "/spec/routes/0/services/0/port"),
    "Ingress": ("ingresses.networking.k8s.io", "/spec/rules/0/http/paths/0/backend/service/port/number"),
    "HTTPRoute": ("httproutes.gateway.networking.k8s.io", "/spec/rules/0/backendRefs/0/port"),
}
#: Of none that listens, and of one that does.
_NO_PORT, _HTTP = 9, 80


def front_of(live: Live) -> Front:
    front = live.ir.traits.front
    assert front is not None
    return front


def _route(live: Live) -> HttpRoute:
    """One that pods answer to whoever asks, over plain HTTP or HTTPS."""
    return next(
        r
        for r in live.ir.http
        if r.hosts and not (r.allow_from or r.basic_auth or r.external_auth or r.rate_limit or r.grpc)
    )


def _answers(live: Live, route: HttpRoute) -> dict[str, Status]:
    """That its host and path are answered otherwise than they must be."""
    wanted = f"{'https://' if route.tls is not None else ''}{route.hosts[0]}/hostname"
    return {p.id: Status.WRONG for p in live.probes if p.id == f"fact:http-answer:GET:{wanted}"}


@fault("a certificate whose time is over")
def certificate_expired(live: Live) -> Iterator[Expected]:
    route = next(r for r in live.ir.http if r.tls and r.tls_stand_in)
    hosts = sorted({h for r in live.ir.http if r.tls == route.tls and r.namespace == route.namespace for h in r.hosts})
    old = certificate_pem(hosts, "200101000000Z", "210101000000Z")
    with kept(live, "secret", str(route.tls), "-n", route.namespace):
        data = {"tls.crt": base64.b64encode(old.encode()).decode()}
        patched(live, "secret", f"{route.namespace}/{route.tls}", {"data": data})
        certificates = tuple(f"fact:certificate:{host}" for host in hosts)
        yield Expected(
            ["the certificate for", hosts[0], "certificate has expired (valid from 2020-01-01 to 2021-01-01)"],
            # Envoy Gateway serves no HTTPS with it.
            only=() if front_of(live).kind == "HTTPRoute" else certificates,
        )


@fault("a route to a port that its Service lacks")
def backend_port_wrong(live: Live) -> Iterator[Expected]:
    route, kind = _route(live), front_of(live).kind
    resource, port = _KINDS[kind]
    with kept(live, resource, route.name, "-n", route.namespace):
        change = [{"op": "replace", "path": port, "value": _NO_PORT}]
        patched(live, resource, route.id, change, "json")
        said = [f"{kind} {route.id} is not the spec's", " is 9, "]
        if kind == "HTTPRoute":  # its controller says so too
            said = [
                f"what the controller says of {kind} {route.id} is not as the spec has it",
                "ResolvedRefs is 'False'",
            ]
        yield Expected(said, statuses=_answers(live, route))


@fault("a route deleted")
def route_deleted(live: Live) -> Iterator[Expected]:
    route, kind = _route(live), front_of(live).kind
    resource, _ = _KINDS[kind]
    with kept(live, resource, route.name, "-n", route.namespace):
        live.kubectl("delete", resource, route.name, "-n", route.namespace)
        yield Expected([f"{kind} {route.id} is missing"], statuses=_answers(live, route))


@fault("the Secret with a route's passwords deleted")
def passwords_gone(live: Live) -> Iterator[Expected]:
    """Some controllers serve the route no more, and one serves it to everybody."""
    route = next(r for r in live.ir.http if r.basic_auth and r.basic_auth.stand_in)
    assert route.basic_auth is not None
    with kept(live, "secret", route.basic_auth.secret, "-n", route.namespace):
        live.kubectl("delete", "secret", route.basic_auth.secret, "-n", route.namespace)
        yield Expected([route.id], statuses=_answers(live, route))


@fault("a route taken by somebody else's")
def route_stolen(live: Live) -> Iterator[Expected]:
    """By one that counts more, or, where routes have a class, by a controller that the class is given to."""
    route, front = _route(live), front_of(live)
    if front.kind == "Ingress":
        with kept(live, "ingressclass", _class(live)) as thing:
            live.kubectl("delete", "ingressclass", thing["metadata"]["name"])
            taken = {**thing, "metadata": {"name": thing["metadata"]["name"]}, "spec": {"controller": "example.com/x"}}
            with created(live, taken, "ingressclass"):
                yield Expected([f"IngressClass {thing['metadata']['name']}"])
        return
    strangers = (s for s in live.ir.services if s.namespace != route.namespace and not s.system and s.selector)
    other = next(s for s in strangers if any(p.port == _HTTP for p in s.ports))
    with created(live, _stealing(front.kind, route, other.namespace, other.name), _KINDS[front.kind][0]):
        said = f"{front.kind} {other.namespace}/{NAME} is not in the spec and opens a way"
        yield Expected([said], statuses=_answers(live, route))


def _class(live: Live) -> str:
    found = json.loads(live.kubectl("get", "ingressclass", "-o", "json"))["items"]
    return str(found[0]["metadata"]["name"])


def _stealing(kind: str, route: HttpRoute, namespace: str, service: str) -> dict[str, Any]:
    assert kind == "IngressRoute", kind
    rule = {
        "kind": "Rule",
        "match": f"Host(`{route.hosts[0]}`)",
        "priority": 10**9,
        "services": [{"kind": "Service", "name": service, "port": _HTTP}],
    }
    spec: dict[str, Any] = {"entryPoints": ["web"], "routes": [rule]}
    if route.tls is not None:
        spec = {"entryPoints": ["websecure"], "routes": [rule], "tls": {}}
    meta = {"name": NAME, "namespace": namespace}
    return {"apiVersion": "traefik.io/v1alpha1", "kind": kind, "metadata": meta, "spec": spec}


@fault("the proxy scaled to nothing")
def proxy_gone(live: Live) -> Iterator[Expected]:
    workload = front_of(live).workload
    selector = ",".join(f"{key}={value}" for key, value in workload.labels.items())
    try:
        patched(live, "deployment", workload.id, {"spec": {"replicas": 0}})
        live.kubectl("wait", "--for=delete", "pods", "-n", workload.namespace, "-l", selector, WAIT, limit=130)
        yield Expected([f"Deployment {workload.id} has 0 ready pods, and must have {workload.replicas}"])
    finally:
        patched(live, "deployment", workload.id, {"spec": {"replicas": workload.replicas}})
        rolled_out(live, workload.id)


@fault("the load balancer's speakers gone")
def speakers_gone(live: Live) -> Iterator[Expected]:
    """Who has asked for an address before knows for a while who answers: the objects say it at once."""
    read = next(p.read for p in live.probes if p.id == "fact:load-balancer-speakers:nodes")
    speaker = f"{read.namespace}/{read.name}"  # type: ignore[union-attr]
    with _nowhere(live, speaker):
        yield Expected(["load-balancer-speakers of nodes is not as the spec has it: ready is 0"])


@contextmanager
def _nowhere(live: Live, daemonset: str) -> Iterator[None]:
    namespace, name = split(daemonset)
    there = {"spec": {"template": {"spec": {"nodeSelector": {NAME: "true"}}}}}
    gone = {"spec": {"template": {"spec": {"nodeSelector": {NAME: None}}}}}
    selector = f"component={name}"
    try:
        patched(live, "daemonset", daemonset, there)
        live.kubectl("wait", "--for=delete", "pods", "-n", namespace, "-l", selector, WAIT, limit=130)
        yield
    finally:
        patched(live, "daemonset", daemonset, gone)
        live.kubectl("rollout", "status", f"daemonset/{name}", "-n", namespace, WAIT, limit=130)


@fault("the proxy's namespace closed")
def proxy_closed(live: Live) -> Iterator[Expected]:
    namespace = front_of(live).workload.namespace
    spec = {"podSelector": {}, "policyTypes": ["Ingress"]}
    meta = {"name": NAME, "namespace": namespace}
    policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta, "spec": spec}
    with created(live, policy, "networkpolicy"):
        yield Expected([f"policy {namespace}/{NAME}"])
