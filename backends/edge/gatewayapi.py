"""A spec's Gateways and their routes as objects of the Gateway API, for every controller that reads it. All defaults of
the API are written out, so that what stands on the cluster can be compared field by field.

Source: gateway-api v1.6, apis/v1 (gateway_types.go, httproute_types.go, grpcroute_types.go, tlsroute_types.go,
tcproute_types.go, udproute_types.go, referencegrant_types.go).
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from typing import Any, NamedTuple

from netspec.analysis.attachment import meet
from netspec.backends.objects import Manifest, manifest, node
from netspec.diagnostics import Report
from netspec.ir.gateways import Gateway, GatewayBackend, GatewayRoute, HeaderChange, Listener, Match, NewPath, RouteRule
from netspec.ir.http import Cors, Front
from netspec.ir.model import ContainerPort, Ir, ServicePort
from netspec.plan import CLUSTER, Condition, ManifestNode, ReadyNode
from netspec.target import Fact, Field, ObjectRead, Traits

GROUP = "gateway.networking.k8s.io"
API, GRANTS = f"{GROUP}/v1", f"{GROUP}/v1beta1"
RESOURCES = {
    "HTTPRoute": f"httproutes.{GROUP}",
    "GRPCRoute": f"grpcroutes.{GROUP}",
    "TLSRoute": f"tlsroutes.{GROUP}",
    "TCPRoute": f"tcproutes.{GROUP}",
    "UDPRoute": f"udproutes.{GROUP}",
}
#: What stands for the API's definitions in a plan.
DEFINITIONS_READY = "gateway-api"


class Bound(NamedTuple):
    """A port of the proxy: `number` on the Gateways' address, `protocol` of the listeners."""

    number: int
    protocol: str

    @property
    def carried(self) -> Any:
        return "UDP" if self.protocol == "UDP" else "TCP"


def gateway_ports(ir: Ir) -> list[Bound]:
    """The ports of all listeners, each once; of HTTPS and TLS on one the first that is given."""
    found: dict[tuple[int, bool], Bound] = {}
    for listener in (x for gateway in ir.gateways for x in gateway.listeners):
        found.setdefault((listener.port, listener.protocol == "UDP"), Bound(listener.port, listener.protocol))
    return list(found.values())


def service_port(bound: Bound, target: int, name: str) -> tuple[ContainerPort, ServicePort]:
    return ContainerPort(target, bound.carried, name), ServicePort(bound.number, target, bound.carried, name)


# Objects


def definitions() -> tuple[list[ManifestNode], ReadyNode]:
    """Those of the API's standard channel, for controllers that do not bring them."""
    crds = [node(obj, CLUSTER) for obj in json.loads((files(__package__) / "gateway-api.json").read_text())]
    established = tuple(Condition(f"crd/{crd.manifest['metadata']['name']}", "Established") for crd in crds)
    return crds, ReadyNode(DEFINITIONS_READY, established, tuple(crd.id for crd in crds))


def gateway_objects(ir: Ir, class_name: str, *, infrastructure: Manifest | None = None) -> list[Manifest]:
    more = {"infrastructure": infrastructure} if infrastructure else {}
    return [
        manifest(
            API,
            "Gateway",
            gateway.name,
            gateway.namespace,
            spec={"gatewayClassName": class_name, "listeners": [_listener(x) for x in gateway.listeners], **more},
        )
        for gateway in ir.gateways
    ]


def _listener(listener: Listener) -> dict[str, Any]:
    namespaces: dict[str, Any] = {"from": listener.allowed}
    if listener.selector is not None:
        namespaces["selector"] = listener.selector.to_json()
    allowed: dict[str, Any] = {"namespaces": namespaces}
    if listener.kinds is not None:
        allowed["kinds"] = [{"group": group, "kind": kind} for group, kind in listener.kinds]
    out: dict[str, Any] = {"name": listener.name, "port": listener.port, "protocol": listener.protocol}
    if listener.hostname:
        out["hostname"] = listener.hostname
    if listener.mode:
        out["tls"] = {"mode": listener.mode}
    if listener.certificates:
        out["tls"]["certificateRefs"] = [
            {"group": "", "kind": "Secret", "name": name, "namespace": namespace}
            for namespace, name in listener.certificates
        ]
    return out | {"allowedRoutes": allowed}


def route_objects(ir: Ir) -> list[Manifest]:
    return [_route(route) for route in ir.gateway_routes]


def _route(route: GatewayRoute) -> Manifest:
    parents = [
        {
            "group": p.group,
            "kind": p.kind,
            "name": p.name,
            "namespace": p.namespace,
            **({"sectionName": p.section} if p.section else {}),
            **({"port": p.port} if p.port else {}),
        }
        for p in route.parents
    ]
    hostnames = {"hostnames": list(route.hostnames)} if route.hostnames else {}
    rules = [_rule(route, rule) for rule in route.rules]
    spec = {"parentRefs": parents, **hostnames, "rules": rules}
    return manifest(API, route.kind, route.name, route.namespace, spec=spec)


