"""An HTTP route of the file as IR, every default filled in."""

from netspec.ir import http as ir
from netspec.passes.context import Context
from netspec.spec import http as spec
from netspec.spec.types import network


def http_route(given: spec.IngressRoute, context: Context, index: int) -> ir.HttpRoute:
    limit, basic, rewrite = given.rate_limit, given.basic_auth, given.rewrite
    return ir.HttpRoute(
        namespace=given.namespace,
        name=given.name,
        hosts=tuple(given.hosts),
        paths=tuple(
            ir.HttpPath(p.path, p.type == "Exact", tuple(map(_backend, p.backends)), p.type == "Regex")
            for p in given.paths
        ),
        tls=None if given.tls is None or given.tls.passthrough else given.tls.secret or "",
        passthrough=given.tls is not None and given.tls.passthrough,
        tls_stand_in=given.tls is not None and given.tls.stand_in,
        redirect_to_https=given.redirect_to_https,
        grpc=given.protocol == "grpc",
        max_body_size=given.max_body_size,
        rate_limit=None if limit is None else ir.RateLimit(limit.requests, limit.per, limit.burst),
        allow_from=tuple(network(c) for c in given.allow_from),
        basic_auth=None if basic is None else ir.BasicAuth(basic.secret, basic.realm, basic.stand_in),
        external_auth=_external_auth(given.external_auth),
        cors=_cors(given.cors),
        request_headers=_headers(given.request_headers),
        response_headers=_headers(given.response_headers),
        rewrite=None if rewrite is None else ir.Rewrite(rewrite.prefix, rewrite.path),
        error_pages=_error_pages(given.error_pages),
        retries=given.retries,
        sticky=None if given.sticky is None else given.sticky.cookie,
        web_socket=given.web_socket,
        timeouts=_timeouts(given.timeouts),
        mirror=None if given.mirror is None else ir.HttpBackend(given.mirror.service, given.mirror.port),
        tracing=_tracing(given),
        oidc=_oidc(given),
        place=context.place(context.loaded.path("ingress", index)),
    )


def _backend(given: spec.HttpBackend) -> ir.HttpBackend:
    return ir.HttpBackend(given.service, given.port, given.weight)


def _external_auth(given: spec.ExternalAuth | None) -> ir.ExternalAuth | None:
    if given is None:
        return None
    return ir.ExternalAuth(ir.HttpBackend(given.service, given.port), given.path, tuple(given.response_headers))


def _error_pages(given: spec.ErrorPages | None) -> ir.ErrorPages | None:
    if given is None:
        return None
    return ir.ErrorPages(tuple(given.statuses), ir.HttpBackend(given.service, given.port), given.path)


def _cors(given: spec.Cors | None) -> ir.Cors | None:
    if given is None:
        return None
    return ir.Cors(
        tuple(given.origins),
        tuple(given.methods),
        tuple(given.headers),
        tuple(given.expose_headers),
        given.credentials,
        given.max_age,
    )


def _headers(given: spec.Headers | None) -> ir.Headers:
    return ir.Headers() if given is None else ir.Headers(tuple(sorted(given.set.items())), tuple(given.remove))


def _timeouts(given: spec.Timeouts | None) -> ir.Timeouts:
    return ir.Timeouts(None, None) if given is None else ir.Timeouts(given.first_byte_seconds, given.last_byte_seconds)


def _tracing(route: spec.IngressRoute) -> ir.Tracing | None:
    given = route.tracing
    return None if given is None else ir.Tracing(_elsewhere(route, given), given.percent)


def _elsewhere(route: spec.IngressRoute, given: spec.Tracing | spec.OidcProvider) -> ir.HttpBackend:
    """A Service that may be another namespace's."""
    namespace = "" if given.namespace in (None, route.namespace) else given.namespace or ""
    return ir.HttpBackend(given.service, given.port, namespace=namespace)


def _oidc(route: spec.IngressRoute) -> ir.Oidc | None:
    if (given := route.oidc) is None:
        return None
    return ir.Oidc(
        given.issuer,
        given.authorization_endpoint,
        given.token_endpoint,
        given.user_info_endpoint,
        given.secret,
        tuple(dict.fromkeys(("openid", *given.scopes))),
        given.stand_in,
        None if given.provider is None else _elsewhere(route, given.provider),
    )
