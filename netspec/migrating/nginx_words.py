"""ingress-nginx's annotations that a spec has no word for, or needs none; the others are read in nginx_options.py.

Source: kubernetes/ingress-nginx, docs/user-guide/nginx-configuration/annotations.md, of its last release.
"""

from netspec.migrating.account import Fate

_TUNING = "it tunes nginx, and no answer depends on it"
_LOG = "it is about nginx's logs"
_SNIPPET = "configuration of nginx itself, which let whoever writes an Ingress read the controller's Secrets"
_TIMEOUT = "the controller's own time holds"
_TRIES = "retries are of requests that no pod took, however long that is"
_CLIENT_CERT = "certificates of clients are not in the spec"
_TO_TLS = "HTTPS to the pods is not in the spec"
_WAF = "a web application firewall is not in the spec"
_TRACES = "which collector is in the controller's ConfigMap: name its Service in tracing"
_COOKIE = "the cookie's other attributes are the controller's"
_CANARY = "a canary by header or cookie is not in the spec: by weight is"
_HASH = "which pod gets a request is the controller's choice"
_REDIRECT = "a redirect to somewhere else than HTTPS is not in the spec"
_AUTH = "what the question carries, and how it is kept, is the controller's"
_LOGIN = "where one logs in is what the asked Service answers; with OpenID Connect, oidc needs no Service"
_GLOBAL_RATE = "limits over all of the controller's pods are not in the spec"
_RATE = "this limit is not in the spec: requests per second, minute or hour of one client are"

#: Annotation without its prefix -> what becomes of it, and why.
WORDS: dict[str, tuple[Fate, str]] = {
    **dict.fromkeys(
        (
            *("proxy-buffering", "proxy-buffers-number", "proxy-buffer-size", "proxy-busy-buffers-size"),
            *("proxy-max-temp-file-size", "client-body-buffer-size", "proxy-request-buffering", "proxy-http-version"),
            *("http2-push-preload", "service-upstream", "auth-keepalive", "auth-keepalive-requests"),
            *("auth-keepalive-share-vars", "auth-keepalive-timeout"),
        ),
        ("dropped", _TUNING),
    ),
    **dict.fromkeys(("enable-access-log", "enable-rewrite-log"), ("dropped", _LOG)),
    **dict.fromkeys(
        (
            *("configuration-snippet", "server-snippet", "stream-snippet", "auth-snippet", "modsecurity-snippet"),
            *("custom-headers", "connection-proxy-header"),
        ),
        ("lost", _SNIPPET),
    ),
    **dict.fromkeys(("proxy-connect-timeout", "proxy-send-timeout"), ("changed", _TIMEOUT)),
    **dict.fromkeys(("proxy-next-upstream-timeout", "proxy-next-upstream"), ("changed", _TRIES)),
    **dict.fromkeys(
        (
            *("auth-tls-secret", "auth-tls-verify-depth", "auth-tls-verify-client", "auth-tls-error-page"),
            *("auth-tls-pass-certificate-to-upstream", "auth-tls-match-cn"),
        ),
        ("lost", _CLIENT_CERT),
    ),
    **dict.fromkeys(
        (
            *("proxy-ssl-secret", "proxy-ssl-ciphers", "proxy-ssl-name", "proxy-ssl-protocols", "proxy-ssl-verify"),
            *("proxy-ssl-verify-depth", "proxy-ssl-server-name"),
        ),
        ("lost", _TO_TLS),
    ),
    **dict.fromkeys(
        ("enable-modsecurity", "enable-owasp-core-rules", "enable-owasp-modsecurity-crs", "modsecurity-transaction-id"),
        ("lost", _WAF),
    ),
    **dict.fromkeys(
        (
            *("enable-opentelemetry", "opentelemetry-trust-incoming-span", "opentelemetry-operation-name"),
            *("enable-opentracing", "opentracing-trust-incoming-span"),
        ),
        ("lost", _TRACES),
    ),
    **dict.fromkeys(
        (
            *("session-cookie-path", "session-cookie-domain", "session-cookie-change-on-failure"),
            *("session-cookie-samesite", "session-cookie-secure", "session-cookie-expires", "session-cookie-max-age"),
            *("session-cookie-conditional-samesite-none", "affinity-canary-behavior", "affinity-mode"),
        ),
        ("changed", _COOKIE),
    ),
    **dict.fromkeys(
        ("canary-by-header", "canary-by-header-value", "canary-by-header-pattern", "canary-by-cookie"),
        ("lost", _CANARY),
    ),
    **dict.fromkeys(
        ("load-balance", "upstream-hash-by", "upstream-hash-by-subset", "upstream-hash-by-subset-size"),
        ("lost", _HASH),
    ),
    **dict.fromkeys(
        (
            *("app-root", "permanent-redirect", "permanent-redirect-code", "temporal-redirect"),
            *("temporal-redirect-code", "from-to-www-redirect", "relative-redirects", "preserve-trailing-slash"),
        ),
        ("lost", _REDIRECT),
    ),
    **dict.fromkeys(
        (
            *("auth-cache-key", "auth-cache-duration", "auth-proxy-set-headers", "auth-method"),
            *("auth-request-redirect", "auth-always-set-cookie", "enable-global-auth"),
        ),
        ("lost", _AUTH),
    ),
    **dict.fromkeys(("auth-signin", "auth-signin-redirect-param"), ("lost", _LOGIN)),
    **dict.fromkeys(
        (
            *("global-rate-limit", "global-rate-limit-window", "global-rate-limit-key"),
            "global-rate-limit-ignored-cidrs",
        ),
        ("lost", _GLOBAL_RATE),
    ),
    **dict.fromkeys(("limit-connections", "limit-rate", "limit-rate-after", "limit-whitelist"), ("lost", _RATE)),
    **dict.fromkeys(
        ("proxy-cookie-domain", "proxy-cookie-path", "proxy-redirect-from", "proxy-redirect-to", "upstream-vhost"),
        ("lost", "what backends say of themselves is not rewritten"),
    ),
    **dict.fromkeys(("ssl-ciphers", "ssl-prefer-server-ciphers"), ("lost", "ciphers are those of the controller")),
    "fastcgi-index": ("lost", "backends that speak FCGI are not in the spec"),
    "fastcgi-params-configmap": ("lost", "backends that speak FCGI are not in the spec"),
    "limit-allowlist": ("lost", _RATE),
    "proxy-ssl-session-reuse": ("lost", _TO_TLS),
    "use-port-in-redirects": ("lost", _REDIRECT),
    "denylist-source-range": ("lost", "addresses that may not are not in the spec: those that may are (allowFrom)"),
    "disable-proxy-intercept-errors": ("lost", "error pages hold for the whole route"),
}

#: Without these a route would be open to more people than before: where one is lost, the route is left out.
PROTECTING = frozenset(
    (
        *("auth-type", "auth-secret", "auth-url", "enable-global-auth", "whitelist-source-range"),
        *("allowlist-source-range", "denylist-source-range", "auth-tls-secret", "auth-tls-verify-client"),
        *("auth-tls-match-cn", "enable-modsecurity", "enable-owasp-core-rules", "auth-snippet"),
    )
)
#: Words of nginx's configuration that keep people out.
KEEPS_OUT = ("deny ", "allow ", "auth_", "return 4", "satisfy ", "limit_except", "valid_referers")
