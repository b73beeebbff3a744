"""What an Application Load Balancer cannot be told of a route: NS871, NS881, NS882.

Sources: AWS docs, Application Load Balancers: quotas, condition types for listener rules, authenticate users; the
controller's docs/guide/ingress/annotations.md.
"""

import re
from collections.abc import Iterator

from netspec.backends.edge.aws_lbc.routes import COOKIE, MOST_ORDER, parts, regex
from netspec.backends.edge.aws_lbc.settings import AwsAlbSettings
from netspec.backends.edge.ingresses import https_has_hosts
from netspec.diagnostics import Report
from netspec.ir.http import HttpRoute
from netspec.ir.model import Ir
from netspec.spec.types import did_you_mean

_ALB = "an Application Load Balancer"
#: Of a condition's path and host, without what the controller puts behind a prefix.
_PATH, _LONGEST = re.compile(r"/[A-Za-z0-9_.~:@+/-]*\Z"), 126
_LONGEST_REGEX = 128
_HOST = re.compile(r".*\.[a-z]+\Z")
_MOST_GROUPS, _MOST_WEIGHT = 5, 999
#: (the option of the route, what is wrong with it, what to do)
_Finding = tuple[str, str, str]


def check(ir: Ir, settings: AwsAlbSettings, report: Report) -> None:
    https_has_hosts(ir, _ALB, report)
    for route in ir.http:
        for option, message, hint in _said(route):
            report.error("NS871", (*route.place.path, option), message, hint)
        named = f"{route.namespace}/{route.tls}"
        if route.tls and named not in settings.certificates:
            message = f"{_ALB} takes certificates of ACM, and the stack does not say which stands for Secret {named}"
            hint = did_you_mean(named, settings.certificates) or f'ingress.certificates: {{{named}: "arn:aws:acm:..."}}'
            report.error("NS881", (*route.place.path, "tls"), message, hint)
    used = {f"{route.namespace}/{route.tls}" for route in ir.http}
    for named in settings.certificates:
        if named not in used:
            where = ("stacks", ir.stack, "ingress", "certificates", named)
            hint = did_you_mean(named, used) or "remove it"
            report.warning("NS882", where, f"no route has the certificate of Secret {named}", hint)
    if len(parts(ir)) > MOST_ORDER:
        message = f"the routes are {len(parts(ir))} Ingresses, and a group has {MOST_ORDER} in order"
        report.error("NS871", ("stacks", ir.stack, "ingress"), message, "fewer routes that share hosts")


def _said(route: HttpRoute) -> Iterator[_Finding]:
    for host in route.hosts:
        if len(host) > _LONGEST or not _HOST.match(host):
            yield "hosts", f"{host} is not a host of {_ALB}: letters after the last dot, 128 at most", "another name"
    for path in route.paths:
        if path.regex:
            if len(regex(path)) > _LONGEST_REGEX or "%" in path.path:
                room = _LONGEST_REGEX - len(regex(path)) + len(path.path)
                yield "paths", f"{path.path!r} is not a pattern of {_ALB}", f"at most {room} characters, and no %"
        elif not _PATH.match(path.path) or len(path.path) > _LONGEST:
            message = f"{path.path!r} is not a path of {_ALB}"
            yield "paths", message, f"letters, digits and _-.~:@+, at most {_LONGEST} of them"
        if len(path.backends) > _MOST_GROUPS or any(b.weight > _MOST_WEIGHT for b in path.backends):
            message = f"{_ALB} shares a path among {_MOST_GROUPS} backends, with weights of at most {_MOST_WEIGHT}"
            yield "paths", message, "fewer backends, or smaller weights"
    if route.sticky and route.sticky != COOKIE:
        yield "sticky", f"{_ALB} names its cookie itself", f"sticky: {{cookie: {COOKIE}}}"
    if route.grpc and not route.redirect_to_https:
        yield "protocol", f"{_ALB} speaks gRPC over HTTPS only", "add tls and redirectToHTTPS: true"
    yield from _login(route)


def _login(route: HttpRoute) -> Iterator[_Finding]:
    if route.oidc is None:
        return
    if None in (route.oidc.authorization, route.oidc.token, route.oidc.user_info):
        message = f"{_ALB} does not read the issuer's document"
        yield "oidc", message, "give authorizationEndpoint, tokenEndpoint and userInfoEndpoint"
    if route.oidc.provider is not None:
        message = f"{_ALB} asks a provider by its name alone, and over HTTPS"
        yield "oidc", message, "remove provider"
    if route.oidc.stand_in:
        yield "oidc", f"{_ALB} logs people in at a real provider, which has a client's own secret", "remove standIn"
    if route.allow_from:
        message = f"{_ALB} asks for a login before it says 403"
        yield "allowFrom", message, "limit the addresses of the whole load balancer, or make routes of two hosts"
