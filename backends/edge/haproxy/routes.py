"""A route as an Ingress with annotations.

Source: jcmoraisjr/haproxy-ingress v0.16.1, pkg/converters/ingress (which object becomes what), rootfs/etc/templates/
haproxy/haproxy.tmpl (what HAProxy is told).
"""

from collections.abc import Iterator
from typing import Any

from netspec.analysis.routes import bare
from netspec.backends.edge.haproxy.patterns import patterns
from netspec.backends.edge.ingresses import BY_ANNOTATION, SAFE_HEADERS
from netspec.backends.edge.patterns import Written
from netspec.backends.objects import Manifest, manifest
from netspec.ir.http import Cors, HttpBackend, HttpPath, HttpRoute
from netspec.ir.model import Ir, Service, ServicePort

CLASS = "haproxy"
_KEY = "haproxy-ingress.github.io/"


def ingresses(ir: Ir) -> Iterator[tuple[HttpRoute, Manifest]]:
    written = patterns(ir.http)
    for route in ir.http:
        yield route, _ingress(ir, route, written)


def _ingress(ir: Ir, route: HttpRoute, written: Written) -> Manifest:
    annotations = {_KEY + key: value for key, value in options(ir, route).items()}
    rules: list[dict[str, Any]] = [
        {**({"host": host} if host else {}), "http": {"paths": _paths(ir, route, host, written)}}
        for host in route.hosts or ("",)
    ]
    if any(path["pathType"] == BY_ANNOTATION for rule in rules for path in rule["http"]["paths"]):
        annotations[_KEY + "path-type"] = "regex"
    spec: dict[str, Any] = {"ingressClassName": CLASS, "rules": rules}
    if route.tls is not None:
        spec["tls"] = [{"hosts": list(route.hosts)} | ({"secretName": route.tls} if route.tls else {})]
    return manifest("networking.k8s.io/v1", "Ingress", route.name, route.namespace, annotations=annotations, spec=spec)


def _paths(ir: Ir, route: HttpRoute, host: str, written: Written) -> list[dict[str, Any]]:
    return [
        {"path": text, "pathType": kind, "backend": _backend(ir, route, path.backends[0])}
        for path in route.paths
        for text, kind in _matches(ir, host, path, written)
    ]


def _matches(ir: Ir, host: str, path: HttpPath, written: Written) -> Iterator[tuple[str, str]]:
    """Below a host with a wildcard its prefixes are regular expressions that have no end, so that /a takes /ab: it and
    what is below it are told apart there, but where another rule has the path itself."""
    if (text := written.get((host, path))) is not None:
        yield text, BY_ANNOTATION
        return
    prefix = bare(path)
    if path.exact or not prefix or not host.startswith("*."):
        yield prefix or "/", "Exact" if path.exact else "Prefix"
        return
    taken = {p.path for r in ir.http if host in r.hosts for p in r.paths if p.exact}
    if prefix not in taken:
        yield prefix, "Exact"
    yield f"{prefix}/", "Prefix"


def _backend(ir: Ir, route: HttpRoute, backend: HttpBackend) -> dict[str, Any]:
    service, port = service_port(ir, route, backend)
    said = reference(service, port)
    # Where none is right the spec is refused (NS871).
    said = backend.port if said is None else said
    return {"service": {"name": backend.service, "port": {"number": said} if isinstance(said, int) else {"name": said}}}


def service_port(ir: Ir, route: HttpRoute, backend: HttpBackend) -> tuple[Service, ServicePort]:
    service = ir.services_by_id[f"{backend.namespace or route.namespace}/{backend.service}"]
    return service, next(p for p in service.ports if backend.port in (p.port, p.name))


def found(service: Service, text: str) -> ServicePort | None:
    """The port that the controller takes for this name or number: the first of that name or with that target, before
    any of that number."""
    for port in service.ports:
        if text in (port.name, str(port.target_port)):
            return port
    return next((port for port in service.ports if str(port.port) == text), None)


def reference(service: Service, port: ServicePort) -> int | str | None:
    """By what an Ingress means this port; None where the controller takes another one by either."""
    said: tuple[int | str, ...] = (port.port, port.name) if port.name else (port.port,)
    return next((text for text in said if found(service, str(text)) == port), None)


def target(ir: Ir, route: HttpRoute, backend: HttpBackend) -> tuple[str, str, str]:
    """What the controller knows a backend by, and counts and configures as one."""
    service, port = service_port(ir, route, backend)
    return service.namespace, service.name, str(port.target_port)


def of_service(route: HttpRoute) -> dict[str, str]:
    """What the controller has for a Service's port, whichever Ingress says it."""
    out = {}
    if route.passthrough:
        # Plain HTTP of such a host it redirects by itself.
        out["ssl-passthrough"] = "true"
    if route.grpc:
        out["backend-protocol"] = "h2"
    if route.rate_limit is not None:
        out["limit-rps"] = str(route.rate_limit.requests)
    if route.timeouts.first_byte is not None:
        out["timeout-server"] = f"{route.timeouts.first_byte}s"
    if route.sticky:
        out |= {"affinity": "cookie", "session-cookie-name": route.sticky}
    if route.external_auth is not None and route.external_auth.response_headers:
        # Those that the Service does not answer with would else be the client's own: without a value then.
        emptied = (f"{name}: %[var(txn.netspec)]" for name in route.external_auth.response_headers)
        out["headers"] = "\n".join(emptied)
    return out


def options(ir: Ir, route: HttpRoute) -> dict[str, str]:
    """By the controller's keys."""
    out = of_service(route) | {"ssl-redirect": "true" if route.redirect_to_https else "false"}
    if route.allow_from:
        out["allowlist-source-range"] = ",".join(map(str, route.allow_from))
    if (basic := route.basic_auth) is not None:
        out |= {"auth-secret": basic.secret} | ({"auth-realm": basic.realm} if basic.realm else {})
    if (asked := route.external_auth) is not None:
        # The port by its target, by which alone the controller finds the backend that it has made of it.
        _, service, port = target(ir, route, asked.backend)
        out["auth-url"] = f"svc://{service}:{port}{asked.path}"
        # Left out, all of them are copied.
        out["auth-headers-succeed"] = ",".join(asked.response_headers) or "-"
    if route.cors is not None:
        out |= _cors(route.cors)
    if route.rewrite is not None:
        whole = route.rewrite.path or (route.rewrite.prefix or "/").rstrip("/") or "/"
        # In a format of HAProxy's a percent sign begins a variable.
        out["rewrite-target"] = whole.replace("%", "%%")
    return out


def _cors(cors: Cors) -> dict[str, str]:
    exposed = {"cors-expose-headers": ",".join(cors.expose_headers)} if cors.expose_headers else {}
    return {
        "cors-enable": "true",
        "cors-allow-origin": "*" if "*" in cors.origins else ",".join(cors.origins),
        "cors-allow-methods": ",".join(cors.methods),
        "cors-allow-headers": ",".join(cors.headers or SAFE_HEADERS),
        "cors-allow-credentials": "true" if cors.credentials else "false",
        "cors-max-age": str(cors.max_age),
        **exposed,
    }
