"""Which features are asked of which controller: those whose requests are among `ASKED`, by their names there."""

from netspec.target import Feature

#: Name in `tests.edge.test_controllers.ASKED` -> the feature.
NAMES: dict[str, Feature] = {
    "drawn": Feature.HTTP_ROUTES,
    "patterns": Feature.HTTP_REGEX,
    "rewrite": Feature.HTTP_REWRITE,
    "tls": Feature.HTTP_TLS,
    "redirect": Feature.HTTP_REDIRECT,
    "canary": Feature.HTTP_WEIGHTS,
    "grpc": Feature.HTTP_GRPC,
    "body": Feature.HTTP_MAX_BODY,
    "rate": Feature.HTTP_RATE_LIMIT,
    "allow": Feature.HTTP_ALLOW_FROM,
    "basic": Feature.HTTP_BASIC_AUTH,
    "asked": Feature.HTTP_EXTERNAL_AUTH,
    "cors": Feature.HTTP_CORS,
    "headers": Feature.HTTP_HEADERS,
    "errors": Feature.HTTP_ERROR_PAGES,
    "retries": Feature.HTTP_RETRIES,
    "sticky": Feature.HTTP_STICKY,
    "websocket": Feature.HTTP_WEB_SOCKET,
    "slow": Feature.HTTP_FIRST_BYTE,
    "late": Feature.HTTP_LAST_BYTE,
    "login": Feature.HTTP_OIDC,
    "mirror": Feature.HTTP_MIRROR,
    "traced": Feature.HTTP_TRACING,
    "unread": Feature.HTTP_PASSTHROUGH,
}
#: Name among what `tests.edge.test_gateway` asks -> the feature of Gateways.
GATEWAY_NAMES: dict[str, Feature] = {
    "drawn": Feature.GATEWAY_MATCHES,
    "redirect": Feature.GATEWAY_REDIRECT,
    "moved": Feature.GATEWAY_REDIRECT,
    "rewrite": Feature.GATEWAY_REWRITE,
    "to": Feature.GATEWAY_HEADERS,
    "from": Feature.GATEWAY_HEADERS,
    "mirror": Feature.GATEWAY_MIRROR,
    "cors": Feature.GATEWAY_CORS,
    "slow": Feature.GATEWAY_TIMEOUTS,
    "patient": Feature.GATEWAY_HTTP,
    "far": Feature.GATEWAY_HTTP,
    "weights": Feature.GATEWAY_HTTP,
    "grpc": Feature.GATEWAY_GRPC,
    "tcp": Feature.GATEWAY_TCP,
    "udp": Feature.GATEWAY_UDP,
    "secure": Feature.GATEWAYS,
    "sealed": Feature.GATEWAY_TLS,
}
#: Controller -> what it was asked.
SEEN: dict[str, frozenset[Feature]] = {
    # Routes drawn have wildcards, and HTTPS is asked of one that signs its certificate too.
    "traefik": frozenset(NAMES.values()) - {Feature.HTTP_LAST_BYTE, Feature.HTTP_OIDC}
    | {Feature.HTTP_WILDCARD, Feature.HTTP_SELF_SIGNED},
    "haproxy": frozenset(
        {
            Feature.HTTP_ROUTES,
            Feature.HTTP_WILDCARD,
            Feature.HTTP_REGEX,
            Feature.HTTP_REWRITE,
            Feature.HTTP_TLS,
            Feature.HTTP_SELF_SIGNED,
            Feature.HTTP_REDIRECT,
            Feature.HTTP_GRPC,
            Feature.HTTP_RATE_LIMIT,
            Feature.HTTP_ALLOW_FROM,
            Feature.HTTP_BASIC_AUTH,
            Feature.HTTP_EXTERNAL_AUTH,
            Feature.HTTP_CORS,
            Feature.HTTP_STICKY,
            Feature.HTTP_WEB_SOCKET,
            Feature.HTTP_FIRST_BYTE,
            Feature.HTTP_PASSTHROUGH,
        }
    ),
    "envoy-gateway": frozenset(GATEWAY_NAMES.values())
    | {
        Feature.HTTP_ROUTES,
        Feature.HTTP_REGEX,
        Feature.HTTP_REWRITE,
        Feature.HTTP_TLS,
        Feature.HTTP_REDIRECT,
        Feature.HTTP_WEIGHTS,
        Feature.HTTP_GRPC,
        Feature.HTTP_ALLOW_FROM,
        Feature.HTTP_BASIC_AUTH,
        Feature.HTTP_CORS,
        Feature.HTTP_HEADERS,
        Feature.HTTP_RETRIES,
        Feature.HTTP_STICKY,
        Feature.HTTP_WEB_SOCKET,
        Feature.HTTP_LAST_BYTE,
        Feature.HTTP_MIRROR,
        Feature.HTTP_TRACING,
        Feature.HTTP_OIDC,
        Feature.HTTP_PASSTHROUGH,
    },
    "traefik-gateway": frozenset(GATEWAY_NAMES.values())
    - {
        Feature.GATEWAY_TCP,
        Feature.GATEWAY_UDP,
        Feature.GATEWAY_MIRROR,
        Feature.GATEWAY_CORS,
        Feature.GATEWAY_TIMEOUTS,
    },
}
#: Controller -> what a verified cluster was seen to do, asked through its front door. The stack that CI brings up
#: (`STACKS`) gives each of them, so that it is asked again.
LIVE: dict[str, frozenset[Feature]] = {
    "traefik": frozenset(
        {
            Feature.HTTP_ROUTES,
            Feature.HTTP_REGEX,
            Feature.HTTP_WILDCARD,
            Feature.HTTP_REDIRECT,
            Feature.HTTP_WEIGHTS,
            Feature.HTTP_MAX_BODY,
            Feature.HTTP_ALLOW_FROM,
            Feature.HTTP_REWRITE,
            Feature.HTTP_TLS,
            Feature.HTTP_SELF_SIGNED,
            Feature.HTTP_RATE_LIMIT,
            Feature.HTTP_BASIC_AUTH,
            Feature.HTTP_CORS,
            Feature.HTTP_HEADERS,
            Feature.HTTP_ERROR_PAGES,
            Feature.HTTP_STICKY,
            Feature.HTTP_GRPC,
            Feature.HTTP_EXTERNAL_AUTH,
            Feature.HTTP_WEB_SOCKET,
            Feature.HTTP_FIRST_BYTE,
            Feature.HTTP_MIRROR,
            Feature.HTTP_TRACING,
            Feature.HTTP_PASSTHROUGH,
        }
    ),
    "haproxy": frozenset(
        {
            Feature.HTTP_ROUTES,
            Feature.HTTP_REGEX,
            Feature.HTTP_WILDCARD,
            Feature.HTTP_REDIRECT,
            Feature.HTTP_ALLOW_FROM,
            Feature.HTTP_REWRITE,
            Feature.HTTP_TLS,
            Feature.HTTP_SELF_SIGNED,
            Feature.HTTP_RATE_LIMIT,
            Feature.HTTP_BASIC_AUTH,
            Feature.HTTP_CORS,
            Feature.HTTP_STICKY,
            Feature.HTTP_GRPC,
            Feature.HTTP_EXTERNAL_AUTH,
            Feature.HTTP_WEB_SOCKET,
            Feature.HTTP_FIRST_BYTE,
            Feature.HTTP_PASSTHROUGH,
        }
    ),
    "envoy-gateway": SEEN["envoy-gateway"] - {Feature.HTTP_RETRIES},
}
#: Controller -> the specs below stacks/, each with its stack.
STACKS: dict[str, tuple[tuple[str, str], ...]] = {
    "traefik": (("edge.yaml", "edge"),),
    "haproxy": (("haproxy.yaml", "edge-haproxy"),),
    "envoy-gateway": (("front.yaml", "front"), ("gateways.yaml", "gateways")),
}
