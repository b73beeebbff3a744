"""What NGINX Gateway Fabric refuses of a spec's Gateway, or would do otherwise than the Gateway API says: NS902, NS970.

Source: NGINX Gateway Fabric 2.6.7, internal/controller/nginx/config (servers.go, servers_template.go, validation),
internal/controller/nginx/modules/src/httpmatches.js, internal/controller/state/graph (gateway_listener.go,
grpcroute.go, tlsroute.go, common_filter.go).
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace

from netspec.analysis.evaluate import evaluate
from netspec.analysis.gateway_routes import Entry, Listening, Request, takes
from netspec.analysis.verdict import PodEnd
from netspec.backends.edge.gatewayapi import overlapping, reserved
from netspec.backends.edge.ingresses import own_namespace
from netspec.backends.edge.nginx_fabric.install import NAME, NAMESPACE, proxy_name
from netspec.diagnostics import Report
from netspec.ir.base import Protocol
from netspec.ir.dns import KUBE_DNS
from netspec.ir.gateways import GatewayRoute, Match, RouteRule
from netspec.ir.model import NAME_LABEL, ContainerPort, Ir, Namespace, Workload

_CONTROLLER = "NGINX Gateway Fabric"
#: Where NGINX's pods listen for other things.
_OWN = {8081: "NGINX's readiness", 9113: "NGINX's metrics"}
#: Where NGINX's pods get their configuration from.
_AGENTS = 8443
#: Of a name for the proxy, as of any Service.
_LONGEST = 63
#: NGINX decodes a path before it compares, and has the rest in a regular expression where it replaces a prefix.
_PATH = re.compile(r"[A-Za-z0-9._~:@,=/-]*\Z")
#: NGINX would read the rest as variables, or as the end of the text.
_PLAIN = re.compile(r'[^$"\\]*\Z')
_METHODS = ("CONNECT", "TRACE")
#: Headers that it sets itself, or refuses to change.
_FORWARDED = frozenset(f"x-forwarded-{of}" for of in ("for", "proto", "host", "port"))
_OF_REQUESTS = _FORWARDED | {"host", "connection", "upgrade", "authority", "x-real-ip"}
_OF_ANSWERS = frozenset(("host", "connection", "upgrade", "server", "date", "x-pad", "content-type", "content-length"))
#: (what is wrong with a rule, what to do)
_Finding = tuple[str, str]


def check(ir: Ir, report: Report) -> None:
    own_namespace(ir, NAMESPACE, _CONTROLLER, report)
    reserved(ir, _OWN, report)
    overlapping(ir, _CONTROLLER, report, across=True)
    _one(ir, report)
    _configured(ir, report)
    for listener in (x for gateway in ir.gateways for x in gateway.listeners):
        if (listener.protocol, listener.mode) == ("TLS", "Terminate"):
            message = f"{_CONTROLLER} passes TLS through, and ends it for HTTPS alone"
            report.error("NS970", (*listener.place.path, "tls", "mode"), message, "mode: Passthrough")
    for route in ir.gateway_routes:
        for number, rule in enumerate(route.rules):
            for message, hint in (*_rule(route, rule), *_headers(rule)):
                report.error("NS970", (*route.place.path, "rules", number), message, hint)
    _locations(Listening.of(ir).entries, report)


def _one(ir: Ir, report: Report) -> None:
    """A Gateway, and names for its proxy that nobody else has."""
    for gateway in ir.gateways[1:]:
        message = f"{_CONTROLLER} makes a proxy for each Gateway, and one is predicted: {ir.gateways[0].id}'s"
        report.error("NS970", gateway.place.path, message, "give its listeners to that one, or use envoy-gateway")
    for gateway in ir.gateways[:1]:
        name, where = proxy_name(gateway), (*gateway.place.path, "name")
        if len(name) > _LONGEST:
            message = f"the name of its Service would have {len(name)} characters, and may have {_LONGEST}"
            report.error("NS970", where, message, "a shorter name")
        taken = [w.id for w in ir.workloads if not w.system] + [s.id for s in ir.services if not s.system]
        if f"{gateway.namespace}/{name}" in taken:
            message = f"{gateway.namespace}/{name} is what {_CONTROLLER} calls this Gateway's pods and Service"
            report.error("NS970", where, message, "rename the Gateway, or what the spec calls so")


def _configured(ir: Ir, report: Report) -> None:
    """NGINX's pods are in the Gateway's namespace, and ask the controller, by its name, what they are to serve."""
    if ir.traits.gates is None:
        return
    port = ContainerPort(_AGENTS, "TCP", "agent-grpc")
    pods = {"app.kubernetes.io/name": NAME, "app.kubernetes.io/instance": NAME}
    controller = Workload(NAMESPACE, NAME, pods, (port,), system=True)
    there = replace(
        ir.inventory,
        namespaces=(*ir.namespaces, Namespace(NAMESPACE, {NAME_LABEL: NAMESPACE}, system=True)),
        workloads=(*ir.workloads, controller),
    )
    proxy, name = ir.traits.gates.workload, f"{NAMESPACE}/{NAME}"
    egress = f"add to networkPolicies of {proxy.namespace} egress to the namespace {NAMESPACE} at {_AGENTS}"
    asked: tuple[tuple[str, int, Protocol, str], ...] = (
        (KUBE_DNS.workload_id, KUBE_DNS.port, "UDP", "allowDNS: true"),
        (name, _AGENTS, "TCP", egress),
    )
    for to, number, protocol, hint in asked:
        if evaluate(there, PodEnd(proxy.id), PodEnd(to), number, protocol).expected == "deny":
            message = f"policies keep {proxy.id} from {to} at {number}/{protocol}: it would serve nothing"
            report.error("NS970", ir.gateways[0].place.path, message, hint)


def _rule(route: GatewayRoute, rule: RouteRule) -> Iterator[_Finding]:
    if route.kind == "TLSRoute" and len(rule.backends) > 1:
        yield f"{_CONTROLLER} has one backend for a TLSRoute", "keep one"
    if route.kind == "GRPCRoute":
        yield from _calls(rule)
    paths = [m.bare for m in rule.matches]
    paths += [x.path.value for x in (rule.redirect, rule.rewrite) if x is not None and x.path is not None]
    if bad := [p for p in paths if not _PATH.match(p) or p.startswith("/_ngf-internal")]:
        yield f"NGINX would not take {bad[0]} for the path that it is", "a path without % and +"
    if bad := [m.method for m in rule.matches if m.method in _METHODS]:
        yield f"NGINX answers {bad[0]} with 405", "leave the method out"
    if any("," in value for m in rule.matches for _, value in m.headers):
        yield "NGINX compares what is between the commas of a header's value", "a value without a comma"


def _calls(rule: RouteRule) -> Iterator[_Finding]:
    """A service alone is refused; without one a match takes the path of the match before it."""
    called = [m for m in rule.matches if m.bare]
    if any(m.bare.count("/") < 2 for m in called):
        yield f"{_CONTROLLER} wants the method beside the service of gRPC", "method: {service: ..., method: ...}"
    if called and len(called) < len(rule.matches):
        yield f"{_CONTROLLER} mixes up matches with and without a method of gRPC", "make two rules"
    if rule.mirrors:
        yield f"{_CONTROLLER} is not known to copy calls of gRPC", "remove RequestMirror"
    if (change := rule.response_headers) is not None and (change.set or change.remove):
        yield "NGINX takes no header away that a backend of gRPC answers with", "add it, or leave it"


def _headers(rule: RouteRule) -> Iterator[_Finding]:
    for change, own in ((rule.request_headers, _OF_REQUESTS), (rule.response_headers, _OF_ANSWERS)):
        given = (*change.set, *change.add) if change is not None else ()
        for name in (*(name for name, _ in given), *(change.remove if change is not None else ())):
            if name.lower() in own or name.lower().startswith("x-accel-"):
                yield f"NGINX has the header {name} itself", "leave it"
        for name, value in given:
            if not _PLAIN.match(value):
                yield f'NGINX reads $, " and \\ in the value of {name} as its own', "another value"


def _locations(entries: Iterable[Entry], report: Report) -> None:
    """NGINX goes to the most specific path of a host, and comes back from there for no other."""
    servers: dict[tuple[str, str, str], dict[tuple[bool, str], list[Entry]]] = defaultdict(lambda: defaultdict(list))
    for entry in entries:
        at = (entry.gateway.id, entry.listener.name, entry.host)
        servers[at][entry.match.exact, entry.match.bare].append(entry)
    told: set[tuple[object, ...]] = set()
    for locations in servers.values():
        for (is_exact, path), first in locations.items():
            for entry in first:
                _redirect(entry, told, report, chooses=len(first) > 1 or _has_conditions(entry.match))
            for other in (e for at, listed in locations.items() if at != (is_exact, path) for e in listed):
                if _is_below(is_exact, path, other.match) and not any(_wider(e.match, other.match) for e in first):
                    _lost(first[0], other, path, told, report)


def _is_below(is_exact: bool, path: str, other: Match) -> bool:
    """Whether a location's path is one that another, less specific match takes too."""
    if other.exact or (not is_exact and other.bare == path):
        return False
    return takes(Match(other.path), Request("", path or "/"))


