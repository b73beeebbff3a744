"""ingress-nginx's annotations that a spec has a word for: each function reads those of one option of a route.

It takes what `Reader` gives of the annotations, says what became of each it looked at, and fills in the route.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from netspec.migrating.account import Fate

Route = dict[str, Any]
Told = Callable[[str, Fate, str], None]

_SIZE = re.compile(r"(\d+)\s*([kKmMgG]?)\Z")
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
#: The controller's default, in bytes (ConfigMap proxy-body-size: 1m).
BODY = 1 << 20
#: Of limit-burst-multiplier.
_BURST = 5
_CORS_METHODS = ("GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS")
_CORS_HEADERS = (
    *("DNT", "Keep-Alive", "User-Agent", "X-Requested-With", "If-Modified-Since", "Cache-Control", "Content-Type"),
    *("Range", "Authorization"),
)
_CORS_AGE, _LONGEST_AGE = 1728000, 86400
#: A year, with subdomains (ConfigMap hsts: true).
HSTS = "max-age=31536000; includeSubDomains"
_SECONDS, _LONGEST_TIMEOUT = re.compile(r"(\d+)s?\Z"), 3600
_SERVICE_HOST = re.compile(r"([a-z0-9-]+)\.([a-z0-9-]+)(\.svc(\.cluster\.local)?)?\Z")


def is_true(text: str) -> bool:
    """As Go's strconv.ParseBool."""
    return text in ("1", "t", "T", "true", "TRUE", "True")


def words(text: str) -> list[str]:
    return [word for word in re.split(r"[,\s]+", text) if word]


def body(given: Mapping[str, str], route: Route, tell: Told) -> None:
    text = given.get("proxy-body-size")
    if route.get("protocol") == "grpc":
        if text is not None:
            tell("proxy-body-size", "lost", "a limit of the body makes streams of gRPC wait for their end")
        return
    size = _SIZE.match(text) if text is not None else None
    if text is None:
        route["maxBodySize"] = BODY
        tell("proxy-body-size (default)", "carried", "ingress-nginx takes 1m where nothing is said: maxBodySize: 1Mi")
    elif size is None:
        tell("proxy-body-size", "lost", f"{text!r} is not a size of nginx")
    elif int(size[1]) == 0:
        tell("proxy-body-size", "carried", "no limit: no maxBodySize")
    else:
        route["maxBodySize"] = int(size[1]) * _UNITS[size[2].lower()]
        tell("proxy-body-size", "carried", f"maxBodySize: {route['maxBodySize']}")


def redirect(given: Mapping[str, str], route: Route, tell: Told) -> None:
    force, plain = given.get("force-ssl-redirect"), given.get("ssl-redirect")
    has_tls = "tls" in route
    wanted = (force is not None and is_true(force)) or (has_tls and (plain is None or is_true(plain)))
    if wanted and has_tls:
        route["redirectToHTTPS"] = True
    code = "the answer is the controller's 301 or 302, where ingress-nginx says 308"
    if force is not None:
        if is_true(force) and not has_tls:
            tell("force-ssl-redirect", "lost", "HTTPS ends before the cluster: who ends it redirects")
        else:
            tell("force-ssl-redirect", "changed" if is_true(force) else "carried", code if is_true(force) else "off")
    if plain is not None:
        fate: Fate = "changed" if has_tls and is_true(plain) else "carried"
        tell("ssl-redirect", fate, code if fate == "changed" else "no redirect")
    elif has_tls and force is None:
        tell("ssl-redirect (default)", "changed", f"on where there is TLS: redirectToHTTPS: true; {code}")


def hsts(given: Mapping[str, str], route: Route, tell: Told) -> None:
    if "tls" in route:
        route.setdefault("responseHeaders", {}).setdefault("set", {})["Strict-Transport-Security"] = HSTS
        tell("hsts (default)", "carried", "ingress-nginx sends it over HTTPS where nothing is said: responseHeaders")


