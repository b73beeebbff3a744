"""What the controller cannot be told exactly: NS870 for what it has for a Service and not for a route, NS871."""

import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from netspec.backends.edge.haproxy.routes import found, of_service, options, reference, service_port, target
from netspec.backends.edge.ingresses import https_has_hosts, same_for_service
from netspec.backends.edge.patterns import with_patterns
from netspec.diagnostics import Path, Report
from netspec.ir.http import HttpBackend, HttpRoute
from netspec.ir.model import Ir

NAME = "HAProxy Ingress"
#: What stands in a line of HAProxy's configuration as it is.
_PLAIN = re.compile(r"[A-Za-z0-9:/.\[\]_*-]+\Z")
_OWN = "give one of them a Service of its own"


def check(ir: Ir, report: Report) -> None:
    https_has_hosts(ir, NAME, report)
    same_for_service(ir, NAME, of_service, report, target)
    _shared(ir, report)
    ours = with_patterns(ir.http)
    for route in ir.http:
        _limit(ir, route, report)
        _rewrite(route, ours, report)
        _words(route, report)
        _ports(ir, route, report)


def _led_to(ir: Ir) -> dict[tuple[str, str, str], list[HttpRoute]]:
    out: dict[tuple[str, str, str], list[HttpRoute]] = defaultdict(list)
    for route in ir.http:
        for key in dict.fromkeys(target(ir, route, b) for path in route.paths for b in path.backends):
            out[key].append(route)
    return out


def _shared(ir: Ir, report: Report) -> None:
    """Of routes that lead to one Service what each of them says alone, and yet is felt by the others."""
    by_target = _led_to(ir)
    for (namespace, service, _), routes in by_target.items():
        named = f"Service {namespace}/{service}"
        for first, second in pairwise(routes):
            if second.rate_limit is not None and of_service(first) == of_service(second):
                message = f"{NAME} counts the requests for {named} together, and {first.id} leads there too"
                report.error("NS870", (*second.place.path, "rateLimit"), message, _OWN)
        answering = next((route for route in routes if route.cors is not None), None)
        for route in routes:
            if answering is not None and route.basic_auth is not None and route.cors is None:
                message = (
                    f"{NAME} asks for no password by the method OPTIONS where a route to {named} has cors, as "
                    f"{answering.id} does"
                )
                report.error("NS870", (*route.place.path, "basicAuth"), message, _OWN)
    for route in ir.http:
        if route.external_auth is None:
            continue
        for other in by_target.get(target(ir, route, route.external_auth.backend), []):
            if options(ir, other) != {"ssl-redirect": "false"}:
                message = f"{NAME} asks that Service as route {other.id} has it, with its options"
                report.error("NS870", (*route.place.path, "externalAuth"), message, "give it a Service of its own")


def _limit(ir: Ir, route: HttpRoute, report: Report) -> None:
    if (limit := route.rate_limit) is None:
        return
    path = (*route.place.path, "rateLimit")
    if limit.per != "second" or limit.burst != limit.requests:
        message = f"{NAME} counts the requests of the last second, and has no other time and no burst"
        hint = f"rateLimit: {{requests: {limit.requests}, per: second, burst: {limit.requests}}}"
        report.error("NS871", path, message, hint)
    if len({target(ir, route, b) for p in route.paths for b in p.backends}) > 1:
        message = f"{NAME} counts the requests for each Service alone, and this route has several"
        report.error("NS871", path, message, "make a route for each Service, with a limit of its own")


def _rewrite(route: HttpRoute, ours: set[str], report: Report) -> None:
    if route.rewrite is None:
        return
    whole, path = route.rewrite.path, (*route.place.path, "rewrite")
    if whole is None:
        if both := sorted(ours.intersection(route.hosts or ("",))):
            message = f"{NAME} takes a prefix of {both[0] or 'any host'}, which has patterns, for a pattern too"
            report.error("NS871", path, message, "give what is rewritten a host of its own")
    elif not all(p.exact or p.regex for p in route.paths):
        message = f"{NAME} replaces the prefix, not the whole of a path that is below it"
        hint = "type: Exact or Regex for the paths, or rewrite: {prefix: ...}"
        report.error("NS871", path, message, hint)
    elif any(p.exact and p.path.endswith("/") for p in route.paths) and not whole.endswith("/"):
        message = f"{NAME} keeps the slash at the end of a path"
        report.error("NS871", path, message, f"rewrite: {{path: {whole}/}}, or paths without")


def _words(route: HttpRoute, report: Report) -> None:
    """What is written into a line of the configuration, which a quote or a space would end."""
    path = route.place.path
    if route.cors is not None:
        for name, words in (("origins", route.cors.origins), ("methods", route.cors.methods)):
            for i, word in enumerate(words):
                if not _PLAIN.match(word):
                    message = f"{NAME} cannot be told {word!r}"
                    report.error("NS871", (*path, "cors", name, i), message, "letters, digits and :/.-_")
    if route.basic_auth is not None and set(route.basic_auth.realm or "") & set('"\\$'):
        message = f"{NAME} has no realm with a quote, a backslash or a dollar sign"
        report.error("NS871", (*path, "basicAuth", "realm"), message, "leave them out")


def _ports(ir: Ir, route: HttpRoute, report: Report) -> None:
    """It takes a port by the name or the number of its target before that of its own."""
    for path, backend in _backends(route):
        service, port = service_port(ir, route, backend)
        if reference(service, port) is None:
            message = f"{NAME} takes another port of Service {service.id} for {backend.port}: its target has that name"
            report.error("NS871", path, message, "name the port of the Service, unlike any target of it")
    if route.external_auth is not None:
        service, port = service_port(ir, route, route.external_auth.backend)
        taken = found(service, str(port.target_port))
        if taken is None or taken.target_port != port.target_port:
            message = f"{NAME} takes another port of Service {service.id} for {port.target_port}: it has that name"
            hint = "name the ports of the Service unlike any target of it"
            report.error("NS871", (*route.place.path, "externalAuth", "port"), message, hint)


def _backends(route: HttpRoute) -> Iterator[tuple[Path, HttpBackend]]:
    for i, path in enumerate(route.paths):
        for j, backend in enumerate(path.backends):
            yield (*route.place.path, "paths", i, "backends", j, "port"), backend