def _rule(route: GatewayRoute, rule: RouteRule) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if route.kind == "HTTPRoute":
        out["matches"] = [_http_match(match) for match in rule.matches]
    elif route.kind == "GRPCRoute":
        out["matches"] = [_grpc_match(match) for match in rule.matches]
    if filters := list(_filters(rule)):
        out["filters"] = filters
    if rule.backends:
        out["backendRefs"] = [_backend(b) | {"weight": b.weight} for b in rule.backends]
    timeouts = {"request": rule.request_timeout, "backendRequest": rule.backend_timeout}
    if route.kind == "HTTPRoute" and rule.redirect is None and not rule.request_timeout:
        # Left to themselves, controllers give an answer a time of their own: the spec gives none.
        timeouts["request"] = "0s"
    if any(timeouts.values()) and route.kind == "HTTPRoute":
        out["timeouts"] = {key: value for key, value in timeouts.items() if value}
    return out


def _http_match(match: Match) -> dict[str, Any]:
    kind, path = ("Exact", match.path) if match.exact else ("PathPrefix", match.bare or "/")
    out: dict[str, Any] = {"path": {"type": kind, "value": path}}
    if match.method:
        out["method"] = match.method
    if match.headers:
        out["headers"] = [{"type": "Exact", "name": name, "value": value} for name, value in match.headers]
    if match.query:
        out["queryParams"] = [{"type": "Exact", "name": name, "value": value} for name, value in match.query]
    return out


def _grpc_match(match: Match) -> dict[str, Any]:
    service, _, method = match.bare[1:].partition("/")
    out: dict[str, Any] = {}
    if service:
        out["method"] = {"type": "Exact", "service": service} | ({"method": method} if method else {})
    if match.headers:
        out["headers"] = [{"type": "Exact", "name": name, "value": value} for name, value in match.headers]
    return out


def _backend(backend: GatewayBackend) -> dict[str, Any]:
    name, namespace = backend.service, backend.namespace
    return {"group": "", "kind": "Service", "name": name, "namespace": namespace, "port": backend.port}


def _filters(rule: RouteRule) -> Iterator[dict[str, Any]]:
    if rule.cors is not None:
        yield {"type": "CORS", "cors": cors_spec(rule.cors)}
    if rule.request_headers is not None:
        yield {"type": "RequestHeaderModifier", "requestHeaderModifier": _change(rule.request_headers)}
    if rule.response_headers is not None:
        yield {"type": "ResponseHeaderModifier", "responseHeaderModifier": _change(rule.response_headers)}
    for mirror in rule.mirrors:
        yield {"type": "RequestMirror", "requestMirror": {"backendRef": _backend(mirror)}}
    if (redirect := rule.redirect) is not None:
        given = {
            "scheme": redirect.scheme,
            "hostname": redirect.hostname,
            "port": redirect.port,
            "path": _path(redirect.path),
        }
        said = {key: value for key, value in given.items() if value}
        yield {"type": "RequestRedirect", "requestRedirect": said | {"statusCode": redirect.status}}
    if (rewrite := rule.rewrite) is not None:
        given = {"hostname": rewrite.hostname, "path": _path(rewrite.path)}
        yield {"type": "URLRewrite", "urlRewrite": {key: value for key, value in given.items() if value}}


def _path(new: NewPath | None) -> dict[str, str] | None:
    if new is None:
        return None
    if new.whole:
        return {"type": "ReplaceFullPath", "replaceFullPath": new.value}
    return {"type": "ReplacePrefixMatch", "replacePrefixMatch": new.value}


def _change(change: HeaderChange) -> dict[str, Any]:
    pairs = {
        "set": [{"name": name, "value": value} for name, value in change.set],
        "add": [{"name": name, "value": value} for name, value in change.add],
        "remove": list(change.remove),
    }
    return {key: value for key, value in pairs.items() if value}


def cors_spec(cors: Cors) -> dict[str, Any]:
    """As the API has it, in a filter, and Envoy Gateway in its own policy."""
    spec: dict[str, Any] = {
        "allowOrigins": list(cors.origins),
        "allowMethods": list(cors.methods),
        "allowHeaders": list(cors.headers),
        "exposeHeaders": list(cors.expose_headers),
        "allowCredentials": cors.credentials,
        "maxAge": cors.max_age,
    }
    return {key: value for key, value in spec.items() if value not in ([], False)}