def allow(given: Mapping[str, str], route: Route, tell: Told) -> None:
    for name in ("whitelist-source-range", "allowlist-source-range"):
        if (text := given.get(name)) is not None:
            route["allowFrom"] = [w if "/" in w else f"{w}/{128 if ':' in w else 32}" for w in words(text)]
            tell(name, "carried", "allowFrom; it needs a controller that sees the clients' addresses (NS844)")


def rate(given: Mapping[str, str], route: Route, tell: Told) -> None:
    multiplier = given.get("limit-burst-multiplier", "")
    factor = int(multiplier) if multiplier.isdigit() and int(multiplier) else _BURST
    found = [(n, per) for n, per in (("limit-rps", "second"), ("limit-rpm", "minute")) if n in given]
    for name, per in found:
        text = given[name]
        if not text.isdigit() or not int(text):
            tell(name, "lost", f"{text!r} is not a number of requests")
        elif "rateLimit" in route:
            tell(name, "lost", "a route has one limit; that of limit-rps is kept")
        else:
            route["rateLimit"] = {"requests": int(text), "per": per, "burst": int(text) * factor}
            tell(
                name,
                "changed",
                "rateLimit; more get 429, where ingress-nginx says 503; each controller pod counts alone",
            )
    if multiplier:
        tell("limit-burst-multiplier", "carried" if "rateLimit" in route else "dropped", "the burst of rateLimit")


def cors(given: Mapping[str, str], route: Route, tell: Told) -> None:
    own = [name for name in given if name.startswith("cors-")]
    if not is_true(given.get("enable-cors", "")):
        for name in (*own, *(("enable-cors",) if "enable-cors" in given else ())):
            tell(name, "dropped", "CORS is off")
        return
    origins = words(given.get("cors-allow-origin", "*"))
    with_cookies = is_true(given.get("cors-allow-credentials", "true"))
    age = given.get("cors-max-age", str(_CORS_AGE))
    route["cors"] = {
        "origins": origins,
        "methods": words(given.get("cors-allow-methods", ",".join(_CORS_METHODS))),
        "headers": words(given.get("cors-allow-headers", ",".join(_CORS_HEADERS))),
        "credentials": with_cookies and "*" not in origins,
        "maxAge": min(int(age) if age.isdigit() else _CORS_AGE, _LONGEST_AGE),
    }
    if exposed := words(given.get("cors-expose-headers", "")):
        route["cors"]["exposeHeaders"] = exposed
    tell("enable-cors", "carried", "cors, with ingress-nginx's defaults written out")
    for name in own:
        if name == "cors-allow-credentials" and with_cookies and "*" in origins:
            tell(name, "changed", "browsers send no cookies to what any origin may use: credentials: false")
        elif name == "cors-max-age" and age.isdigit() and int(age) > _LONGEST_AGE:
            tell(name, "changed", f"{_LONGEST_AGE} seconds, which is the most that browsers keep it")
        else:
            tell(name, "carried", "cors")


def basic(given: Mapping[str, str], route: Route, tell: Told) -> None:
    kind, secret, realm = given.get("auth-type"), given.get("auth-secret"), given.get("auth-realm")
    own = route["namespace"]
    names = [n for n in ("auth-type", "auth-secret", "auth-realm", "auth-secret-type") if n in given]
    if kind is None or secret is None:
        why = "without auth-type and auth-secret nobody has to log in"
    elif kind != "basic":
        why = f"auth-type {kind} is not in the spec: basic is"
    elif "/" in secret and secret.partition("/")[0] != own:
        why = "the Secret is of another namespace"
    elif given.get("auth-secret-type", "auth-file") != "auth-file":
        why = "a Secret with one key a user is not read by other controllers: make a file of its lines"
    else:
        route["basicAuth"] = {"secret": secret.rpartition("/")[2]} | ({"realm": realm} if realm else {})
        for name in names:
            tell(
                name,
                "changed" if name == "auth-secret" else "carried",
                _HASHES if name == "auth-secret" else "basicAuth",
            )
        return
    for name in names:
        tell(name, "dropped" if kind is None and secret is None else "lost", why)


_HASHES = "basicAuth; the key is called users there, and which hashes are read is the controller's: docs/edge.md"


