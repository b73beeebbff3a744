"""What an Application Load Balancer, or its controller, cannot be told of Gateways and routes: NS881, NS882, NS970.

Where a condition would take more requests than the API's match, the match is refused.

Sources: kubernetes-sigs/aws-load-balancer-controller 3.5, pkg/gateway (routeutils, model) and docs/guide/gateway; AWS
docs, Application Load Balancers: condition types, quotas; Elastic Load Balancing API, RedirectActionConfig.
"""

import re
from collections.abc import Iterator

from netspec.analysis.callees import backend_port
from netspec.analysis.gateway_routes import Entry, Listening
from netspec.backends.edge.aws_lbc.checks import HOST, LONGEST, MOST_GROUPS, MOST_WEIGHT, PATH, certificates
from netspec.backends.edge.aws_lbc.routes import MOST_VALUES
from netspec.backends.edge.aws_lbc.settings import AwsAlbGatewaySettings
from netspec.backends.edge.gatewayapi import overlapping
from netspec.diagnostics import Report
from netspec.ir.gateways import OF_REQUESTS, Listener, NewPath
from netspec.ir.model import Ir

_ALB, _LBC = "an Application Load Balancer", "AWS Load Balancer Controller"
#: Of a header. It compares values whatever their letters' case is, * and ? are wildcards, and the controller makes
#: several values of one with commas.
_NAME, _VALUE = re.compile(r".{1,40}\Z"), re.compile(r"[0-9 _.:/@+=-]{1,128}\Z")
_STATUSES, _H2C = (301, 302), "kubernetes.io/h2c"
#: (what is wrong, what to do)
_Finding = tuple[str, str]


def check(ir: Ir, settings: AwsAlbGatewaySettings, report: Report) -> None:
    listeners = [x for gateway in ir.gateways for x in gateway.listeners]
    secrets = [
        (f"{namespace}/{name}", (*x.place.path, "tls", "certificateRefs", i))
        for x in listeners
        for i, (namespace, name) in enumerate(x.certificates)
    ]
    certificates(("stacks", ir.stack, "gateway"), settings.certificates, secrets, "listener", report)
    overlapping(ir, _LBC, report)
    for listener in listeners:
        for option, message, hint in _of_listener(listener):
            report.error("NS970", (*listener.place.path, option), message, hint)
    told = set()
    for entry in Listening.of(ir).entries:
        where = (*entry.route.place.path, "rules", entry.number)
        for finding in (*_said(entry), *_spoken(ir, entry)):
            if (where, finding) not in told:
                told.add((where, finding))
                report.error("NS970", where, *finding)


def _of_listener(listener: Listener) -> Iterator[tuple[str, str, str]]:
    if listener.protocol not in ("HTTP", "HTTPS"):
        yield "protocol", f"{_ALB} has no listeners of {listener.protocol}", "HTTP or HTTPS, or another controller"
    if others := [kind for _, kind in listener.kinds or () if kind not in OF_REQUESTS]:
        yield "allowedRoutes", f"{_LBC} refuses a listener that takes a {others[0]}", "HTTPRoute and GRPCRoute alone"


def _said(entry: Entry) -> Iterator[_Finding]:
    yield from _conditions(entry)
    rule = entry.rule
    if len(rule.backends) > MOST_GROUPS or any(b.weight > MOST_WEIGHT for b in rule.backends):
        message = f"{_ALB} shares a rule among {MOST_GROUPS} backends, with weights of at most {MOST_WEIGHT}"
        yield message, "fewer backends, or smaller weights"
    if len({(b.namespace, b.service, b.port) for b in rule.backends}) < len(rule.backends):
        yield f"to {_ALB} a Service's port is one target of a rule", "add up its weights"
    yield from _redirect(entry)
    if rule.rewrite is not None and rule.rewrite.path is not None:
        yield from _replaced(entry, rule.rewrite.path)


def _spoken(ir: Ir, entry: Entry) -> Iterator[_Finding]:
    """Behind a listener of HTTP it has HTTP/1.1 alone."""
    if entry.listener.protocol == "HTTPS":
        return
    found = (backend_port(ir, entry.route, b) for b in entry.rule.backends)
    is_h2c = any(port.app_protocol == _H2C for _, port in filter(None, found))
    if entry.route.kind == "GRPCRoute" or is_h2c:
        what = "HTTP/2 in clear to pods" if is_h2c else "gRPC"
        yield f"{_ALB} speaks {what} for listeners of HTTPS only", "a parentRef with a listener of HTTPS alone"


def _conditions(entry: Entry) -> Iterator[_Finding]:
    match, host = entry.match, entry.host
    if host and (len(host) > LONGEST or not HOST.match(host)):
        yield f"{host} is not a host of {_ALB}: letters after the last dot, {LONGEST} at most", "another name"
    if not PATH.match(match.bare or "/") or len(match.bare) > LONGEST:
        yield f"{match.path!r} is not a path of {_ALB}", f"letters, digits and _-.~:@+, at most {LONGEST} of them"
    if match.query:
        yield f"{_ALB} compares parameters of a query whatever their letters' case is", "a header, or a path"
    for name, value in match.headers:
        if not _NAME.match(name) or not _VALUE.match(value):
            message = f"{_ALB} does not compare {name} with {value!r} exactly: letters in either case, * and ?"
            yield message, "a name of 40 characters, a value of digits and _-.:/@+= alone"
    paths = 1 if match.exact or not match.bare or entry.route.kind == "GRPCRoute" else 2
    if (values := bool(host) + paths + bool(match.method) + len(match.headers)) > MOST_VALUES:
        message = f"a rule of {_ALB} compares {MOST_VALUES} values, and this one has {values}"
        yield message, "fewer headers; a host is one value, a prefix two"


def _redirect(entry: Entry) -> Iterator[_Finding]:
    if (redirect := entry.rule.redirect) is None:
        return
    if redirect.status not in _STATUSES:
        yield f"{_ALB} redirects by {' or '.join(map(str, _STATUSES))}", "statusCode: 301, or 302"
    own = (entry.listener.protocol.lower(), entry.listener.port)
    scheme = redirect.scheme or own[0]
    port = redirect.port or (own[1] if not redirect.scheme else {"http": 80, "https": 443}[scheme])
    is_whole = redirect.path is not None and redirect.path.whole
    if (scheme, port) == own and not redirect.hostname and not is_whole:
        what = f"{entry.gateway.id}/{entry.listener.name}"
        message = f"{_ALB} takes a redirect to the same scheme, host and port for a loop, as this one is from {what}"
        yield message, "another scheme, hostname or port, or ReplaceFullPath"
    if redirect.path is not None:
        yield from _replaced(entry, redirect.path)


def _replaced(entry: Entry, new: NewPath) -> Iterator[_Finding]:
    """What the controller has for it is a regular expression of the prefix as it is, and of a slash behind that."""
    if not PATH.match(new.value):
        yield f"{new.value!r} is not a path that {_LBC} puts in place of another", "letters, digits and _-.~:@+"
    if new.whole:
        return
    if not entry.match.bare:
        yield f"{_LBC} puts the new prefix of / before a path without a slash", "ReplaceFullPath, or a longer prefix"
    if "+" in entry.match.bare:
        yield f"to {_LBC} a + in a prefix that is replaced is an operator", "a prefix without it"
    if new.value != "/" and new.value.endswith("/"):
        yield f"{_LBC} keeps the slash at the end of {new.value}", f"replacePrefixMatch: {new.value.rstrip('/')}"
