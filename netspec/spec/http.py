"""HTTP routes of a spec: which host and path leads to which Services, and what happens to a request on the way.

The fields are what ingress controllers have in common; how each says it is its backend's business.
"""

import re
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    Field,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from netspec.analysis.pathpatterns import example
from netspec.spec.model import Model
from netspec.spec.types import Cidr, Name, ObjectName, PortOrName, problem

#: What needs no quotes in a rule of any controller (RFC 3986 has more).
_PATH = re.compile(r"/[A-Za-z0-9._~%:@+,=/-]*\Z")
_HOST = re.compile(r"(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+\Z")
_HEADER = re.compile(r"[A-Za-z0-9-]+\Z")
_SIZE = re.compile(r"([1-9][0-9]*)(Ki|Mi|Gi)?\Z")
_STATUS = re.compile(r"[1-5][0-9][0-9](-[1-5][0-9][0-9])?\Z")
_URL = re.compile(r"https://[a-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~%:@+,=/-]*)?\Z")
_UNITS = {None: 1, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}
#: Of a path, and of a host name (RFC 1123).
_LONGEST_PATH, _LONGEST_HOST = 512, 253


def _path(value: str) -> str:
    if not _PATH.match(value) or len(value) > _LONGEST_PATH:
        hint = f"it begins with / and has letters, digits and ._~%:@+,=-, at most {_LONGEST_PATH} of them"
        raise problem("NS840", f"{value[:80]!r} is not the path of a route", hint)
    if "//" in value or any(part in (".", "..") for part in value.split("/")):
        raise problem("NS840", f"{value!r} has an empty or a dot segment, which proxies take away", "write it without")
    return value


def _pattern(value: str) -> str:
    try:
        example(value)
    except ValueError as error:
        hint = "letters, digits and /_~%:@,=- . | ( ) [ ] and * + ? {n,m}; no anchors: it is for the whole path"
        raise problem("NS840", f"{value[:80]!r} is not a pattern of paths: {error}", hint) from None
    if len(value) > _LONGEST_PATH:
        raise problem("NS840", f"{value[:80]!r}... is longer than {_LONGEST_PATH}", "make two paths")
    return value


def _host(value: str) -> str:
    if not _HOST.match(value) or len(value) > _LONGEST_HOST:
        raise problem("NS840", f"{value[:80]!r} is not a host name", "shop.example.com or *.example.com, lower case")
    return value


def _header(value: str) -> str:
    if not _HEADER.match(value):
        raise problem("NS840", f"{value[:80]!r} is not the name of a header", "letters, digits and -")
    return value


def _header_value(value: str) -> str:
    if not value or any(not 32 <= ord(c) < 127 for c in value):
        raise problem("NS840", f"{value[:80]!r} is not the value of a header", "printable ASCII on one line")
    return value


def _issuer(value: str) -> str:
    if not _URL.match(value):
        raise problem("NS840", f"{value[:80]!r} is not an address of a provider", "https://login.example.com/realm")
    return value


def _size(value: object) -> int:
    match = _SIZE.match(value) if isinstance(value, str) else None
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    if match is None:
        raise problem("NS840", f"{value!r} is not a size", "bytes, or 16Ki, 1Mi, 2Gi")
    return int(match[1]) * _UNITS[match[2]]


def _status(value: str) -> str:
    low, _, high = value.partition("-")
    if not _STATUS.match(value) or (high and high < low):
        raise problem("NS840", f"{value[:80]!r} is not a status or a range of them", '"404" or "500-599"')
    return value


_TEXT = {"type": "string"}
HttpPath = Annotated[str, AfterValidator(_path), WithJsonSchema({"title": "path", "pattern": "^/", **_TEXT})]
HttpHost = Annotated[str, AfterValidator(_host), WithJsonSchema({"title": "host name", **_TEXT})]
HeaderName = Annotated[str, AfterValidator(_header), WithJsonSchema({"title": "header name", **_TEXT})]
HeaderValue = Annotated[str, AfterValidator(_header_value), WithJsonSchema({"title": "header value", **_TEXT})]
Size = Annotated[
    int, PlainValidator(_size), WithJsonSchema({"title": "size", "anyOf": [{"type": "integer"}, {"type": "string"}]})
]
HttpsUrl = Annotated[str, AfterValidator(_issuer), WithJsonSchema({"title": "https address", **_TEXT})]
Status = Annotated[str, AfterValidator(_status), WithJsonSchema({"title": "status or range", **_TEXT})]


class HttpBackend(Model):
    """A Service that requests are sent to."""

    service: Name = Field(description="A Service of the route's namespace.")
    port: PortOrName = Field(description="Its port, by number or name.")
    weight: int = Field(1, ge=0, le=1000, description="Its share of the requests, against those of the others.")