def external(given: Mapping[str, str], route: Route, tell: Told) -> None:
    url = given.get("auth-url")
    if url is None:
        if "auth-response-headers" in given:
            tell("auth-response-headers", "dropped", "without auth-url nobody is asked")
        return
    parts = urlsplit(url)
    host = _SERVICE_HOST.match(parts.hostname or "") if "$" not in url else None
    if host is None or parts.scheme != "http" or host[2] != route["namespace"] or parts.query:
        tell("auth-url", "lost", "who is asked must be a Service of the route's namespace, over HTTP: externalAuth")
        if "auth-response-headers" in given:
            tell("auth-response-headers", "lost", "as auth-url")
        return
    asked: Route = {"service": host[1], "port": parts.port or 80, "path": parts.path or "/"}
    if copied := words(given.get("auth-response-headers", "")):
        asked["responseHeaders"] = copied
        tell("auth-response-headers", "carried", "externalAuth.responseHeaders")
    route["externalAuth"] = asked
    tell("auth-url", "changed", "externalAuth; which headers of the request the Service sees is the controller's")


def protocol(given: Mapping[str, str], route: Route, tell: Told) -> None:
    text = given.get("backend-protocol")
    if text is None:
        return
    if text.upper() == "GRPC":
        route["protocol"] = "grpc"
        tell("backend-protocol", "carried", "protocol: grpc")
    elif text.upper() in ("HTTP", "AUTO_HTTP"):
        tell("backend-protocol", "carried", "HTTP")
    else:
        tell("backend-protocol", "lost", f"backends that speak {text} are not in the spec: HTTP and gRPC in clear are")


def sticky(given: Mapping[str, str], route: Route, tell: Told) -> None:
    kind, name = given.get("affinity"), given.get("session-cookie-name")
    if kind == "cookie":
        cookie = name or "INGRESSCOOKIE"
        if re.fullmatch(r"[A-Za-z0-9-]+", cookie):
            route["sticky"] = {"cookie": cookie}
            tell("affinity", "changed", "sticky; its cookie is another one: each client may get another pod once")
        else:
            route["sticky"] = {}
            tell("affinity", "changed", f"sticky; {cookie!r} cannot be its cookie's name")
    elif kind is not None:
        tell("affinity", "lost", f"affinity {kind!r} is not in the spec: cookie is")
    if name is not None:
        tell("session-cookie-name", "carried" if kind == "cookie" else "dropped", "sticky.cookie")


def errors(given: Mapping[str, str], route: Route, tell: Told) -> None:
    codes, service = given.get("custom-http-errors"), given.get("default-backend")
    if codes is None:
        if service is not None:
            tell("default-backend", "lost", "a backend for where there are no pods is not in the spec: errorPages are")
        return
    statuses = [code for code in words(codes) if re.fullmatch(r"[345]\d\d", code)]
    if service is None or not statuses:
        tell("custom-http-errors", "lost", "the controller's own default backend answers: name a Service in errorPages")
        if service is not None:
            tell("default-backend", "lost", "without statuses it has nothing to answer")
        return
    route["errorPages"] = {"statuses": statuses, "service": service, "port": 80}
    note = "the Service is asked for /STATUS.html, where ingress-nginx asks for / with X-Code; port 80 is a guess"
    tell("custom-http-errors", "changed", f"errorPages; {note}")
    tell("default-backend", "changed", "errorPages.service alone; where there are no pods the answer is 503")


def retries(given: Mapping[str, str], route: Route, tell: Told) -> None:
    text = given.get("proxy-next-upstream-tries")
    if text is None:
        return
    if text.isdigit() and 2 <= int(text) <= 11:
        route["retries"] = int(text) - 1
        tell("proxy-next-upstream-tries", "changed", "retries, of requests that no pod took, POST included")
    else:
        tell("proxy-next-upstream-tries", "changed", "no retries" if text == "1" else "retries are at most 10: none")


