"""What F5's NGINX Ingress Controller cannot be told of a route: NS871, NS872, NS874, NS902."""

import re

from netspec.backends.edge.f5_nginx.routes import RATES, by_host, percent
from netspec.backends.edge.ingresses import decoded, own_namespace, stays_with_host
from netspec.diagnostics import Report
from netspec.ir.http import HttpRoute
from netspec.ir.model import Ir

_CONTROLLER = "F5 NGINX"
#: NGINX would read the rest as variables, or as the end of the text.
_PLAIN = re.compile(r'[^$"\\{}]*\Z')
#: NGINX writes these itself, whatever the backend's answer has.
_ITS_OWN = ("server", "date")


def check(ir: Ir, namespace: str, report: Report) -> None:
    own_namespace(ir, namespace, _CONTROLLER, report)
    stays_with_host(ir, _CONTROLLER, report)
    decoded(ir, _CONTROLLER, report)
    for host, routes in by_host(ir).items():
        _one_owner(host, routes, report)
    for route in ir.http:
        path = route.place.path
        if not route.hosts:
            report.error("NS871", path, "F5 NGINX has routes of named hosts only", "add hosts")
        if route.grpc and route.tls is None:
            message = "F5 NGINX speaks HTTP/2, and so gRPC, over HTTPS only"
            report.error("NS871", (*path, "protocol"), message, "add tls")
        _limit(route, report)
        _paths(route, report)
        _headers(route, report)


def _one_owner(host: str, routes: list[HttpRoute], report: Report) -> None:
    first = routes[0]
    for route in routes[1:]:
        if route.namespace != first.namespace:
            said = f"{first.id} has it, in another namespace"
        elif (route.tls, route.redirect_to_https) != (first.tls, first.redirect_to_https):
            said = f"{first.id} has it with another tls or redirectToHTTPS"
        else:
            continue
        message = f"F5 NGINX has one owner of host {host}: {said}"
        report.error(
            "NS874", (*route.place.path, "hosts"), message, "give the routes of a host one namespace and one tls"
        )


def _limit(route: HttpRoute, report: Report) -> None:
    limit, where = route.rate_limit, (*route.place.path, "rateLimit")
    if limit is not None and limit.per not in RATES:
        report.error("NS871", where, "NGINX has rates per second and per minute", "per: minute")
    if limit is not None and len(route.hosts) > 1:
        message = "F5 NGINX counts the requests of each host alone, and this route has several"
        report.error("NS871", where, message, "make a route for each host")


def _paths(route: HttpRoute, report: Report) -> None:
    path = route.place.path
    if route.rewrite is not None and route.rewrite.path is not None:
        if not all(p.exact or p.regex for p in route.paths):
            message = "NGINX replaces the prefix, not the whole of a path that is below it"
            hint = "type: Exact or Regex for the paths, or rewrite: {prefix: ...}"
            report.error("NS871", (*path, "rewrite"), message, hint)
        elif any(p.regex and len(p.backends) > 1 for p in route.paths):
            # With weights it asks the pattern anew, of the path as the client wrote it.
            message = "F5 NGINX does not replace the path of a pattern that several backends share"
            report.error("NS871", (*path, "rewrite"), message, "keep one backend")
    for i, rule in enumerate(route.paths):
        if len(rule.backends) > 1 and any(b.weight for b in rule.backends) and percent(rule) is None:
            message = "F5 NGINX has whole percents for weights, and these are none"
            report.error("NS871", (*path, "paths", i, "backends"), message, "weights that add up to 100")


def _headers(route: HttpRoute, report: Report) -> None:
    path = route.place.path
    for name, headers in (("requestHeaders", route.request_headers), ("responseHeaders", route.response_headers)):
        for header, value in headers.set:
            if not _PLAIN.match(value):
                message = f'F5 NGINX reads $, ", \\ and braces in the value of {header} as its own'
                report.error("NS871", (*path, name), message, "another value")
    for header in (*(h for h, _ in route.response_headers.set), *route.response_headers.remove):
        if header.lower() in _ITS_OWN:
            message = f"NGINX writes the header {header} itself"
            report.error("NS871", (*path, "responseHeaders"), message, "leave it")