class HttpPathRule(Model):
    """Where requests for one path go."""

    type: Literal["Prefix", "Exact", "Regex"] = Field(
        "Prefix",
        description="Prefix: it and all below it, whole segments; Exact: it alone; Regex: a regular expression for the "
        "whole path, of what all controllers read alike (docs/edge.md).",
    )
    path: Annotated[str, WithJsonSchema({"title": "path", "pattern": "^/", **_TEXT})] = Field(
        "/", description="The path."
    )
    backends: Annotated[list[HttpBackend], Field(min_length=1, max_length=16)] = Field(
        description="Where to; several share the requests by their weights."
    )

    @field_validator("path")
    @classmethod
    def _of_type(cls, value: str, info: ValidationInfo) -> str:
        return _pattern(value) if info.data.get("type") == "Regex" else _path(value)


class HttpTls(Model):
    """HTTPS for the route's hosts."""

    secret: ObjectName | None = Field(
        None,
        description="A Secret of the route's namespace with the certificate (kubernetes.io/tls). Unset: a certificate "
        "that the controller signs itself.",
    )
    stand_in: bool = Field(
        False,
        description="Make that Secret, with a certificate whose key everybody knows, in place of the real one.",
    )

    passthrough: bool = Field(
        False,
        description="The pods end it, with a certificate of theirs: what comes for the hosts is passed on unread.",
    )

    @model_validator(mode="after")
    def _named(self) -> "HttpTls":
        if self.passthrough and (self.secret is not None or self.stand_in):
            raise problem("NS840", "what is passed on unread needs no certificate here", "tls: {passthrough: true}")
        if self.stand_in and self.secret is None:
            raise problem("NS840", "a stand-in for a certificate needs the name of its Secret", "add secret: NAME")
        return self


class RateLimit(Model):
    """So many requests of one client address in a time; more get 429. Each of the controller's pods counts alone."""

    requests: int = Field(ge=1, le=1000000, description="How many.")
    per: Literal["second", "minute", "hour"] = Field("second", description="In what time.")
    burst: int = Field(1, ge=1, le=1000000, description="How many at once.")


class BasicAuth(Model):
    """A name and password, checked by the controller; others get 401."""

    secret: ObjectName = Field(
        description="A Secret of the route's namespace with the users, hashed as the controller reads them."
    )
    realm: HeaderValue | None = Field(None, description="What the client is told that it logs in to.")
    stand_in: bool = Field(
        False,
        description="Make that Secret, with the user netspec and the password netspec, in place of the real one.",
    )


class ExternalAuth(Model):
    """A Service that is asked about each request; what it answers but 2xx is the answer."""

    service: Name = Field(description="A Service of the route's namespace.")
    port: PortOrName = Field(description="Its port, by number or name.")
    path: HttpPath = Field("/", description="What it is asked for.")
    response_headers: list[HeaderName] = Field(
        default_factory=list, description="Headers of its answer that the backend gets."
    )


class Cors(Model):
    """Which pages of other origins may use it from a browser."""

    origins: Annotated[list[HeaderValue], Field(min_length=1)] = Field(description="https://app.example.com, or *.")
    methods: list[HeaderValue] = Field(["GET", "HEAD", "POST"], description="Methods.")
    headers: list[HeaderName] = Field(default_factory=list, description="Headers that requests may have.")
    expose_headers: list[HeaderName] = Field(default_factory=list, description="Headers of answers that pages see.")
    credentials: bool = Field(False, description="Whether cookies go along.")
    max_age: int = Field(5, ge=0, le=86400, description="Seconds for which a browser need not ask again.")


class Headers(Model):
    """Headers that the controller sets or takes away."""

    set: dict[HeaderName, HeaderValue] = Field(default_factory=dict, description="Name and value.")
    remove: list[HeaderName] = Field(default_factory=list, description="Names.")


class Rewrite(Model):
    """The path that the backend sees."""

    prefix: HttpPath | None = Field(None, description="In place of the path that the rule matched, below which it is.")
    path: HttpPath | None = Field(None, description="In place of the whole path.")

    @model_validator(mode="after")
    def _one(self) -> "Rewrite":
        if (self.prefix is None) == (self.path is None):
            raise problem("NS840", "a rewrite gives prefix or path, one of them", "rewrite: {prefix: /}")
        return self


class ErrorPages(Model):
    """A Service that answers in place of a backend which answers so."""

    statuses: Annotated[list[Status], Field(min_length=1)] = Field(description="Statuses of the backend, or ranges.")
    service: Name = Field(description="A Service of the route's namespace.")
    port: PortOrName = Field(description="Its port, by number or name.")
    path: Annotated[str, Field(pattern=r"^/[A-Za-z0-9._~{}/-]*$", max_length=_LONGEST_PATH)] = Field(
        "/{status}.html", description="What it is asked for; {status} is the backend's."
    )


class Sticky(Model):
    """A client stays with the pod that answered it first."""

    cookie: HeaderName = Field("netspec-pod", description="The cookie that it is known by.")