def read_timeout(given: Mapping[str, str], route: Route, tell: Told) -> None:
    """Between two reads of an answer, of which the first is what a spec has a word for."""
    text = given.get("proxy-read-timeout")
    if text is None:
        return
    found = _SECONDS.match(text)
    if found is None or not int(found[1]):
        tell("proxy-read-timeout", "lost", f"{text!r} is not a number of seconds")
        return
    seconds = min(int(found[1]), _LONGEST_TIMEOUT)
    route["timeouts"] = {"firstByteSeconds": seconds}
    more = "" if seconds == int(found[1]) else f"; {_LONGEST_TIMEOUT} is the most"
    note = "what an answer or a WebSocket that has begun may pause is the controller's"
    tell("proxy-read-timeout", "changed", f"timeouts.firstByteSeconds: {seconds}{more}; {note}")


def mirror(given: Mapping[str, str], route: Route, tell: Told) -> None:
    url, names = given.get("mirror-target"), ("mirror-target", "mirror-request-body", "mirror-host")
    plain = url.removesuffix("$request_uri") if url is not None else ""
    parts = urlsplit(plain)
    host = _SERVICE_HOST.match(parts.hostname or "") if "$" not in plain else None
    is_service = host is not None and parts.scheme == "http" and parts.path in ("", "/") and url != plain
    if url is None:
        fate, why = "dropped", "without mirror-target nothing is copied"
    elif host is None or not is_service or host[2] != route["namespace"]:
        fate, why = "lost", "copies go to a Service of the route's namespace, with the request's own path: mirror"
    else:
        route["mirror"] = {"service": host[1], "port": parts.port or 80}
        fate, why = "changed", "mirror; the copy's Host and its body are the controller's"
    for name in (n for n in names if n in given):
        tell(name, "lost" if fate == "lost" else "dropped" if fate == "dropped" else "changed", why)


def prefix_header(given: Mapping[str, str], route: Route, tell: Told) -> None:
    text = given.get("x-forwarded-prefix")
    if text is None:
        return
    route.setdefault("requestHeaders", {}).setdefault("set", {})["X-Forwarded-Prefix"] = text
    tell("x-forwarded-prefix", "carried", "requestHeaders")


def alias(given: Mapping[str, str], route: Route, tell: Told) -> None:
    text = given.get("server-alias")
    if text is None:
        return
    plain = [word for word in words(text) if not word.startswith("~")]
    route["hosts"] = list(dict.fromkeys((*route.get("hosts", ()), *plain)))
    fate: Fate = "carried" if len(plain) == len(words(text)) else "lost"
    tell("server-alias", fate, "hosts" if fate == "carried" else "hosts by regular expression are not in the spec")


def satisfy(given: Mapping[str, str], route: Route, tell: Told) -> None:
    text = given.get("satisfy")
    if text == "all":
        tell("satisfy", "carried", "every check must pass")
    elif text is not None:
        tell("satisfy", "lost", "that one of several checks is enough is not in the spec: all must pass")


#: In this order: a body's limit depends on the protocol.
OPTIONS = (
    *(
        protocol,
        alias,
        redirect,
        hsts,
        body,
        rate,
        allow,
        basic,
        external,
        cors,
        prefix_header,
        errors,
        retries,
        read_timeout,
        mirror,
        sticky,
    ),
    satisfy,
)
#: What they look at.
READ = frozenset(
    (
        *("backend-protocol", "server-alias", "ssl-redirect", "force-ssl-redirect", "proxy-body-size", "limit-rps"),
        *("limit-rpm", "limit-burst-multiplier", "whitelist-source-range", "allowlist-source-range", "auth-type"),
        *("auth-secret", "auth-secret-type", "auth-realm", "auth-url", "auth-response-headers", "enable-cors"),
        *("cors-allow-origin", "cors-allow-methods", "cors-allow-headers", "cors-expose-headers", "cors-max-age"),
        *("cors-allow-credentials", "x-forwarded-prefix", "custom-http-errors", "default-backend", "satisfy"),
        *("proxy-next-upstream-tries", "affinity", "session-cookie-name", "proxy-read-timeout"),
        *("ssl-passthrough", "mirror-target", "mirror-request-body", "mirror-host"),
    )
)