def _has_conditions(match: Match) -> bool:
    return bool(match.method or match.headers or match.query)


def _wider(one: Match, other: Match) -> bool:
    """Whether one takes, but for the path, whatever the other does."""
    return (
        one.method in ("", other.method)
        and set(one.headers) <= set(other.headers)
        and set(one.query) <= set(other.query)
    )


def _lost(first: Entry, other: Entry, path: str, told: set[tuple[object, ...]], report: Report) -> None:
    key = (first.route.id, first.number, other.route.kind, other.route.id, other.number)
    if key not in told:
        told.add(key)
        of = f"rule {other.number + 1} of {other.route.kind} {other.route.id}"
        message = f"{_CONTROLLER} answers 404 to what no rule for {path or '/'} takes, and does not ask {of}"
        hint = f"add a match {path or '/'} to that rule"
        report.error("NS970", (*first.route.place.path, "rules", first.number), message, hint)


def _redirect(entry: Entry, told: set[tuple[object, ...]], report: Report, *, chooses: bool) -> None:
    """`chooses`: NGINX looks at more than the path, and has then another one than the client's."""
    redirect, key = entry.rule.redirect, (entry.route.id, entry.number)
    if redirect is None or key in told:
        return
    where = (*entry.route.place.path, "rules", entry.number)
    usual = 443 if entry.listener.protocol == "HTTPS" else 80
    if not redirect.scheme and (redirect.port or entry.listener.port) == usual:
        told.add(key)
        message = f"{_CONTROLLER} writes the port {usual} into a redirect that names no scheme"
        report.error("NS970", where, message, f"scheme: {entry.listener.protocol.lower()}")
    if redirect.path is not None and not redirect.path.whole and chooses:
        told.add(key)
        message = f"{_CONTROLLER} replaces no prefix in a redirect where a rule is chosen by more than its path"
        report.error("NS970", where, message, "ReplaceFullPath, or a path that no other rule has")
