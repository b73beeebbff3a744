"""HTTP routes, resolved: what the controller does with a request. `netspec/spec/http.py` says what the fields mean."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from netspec.feature import Feature
from netspec.ir.base import IPNetwork, Place
from netspec.ir.pods import Workload
from netspec.ir.services import Service


@dataclass(frozen=True, slots=True)
class HttpBackend:
    """`namespace`: "" for the route's."""

    service: str
    port: int | str
    weight: int = 1
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class HttpPath:
    """`regex`: a pattern for whole paths (netspec.analysis.pathpatterns)."""

    path: str
    exact: bool
    backends: tuple[HttpBackend, ...]
    regex: bool = False


@dataclass(frozen=True, slots=True)
class RateLimit:
    requests: int
    per: Literal["second", "minute", "hour"]
    burst: int


@dataclass(frozen=True, slots=True)
class BasicAuth:
    """`stand_in`: netspec makes the Secret, with one user that everybody knows."""

    secret: str
    realm: str | None
    stand_in: bool = False


@dataclass(frozen=True, slots=True)
class ExternalAuth:
    backend: HttpBackend
    path: str
    response_headers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cors:
    origins: tuple[str, ...]
    methods: tuple[str, ...]
    headers: tuple[str, ...]
    expose_headers: tuple[str, ...]
    credentials: bool
    max_age: int


@dataclass(frozen=True, slots=True)
class Headers:
    set: tuple[tuple[str, str], ...] = ()
    remove: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rewrite:
    """One of them is given."""

    prefix: str | None
    path: str | None


@dataclass(frozen=True, slots=True)
class ErrorPages:
    statuses: tuple[str, ...]
    backend: HttpBackend
    path: str


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds; one of them is given."""

    first_byte: int | None
    last_byte: int | None


@dataclass(frozen=True, slots=True)
class Tracing:
    collector: HttpBackend
    percent: int


@dataclass(frozen=True, slots=True)
class Oidc:
    """Endpoints that are None are those of the issuer's document. `stand_in`: netspec makes the Secret, with an id and
    a secret that everybody knows. `provider`: who is asked for tokens, in place of whom the endpoint names."""

    issuer: str
    authorization: str | None
    token: str | None
    user_info: str | None
    secret: str
    scopes: tuple[str, ...]
    stand_in: bool = False
    provider: HttpBackend | None = None


@dataclass(frozen=True, slots=True)
class HttpRoute:
    """`tls`: the Secret with the certificate, "" for one that the controller makes, None for no HTTPS. `tls_stand_in`:
    netspec makes the Secret, with a key that everybody knows. `passthrough`: HTTPS of its hosts goes to its backend
    unread; by plain HTTP it is a route that redirects."""

    namespace: str
    name: str
    hosts: tuple[str, ...]
    paths: tuple[HttpPath, ...]
    tls: str | None = None
    tls_stand_in: bool = False
    redirect_to_https: bool = False
    grpc: bool = False
    max_body_size: int | None = None
    rate_limit: RateLimit | None = None
    allow_from: tuple[IPNetwork, ...] = ()
    basic_auth: BasicAuth | None = None
    external_auth: ExternalAuth | None = None
    cors: Cors | None = None
    request_headers: Headers = Headers()
    response_headers: Headers = Headers()
    rewrite: Rewrite | None = None
    error_pages: ErrorPages | None = None
    retries: int | None = None
    sticky: str | None = None
    web_socket: bool = False
    timeouts: Timeouts = Timeouts(None, None)
    mirror: HttpBackend | None = None
    tracing: Tracing | None = None
    oidc: Oidc | None = None
    passthrough: bool = False
    place: Place = field(default=Place(), compare=False)

    @property
    def id(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def backends(self) -> tuple[HttpBackend, ...]:
        """Every Service port that requests lead to, each once: those of the paths, of the authorisation, of the error
        pages and of copies. A collector gets no request of a client, nor does a provider."""
        of_paths = [b for p in self.paths for b in p.backends]
        asked = [b for option, b in self.others.items() if option not in ("tracing", "oidc.provider")]
        first: dict[tuple[str, int | str], HttpBackend] = {}
        for backend in (*of_paths, *asked):
            first.setdefault((backend.service, backend.port), backend)
        return tuple(first.values())

    @property
    def others(self) -> dict[str, HttpBackend]:
        """By the option, as the spec calls it: the Services that it names beside those of the paths."""
        found = {
            "externalAuth": self.external_auth.backend if self.external_auth else None,
            "errorPages": self.error_pages.backend if self.error_pages else None,
            "mirror": self.mirror,
            "tracing": self.tracing.collector if self.tracing else None,
            "oidc.provider": self.oidc.provider if self.oidc else None,
        }
        return {option: backend for option, backend in found.items() if backend is not None}

    def features(self) -> Iterator[Feature]:
        """What it asks of a controller."""
        given = {
            Feature.HTTP_ROUTES: True,
            Feature.HTTP_TLS: self.tls is not None,
            Feature.HTTP_SELF_SIGNED: self.tls == "",
            Feature.HTTP_WILDCARD: any(host.startswith("*.") for host in self.hosts),
            Feature.HTTP_REGEX: any(path.regex for path in self.paths),
            Feature.HTTP_REDIRECT: self.redirect_to_https,
            Feature.HTTP_WEIGHTS: any(len(path.backends) > 1 for path in self.paths),
            Feature.HTTP_GRPC: self.grpc,
            Feature.HTTP_MAX_BODY: self.max_body_size is not None,
            Feature.HTTP_RATE_LIMIT: self.rate_limit is not None,
            Feature.HTTP_ALLOW_FROM: bool(self.allow_from),
            Feature.HTTP_BASIC_AUTH: self.basic_auth is not None,
            Feature.HTTP_EXTERNAL_AUTH: self.external_auth is not None,
            Feature.HTTP_CORS: self.cors is not None,
            Feature.HTTP_HEADERS: self.request_headers != Headers() or self.response_headers != Headers(),
            Feature.HTTP_REWRITE: self.rewrite is not None,
            Feature.HTTP_ERROR_PAGES: self.error_pages is not None,
            Feature.HTTP_RETRIES: self.retries is not None,
            Feature.HTTP_STICKY: self.sticky is not None,
            Feature.HTTP_WEB_SOCKET: self.web_socket,
            Feature.HTTP_FIRST_BYTE: self.timeouts.first_byte is not None,
            Feature.HTTP_LAST_BYTE: self.timeouts.last_byte is not None,
            Feature.HTTP_MIRROR: self.mirror is not None,
            Feature.HTTP_TRACING: self.tracing is not None,
            Feature.HTTP_PASSTHROUGH: self.passthrough,
            Feature.HTTP_OIDC: self.oidc is not None,
        }
        return (feature for feature, is_given in given.items() if is_given)


@dataclass(frozen=True, slots=True)
class UsersSecret:
    """How a controller reads users and passwords: the key of the Secret that holds the lines `name:hash`, whether it
    takes crypt(3) hashes or {SHA}, and the Secret's type."""

    key: str = "users"
    crypt: bool = False
    type: str = "Opaque"


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """How a controller reads what a provider knows it by: the keys of the Secret."""

    id: str = "client-id"
    secret: str = "client-secret"