def grant_objects(ir: Ir) -> list[Manifest]:
    """What lets routes send to Services of other namespaces, and Gateways read certificates there: these alone. One
    for each namespace that lets some in, and kind and namespace that is let in."""
    wanted: dict[str, dict[tuple[str, str], set[tuple[str, str]]]] = defaultdict(lambda: defaultdict(set))
    for route in ir.gateway_routes:
        for backend in (b for rule in route.rules for b in (*rule.backends, *rule.mirrors)):
            if backend.namespace != route.namespace:
                wanted[backend.namespace][route.kind, route.namespace].add(("Service", backend.service))
    for gateway in ir.gateways:
        for namespace, secret in (c for listener in gateway.listeners for c in listener.certificates):
            if namespace != gateway.namespace:
                wanted[namespace]["Gateway", gateway.namespace].add(("Secret", secret))
    return [
        manifest(GRANTS, "ReferenceGrant", name, namespace, spec=spec)
        for namespace, found in sorted(wanted.items())
        for name, spec in _grants(found)
    ]


def _grants(found: dict[tuple[str, str], set[tuple[str, str]]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """One for each kind and namespace that is let in: a grant with two of each would let in all pairs."""
    for (kind, home), targets in sorted(found.items()):
        source = [{"group": GROUP, "kind": kind, "namespace": home}]
        to = [{"group": "", "kind": what, "name": name} for what, name in sorted(targets)]
        yield f"netspec-{kind.lower()}-{home}", {"from": source, "to": to}


# What must be true of them


def serving(ir: Ir, traits: Traits, front: Front) -> Traits:
    """With a gateway controller's pods: they serve the HTTP routes too, where there is no ingress controller."""
    return replace(traits, gates=front) if "ingress" in ir.providers else replace(traits, gates=front, front=front)


def gateway_facts(ir: Ir) -> Iterator[Fact]:
    """Gateways programmed, each of their listeners without a conflict; routes and grants as they were made, and routes
    taken by all of their parents with all of their references resolved."""
    for gateway in ir.gateways:
        yield from _of_gateway(gateway)
    for obj in route_objects(ir):
        kind, name, namespace = obj["kind"], obj["metadata"]["name"], obj["metadata"]["namespace"]
        subject, resource = f"{kind} {namespace}/{name}", RESOURCES[kind]
        spec = {key: obj["spec"].get(key) for key in ("hostnames", "rules", "parentRefs")}
        fields = tuple((key, Field(f"spec.{key}")) for key in spec)
        yield Fact("gateway-route-spec", subject, spec, ObjectRead(resource, fields, name, namespace))
        accepted = {"Accepted": "True", "ResolvedRefs": "True"}
        read = ObjectRead(resource, (("conditions", Field("status.parents")),), name, namespace, parse="conditions")
        yield Fact("gateway-route", subject, accepted, read)
    yield from grant_facts(grant_objects(ir))


def grant_facts(grants: list[Manifest]) -> Iterator[Fact]:
    """Each as it was made."""
    for obj in grants:
        name, namespace = obj["metadata"]["name"], obj["metadata"]["namespace"]
        fields = (("from", Field("spec.from")), ("to", Field("spec.to")))
        read = ObjectRead(f"referencegrants.{GROUP}", fields, name, namespace)
        yield Fact("reference-grant", f"{namespace}/{name}", obj["spec"], read)


def _of_gateway(gateway: Gateway) -> Iterator[Fact]:
    where = (gateway.name, gateway.namespace)
    read = ObjectRead(f"gateways.{GROUP}", (("conditions", Field("status.conditions")),), *where, parse="conditions")
    yield Fact("gateway", gateway.id, {"Accepted": "True", "Programmed": "True"}, read)
    read = ObjectRead(f"gateways.{GROUP}", (("conditions", Field("status.listeners")),), *where, parse="conditions")
    good = {"Accepted": "True", "Programmed": "True", "ResolvedRefs": "True"}
    yield Fact("gateway-listeners", gateway.id, good, read)


def reserved(ir: Ir, taken: dict[int, str], report: Report) -> None:
    """NS970: ports that the controller, or the spec's `ingress`, has already."""
    for listener in (x for gateway in ir.gateways for x in gateway.listeners):
        if listener.port in taken:
            message = f"port {listener.port} is of {taken[listener.port]}"
            report.error("NS970", (*listener.place.path, "port"), message, "give the listener another port")


def overlapping(ir: Ir, controller: str, report: Report, *, across: bool = False) -> None:
    """NS970: listeners of one port and protocol whose hosts have names in common; `across`: whatever protocols."""
    hint = "give them hosts or ports of their own, or serve them by envoy-gateway"
    listed = [(gateway, x) for gateway in ir.gateways for x in gateway.listeners]
    for n, (gateway, listener) in enumerate(listed):
        for other_gateway, other in listed[:n]:
            one_port = listener.port == other.port and (across or listener.protocol == other.protocol)
            if not one_port or listener.hostname == other.hostname:
                continue
            if not listener.hostname or not other.hostname or meet(listener.hostname, other.hostname):
                said = f"{other_gateway.id}/{other.name} ({other.hostname or 'every host'})"
                message = f"{controller} does not keep the hosts of {gateway.id}/{listener.name} from {said}"
                report.error("NS970", listener.place.path, message, hint)
