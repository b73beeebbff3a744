"""What an Application Load Balancer cannot be told of a route: NS871, NS881, NS882.

Sources: AWS docs, Application Load Balancers: quotas, condition types for listener rules, authenticate users; the
controller's docs/guide/ingress/annotations.md.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from netspec.backends.edge.aws_lbc.routes import COOKIE, MOST_ORDER, parts, regex
from netspec.backends.edge.aws_lbc.settings import AwsAlbSettings
from netspec.backends.edge.ingresses import https_has_hosts
from netspec.diagnostics import Path, Report
from netspec.ir.http import HttpRoute
from netspec.ir.model import Ir
from netspec.spec.types import did_you_mean

_ALB = "an Application Load Balancer"
#: Of a condition's path and host, without what the controller puts behind a prefix.
PATH, LONGEST = re.compile(r"/[A-Za-z0-9_.~:@+/-]*\Z"), 126
_LONGEST_REGEX = 128
HOST = re.compile(r".*\.[a-z]+\Z")
MOST_GROUPS, MOST_WEIGHT = 5, 999
#: (the option of the route, what is wrong with it, what to do)
_Finding = tuple[str, str, str]


def check(ir: Ir, settings: AwsAlbSettings, report: Report) -> None:
    https_has_hosts(ir, _ALB, report)
    for route in ir.http:
        for option, message, hint in _said(route):
            report.error("NS871", (*route.place.path, option), message, hint)
    secrets = [(f"{r.namespace}/{r.tls}", (*r.place.path, "tls")) for r in ir.http if r.tls]
    certificates(("stacks", ir.stack, "ingress"), settings.certificates, secrets, "route", report)
    if len(parts(ir)) > MOST_ORDER:
        message = f"the routes are {len(parts(ir))} Ingresses, and a group has {MOST_ORDER} in order"
        report.error("NS871", ("stacks", ir.stack, "ingress"), message, "fewer routes that share hosts")


def certificates(
    stack: Path, given: Mapping[str, str], secrets: Sequence[tuple[str, Path]], of: str, report: Report
) -> None:
    """NS881, NS882. `stack`: the entry that has `given`. `secrets`: by namespace and name, and where they are named."""
    for named, where in secrets:
        if named not in given:
            message = f"{_ALB} takes certificates of ACM, and the stack does not say which stands for Secret {named}"
            hint = did_you_mean(named, given) or f'{stack[-1]}.certificates: {{{named}: "arn:aws:acm:..."}}'
            report.error("NS881", where, message, hint)
    used = {named for named, _ in secrets}
    for named in given:
        if named not in used:
            hint = did_you_mean(named, used) or "remove it"
            message = f"no {of} has the certificate of Secret {named}"
            report.warning("NS882", (*stack, "certificates", named), message, hint)


def _said(route: HttpRoute) -> Iterator[_Finding]:
    for host in route.hosts:
        if len(host) > LONGEST or not HOST.match(host):
            yield "hosts", f"{host} is not a host of {_ALB}: letters after the last dot, 128 at most", "another name"
    for path in route.paths:
        if path.regex:
            if len(regex(path)) > _LONGEST_REGEX or "%" in path.path:
                room = _LONGEST_REGEX - len(regex(path)) + len(path.path)
                yield "paths", f"{path.path!r} is not a pattern of {_ALB}", f"at most {room} characters, and no %"
        elif not PATH.match(path.path) or len(path.path) > LONGEST:
            message = f"{path.path!r} is not a path of {_ALB}"
            yield "paths", message, f"letters, digits and _-.~:@+, at most {LONGEST} of them"
        if len(path.backends) > MOST_GROUPS or any(b.weight > MOST_WEIGHT for b in path.backends):
            message = f"{_ALB} shares a path among {MOST_GROUPS} backends, with weights of at most {MOST_WEIGHT}"
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
