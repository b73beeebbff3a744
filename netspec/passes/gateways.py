"""Checks Gateways and their routes: listeners that go together, routes that some listener takes, Services that are
there, and no two rules that say the same."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from netspec.analysis.attachment import LabelsOf, accepts, is_meant
from netspec.analysis.callees import backend_port
from netspec.analysis.gateway_routes import Entry, Listening, hosts, overlap
from netspec.diagnostics import Path
from netspec.ir.gateways import CARRIED, OF_REQUESTS, Gateway, GatewayBackend, GatewayRoute, Listener, RouteRule
from netspec.ir.model import Ir, Service
from netspec.ir.selectors import Labels
from netspec.passes.context import Context
from netspec.spec.types import did_you_mean

#: Which listeners may be on one port: those whose requests are told apart by host are of one group.
_GROUPS = {"HTTP": "HTTP", "HTTPS": "TLS", "TLS": "TLS", "TCP": "TCP", "UDP": "UDP"}


def gateways(ir: Ir, context: Context) -> Ir:
    """What names no Service or Gateway is left out."""
    for gateway in ir.gateways:
        for listener in gateway.listeners:
            _listener(ir, gateway, listener, context)
    _ports(ir, context)
    kept = tuple(route for route in ir.gateway_routes if _services(ir, route, context) and _parents(ir, route, context))
    for route in kept:
        for i, rule in enumerate(route.rules):
            _rule(rule, (*route.place.path, "rules", i), context)
    ir = replace(ir, gateway_routes=kept)
    listening = Listening.of(ir)
    _same(listening, context)
    _shared(listening, context)
    return ir


def _listener(ir: Ir, gateway: Gateway, listener: Listener, context: Context) -> None:
    path = listener.place.path
    is_secure = listener.protocol in ("HTTPS", "TLS")
    if not is_secure and listener.certificates:
        context.report.error("NS851", (*path, "tls"), f"{listener.protocol} has no TLS", "remove tls")
    if listener.protocol == "HTTPS" and listener.mode == "Passthrough":
        message = "TLS that is passed through is not HTTP to the Gateway"
        context.report.error("NS851", (*path, "tls", "mode"), message, "protocol: TLS, and a TLSRoute")
    if listener.mode == "Terminate" and not listener.certificates:
        message = f"{listener.protocol} that ends here has no certificate"
        context.report.error("NS851", path, message, "tls: {certificateRefs: [{name: ...}]}")
    if listener.mode == "Passthrough" and listener.certificates:
        message = "what is passed through has its certificate at the backend"
        context.report.error("NS851", (*path, "tls", "certificateRefs"), message, "remove certificateRefs")
    if listener.protocol in ("TCP", "UDP") and listener.hostname:
        message = f"{listener.protocol} has no host names"
        context.report.error("NS851", (*path, "hostname"), message, "remove hostname")
    if (listener.allowed == "Selector") != (listener.selector is not None):
        message = "from: Selector and selector go together"
        context.report.error("NS851", (*path, "allowedRoutes", "namespaces"), message, "give both, or neither")
    known = {n.name for n in ir.namespaces}
    for i, (namespace, _) in enumerate(listener.certificates):
        if namespace not in known and not context.loaded.may_have("namespaces", namespace):
            where = (*path, "tls", "certificateRefs", i, "namespace")
            context.unknown("NS205", where, "namespace", namespace, known)


def _ports(ir: Ir, context: Context) -> None:
    """The listeners of all Gateways share one proxy, and so its ports."""
    groups: dict[tuple[int, bool], tuple[str, str]] = {}
    first: dict[tuple[int, str, str], tuple[str, Listener]] = {}
    for gateway in ir.gateways:
        names = set()
        for listener in gateway.listeners:
            path, group = listener.place.path, _GROUPS[listener.protocol]
            if listener.name in names:
                context.report.error("NS852", (*path, "name"), f"two listeners are named {listener.name}", "rename one")
            names.add(listener.name)
            said = f"{gateway.id}/{listener.name}"
            other = groups.setdefault((listener.port, group == "UDP"), (group, said))
            if other[0] != group:
                message = f"port {listener.port} speaks {listener.protocol} here and something else for {other[1]}"
                context.report.error("NS852", (*path, "port"), message, "give it a port of its own")
                continue
            at = (listener.port, group, listener.hostname)
            if at in first:
                what = listener.hostname or ("every host" if group in ("HTTP", "TLS") else "the port")
                message = f"{what} at {listener.port} is of {first[at][0]} already"
                hint = "give it another port" + (" or hostname" if group in ("HTTP", "TLS") else "")
                context.report.error("NS852", path, message, hint)
            first.setdefault(at, (said, listener))


# Routes


def _parents(ir: Ir, route: GatewayRoute, context: Context) -> bool:
    """Whether each parentRef has a listener that takes the route."""
    known = {(g.namespace, g.name): g for g in ir.gateways}
    labels = {n.name: n.labels for n in ir.namespaces}

    def labels_of(namespace: str) -> Labels | None:
        return labels.get(namespace)

    is_good = True
    for i, parent in enumerate(route.parents):
        where = (*route.place.path, "parentRefs", i)
        gateway = known.get((parent.namespace, parent.name))
        if gateway is None:
            said = f"{parent.namespace}/{parent.name}"
            if not context.loaded.may_have("gateways", said):
                context.unknown("NS853", (*where, "name"), "Gateway", said, [g.id for g in ir.gateways])
            is_good = False
            continue
        meant = [x for x in gateway.listeners if is_meant(parent, x)]
        if not meant:
            what = f"listener {parent.section}" if parent.section else f"listener on port {parent.port}"
            hint = did_you_mean(parent.section, [x.name for x in gateway.listeners]) if parent.section else None
            have = ", ".join(f"{x.name} ({x.port})" for x in gateway.listeners)
            message = f"Gateway {gateway.id} has no {what}"
            context.report.error("NS853", where, message, hint or f"it has: {have}")
            is_good = False
            continue
        if not any(
            accepts(x, gateway.namespace, route.kind, route.namespace, route.hostnames, labels_of) for x in meant
        ):
            message, hint = _why_not(route, gateway, meant, labels_of)
            context.report.error("NS853", where, message, hint)
            is_good = False
    return is_good


def _why_not(route: GatewayRoute, gateway: Gateway, meant: list[Listener], labels_of: LabelsOf) -> tuple[str, str]:
    """Why no listener takes a route: the first reason of those of the last that would."""
    names = ", ".join(x.name for x in meant)
    of_kind = [x for x in meant if accepts(replace(x, allowed="All", hostname=""), "", route.kind, "", (), labels_of)]
    if not of_kind:
        speak = ", ".join(f"{x.name} {x.protocol}{f' {x.mode}' if x.mode else ''}" for x in meant)
        return f"no listener of {gateway.id} takes a {route.kind}: {speak}", "protocol or allowedRoutes.kinds of one"
    by_host = [x for x in of_kind if accepts(replace(x, allowed="All"), "", route.kind, "", route.hostnames, labels_of)]
    if not by_host:
        have = ", ".join(x.hostname for x in of_kind)
        return f"no host of the route is one of {gateway.id}'s: {have}", "hostnames that the listener has"
    hint = "allowedRoutes: {namespaces: {from: All}}, or Selector"
    return f"{gateway.id} ({names}) does not take routes of the namespace {route.namespace}", hint


def backend_places(route: GatewayRoute) -> Iterator[tuple[GatewayBackend, Path]]:
    """Every Service that it sends to, and where that stands."""
    for i, rule in enumerate(route.rules):
        at = (*route.place.path, "rules", i)
        yield from ((b, (*at, "backendRefs", j)) for j, b in enumerate(rule.backends))
        yield from ((b, (*at, "filters")) for b in rule.mirrors)


def _services(ir: Ir, route: GatewayRoute, context: Context) -> bool:
    return False not in {_service(ir, route, backend, where, context) for backend, where in backend_places(route)}


def _service(ir: Ir, route: GatewayRoute, backend: GatewayBackend, where: Path, context: Context) -> bool:
    service = service_with_pods(ir, f"{backend.namespace}/{backend.service}", (*where, "name"), context)
    if service is None:
        return False
    if backend_port(ir, route, backend) is None:
        protocol = CARRIED[route.kind]
        ports = ", ".join(str(p.port) for p in service.ports if p.protocol == protocol)
        message = f"Service {service.id} has no {protocol} port {backend.port}"
        context.report.error("NS841", (*where, "port"), message, f"it has: {ports or 'none'}")
        return False
    return True


def service_with_pods(ir: Ir, name: str, at: Path, context: Context) -> Service | None:
    """The Service that a route names at this place; None where it is none that a route can lead to, which is said."""
    service = ir.services_by_id.get(name)
    if service is None:
        if not context.loaded.may_have("services", name):
            context.unknown("NS841", at, "Service", name, [s.id for s in ir.services])
        return None
    if service.type == "ExternalName":
        message = f"Service {service.id} is a name of something else: a route needs one with pods"
        context.report.error("NS841", at, message, "name the Service of the pods")
        return None
    return service


def _rule(rule: RouteRule, path: Path, context: Context) -> None:
    if rule.redirect is not None and (rule.backends or rule.rewrite is not None):
        message = "what is sent elsewhere gets no backend and no rewriting"
        context.report.error("NS854", (*path, "filters"), message, "remove backendRefs and URLRewrite")
    if rule.redirect is None and not any(b.weight for b in rule.backends):
        message = "no backend has a weight: every answer is 500"
        context.report.error("NS854", (*path, "backendRefs"), message, "give one a weight, or redirect")
    changed = [new.path for new in (rule.redirect, rule.rewrite) if new is not None and new.path is not None]
    if any(not new.whole for new in changed) and any(match.exact for match in rule.matches):
        message = "an exact path has no prefix that could be replaced"
        context.report.error("NS854", (*path, "filters"), message, "ReplaceFullPath, or a match of type PathPrefix")
    if rule.cors is not None and rule.cors.credentials and "*" in rule.cors.origins:
        message = "browsers send no cookies to what any origin may use"
        context.report.error("NS854", (*path, "filters"), message, "name the origins")


def _same(listening: Listening, context: Context) -> None:
    """Matches of equal rank that one request may have: who has it, the API decides by age, which a spec has not."""
    found: dict[tuple[object, ...], list[Entry]] = defaultdict(list)
    for entry in listening.entries:
        found[entry.gateway.id, entry.listener.name, entry.host, entry.rank, entry.match.bare].append(entry)
    said = set()
    for entries in found.values():
        for n, entry in enumerate(entries):
            for other in entries[:n]:
                key = (entry.route.place.path, entry.number, other.route.place.path, other.number)
                if key in said or not overlap(entry.match, other.match):
                    continue
                if replace(entry.match, path=entry.match.bare) == replace(other.match, path=other.match.bare):
                    said.add(key)
                    _identical(entry, other, context)
                elif entry.route is not other.route:
                    said.add(key)
                    message = f"a request may match this and rule {other.number + 1} of {other.route.id}"
                    hint = "name a method, or as many headers, in one of them: else the older route counts"
                    where = (*entry.route.place.path, "rules", entry.number)
                    context.report.warning("NS856", where, message, hint)


def _shared(listening: Listening, context: Context) -> None:
    """What has one owner: a stream, and a host that HTTPRoutes or GRPCRoutes have (GRPCRoute: cross serving)."""
    first: dict[tuple[str, str, str], GatewayRoute] = {}
    for route, taken in listening.taken:
        for gateway, listener in taken:
            for host in dict.fromkeys(host for host, _ in hosts(listener, route)):
                other = first.setdefault((gateway.id, listener.name, host), route)
                both = {route.kind, other.kind}
                if other is route or both == {"HTTPRoute"} or both == {"GRPCRoute"}:
                    continue
                what = host or (listener.name if route.kind in OF_REQUESTS else f"port {listener.port}")
                message = f"{what} of {gateway.id} is of {other.kind} {other.id} already"
                context.report.error("NS855", route.place.path, message, "give it another host or listener")


def _identical(entry: Entry, other: Entry, context: Context) -> None:
    where = (*entry.route.place.path, "rules", entry.number)
    if entry.route is other.route and entry.number == other.number:
        context.report.error("NS855", where, "two of its matches are the same", "remove one")
        return
    of = f"rule {other.number + 1}" if entry.route is other.route else f"rule {other.number + 1} of {other.route.id}"
    what = f"{entry.host or 'any host'}{entry.match.path}"
    message = f"{what} is matched by {of} already, word for word"
    context.report.error("NS855", where, message, "keep one of them, or give it backends with weights")