@dataclass(frozen=True, slots=True)
class Front:
    """A proxy that serves routes: its pods, the Service in front of them, and the names of that Service's ports for
    HTTP and HTTPS. `labels`: those of its namespace besides the name, where the spec does not declare that. `kind`: the
    API's for a route, if not Ingress; `also`: others that it may get; `suffixes`: what may follow a route's name in the
    names of the objects that it becomes."""

    workload: Workload
    service: Service
    http: str
    https: str
    labels: tuple[tuple[str, str], ...] = ()
    kind: str = "Ingress"
    also: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ("",)
    users: UsersSecret = UsersSecret()
    client: ClientSecret = ClientSecret()

    def objects_of(self, route: HttpRoute) -> tuple[tuple[str, str], ...]:
        """Kind and id of all that a route may become."""
        kinds = (self.kind, *self.also)
        return tuple((kind, f"{route.id}{suffix}") for kind in kinds for suffix in self.suffixes)

    def port(self, name: str) -> int:
        return next(p.port for p in self.service.ports if p.name == name)


@dataclass(frozen=True, slots=True)
class FarFront:
    """A proxy outside the cluster that serves routes, and sees its clients itself. `sources`: the addresses from which
    pods get its requests. `kind`, `suffixes`: as of a Front."""

    sources: tuple[IPNetwork, ...]
    kind: str = "Ingress"
    suffixes: tuple[str, ...] = ("",)

    def objects_of(self, route: HttpRoute) -> tuple[tuple[str, str], ...]:
        return tuple((self.kind, f"{route.id}{suffix}") for suffix in self.suffixes)