class Timeouts(Model):
    """How long a backend may take; a client that waits for longer gets 504."""

    first_byte_seconds: Annotated[int, Field(ge=1, le=3600)] | None = Field(
        None, description="From the end of the request to the beginning of the answer."
    )
    last_byte_seconds: Annotated[int, Field(ge=1, le=3600)] | None = Field(
        None, description="From the end of the request to the end of the answer."
    )

    @model_validator(mode="after")
    def _some(self) -> "Timeouts":
        if self.first_byte_seconds is None and self.last_byte_seconds is None:
            raise problem("NS840", "no time is given", "timeouts: {firstByteSeconds: 30}")
        return self


class Mirror(Model):
    """A Service that gets a copy of each request; what it answers is thrown away."""

    service: Name = Field(description="A Service of the route's namespace.")
    port: PortOrName = Field(description="Its port, by number or name.")


class Tracing(Model):
    """A collector that is told of the requests: OTLP over gRPC, in clear. A request that belongs to a trace already
    goes on with that (W3C Trace Context), and is told of if the trace is."""

    service: Name = Field(description="The collector's Service.")
    namespace: Name | None = Field(None, description="Its namespace. Unset: the route's.")
    port: PortOrName = Field(4317, description="Its port, by number or name.")
    percent: int = Field(100, ge=0, le=100, description="Of requests that belong to no trace, how many begin one.")


class OidcProvider(Model):
    """The Service that is the provider, in the cluster itself."""

    service: Name = Field(description="A Service of the route's namespace, or of another.")
    port: PortOrName = Field(description="Its port, by number or name; it is spoken to in clear, as backends are.")
    namespace: Name | None = Field(None, description="The Service's namespace, if not the route's.")


class Oidc(Model):
    """Who is not logged in is sent to a provider of OpenID Connect, and comes back with a session, kept in cookies."""

    issuer: HttpsUrl = Field(description="The provider.")
    authorization_endpoint: HttpsUrl | None = Field(
        None, description="Where one logs in. Unset: as the provider's own document says."
    )
    token_endpoint: HttpsUrl | None = Field(None, description="Where the controller changes codes for tokens.")
    user_info_endpoint: HttpsUrl | None = Field(None, description="Where the controller asks who it is.")
    secret: ObjectName = Field(
        description="A Secret of the route's namespace with the client's id and secret, by the keys that the "
        "controller reads."
    )
    stand_in: bool = Field(
        False, description="Make that Secret, with the id netspec and the secret netspec, in place of the real one."
    )
    provider: OidcProvider | None = Field(
        None,
        description="Where the controller changes codes for tokens, in place of where the name of the token endpoint "
        "leads. Browsers go to the authorization endpoint by its name, as ever.",
    )
    scopes: list[Annotated[str, Field(pattern=r"^[!#-\[\]-~]+$")]] = Field(
        default_factory=lambda: ["openid"], description="What is asked for; openid is always."
    )


class IngressRoute(Model):
    """Hosts and paths that the stack's ingress or gateway controller serves, and what it does with their requests."""

    name: Name = Field(description="Its name, unique in the namespace.")
    namespace: Name = Field(description="The namespace of it and of its Services.")
    hosts: list[HttpHost] = Field(default_factory=list, description="Host names; none: any that no other route has.")
    paths: Annotated[list[HttpPathRule], Field(min_length=1, max_length=100)] = Field(
        description="The paths; of those that match the exact one counts, else the longest prefix."
    )
    tls: HttpTls | None = Field(None, description="Serves HTTPS too.")
    redirect_to_https: bool = Field(False, alias="redirectToHTTPS", description="Plain HTTP is told to use HTTPS.")
    protocol: Literal["http", "grpc"] = Field("http", description="What the backends speak; grpc: HTTP/2 in clear.")
    max_body_size: Size | None = Field(None, description="The largest request body; a larger one gets 413.")
    rate_limit: RateLimit | None = Field(None, description="Requests of one client.")
    allow_from: list[Cidr] = Field(default_factory=list, description="Client addresses; others get 403. Empty: all.")
    basic_auth: BasicAuth | None = Field(None, description="Users and passwords.")
    external_auth: ExternalAuth | None = Field(None, description="A Service that says who may.")
    cors: Cors | None = Field(None, description="Pages of other origins.")
    request_headers: Headers | None = Field(None, description="Of the request, on the way to the backend.")
    response_headers: Headers | None = Field(None, description="Of the answer, on the way to the client.")
    rewrite: Rewrite | None = Field(None, description="The path that the backend sees.")
    error_pages: ErrorPages | None = Field(None, description="Pages in place of a backend's errors.")
    retries: Annotated[int, Field(ge=1, le=10)] | None = Field(
        None, description="How often a request is sent again that no backend took (network errors)."
    )
    sticky: Sticky | None = Field(None, description="Clients that stay with their pod.")
    web_socket: bool = Field(
        False,
        description="Requests may become WebSockets, and these may be silent for a minute; what controllers do with "
        "longer silence is their own.",
    )
    timeouts: Timeouts | None = Field(None, description="How long a backend may take.")
    mirror: Mirror | None = Field(None, description="A Service that gets copies of the requests.")
    tracing: Tracing | None = Field(None, description="A collector that is told of the requests.")
    oidc: Oidc | None = Field(None, description="A provider at which people log in.")
