"""Filters of a Gateway's routes: what happens to a request on the way (gateway-api v1.6, apis/v1)."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from netspec.spec.http import HeaderName, HeaderValue, HttpHost, HttpPath
from netspec.spec.model import Model
from netspec.spec.types import Name, PortNumber, problem


class NameAndValue(Model):
    """A header, and what it is set to."""

    name: HeaderName = Field(description="The header.")
    value: HeaderValue = Field(description="The value.")


class HeaderFilter(Model):
    """Headers set, added and taken away."""

    set: list[NameAndValue] = Field(default_factory=list, max_length=16, description="In place of what is there.")
    add: list[NameAndValue] = Field(default_factory=list, max_length=16, description="Beside what is there.")
    remove: list[HeaderName] = Field(default_factory=list, max_length=16, description="Taken away.")


class PathModifier(Model):
    """Another path."""

    type: Literal["ReplaceFullPath", "ReplacePrefixMatch"] = Field(description="What is replaced.")
    replace_full_path: HttpPath | None = Field(None, description="In place of the whole path.")
    replace_prefix_match: HttpPath | None = Field(None, description="In place of the prefix that the rule matched.")

    @model_validator(mode="after")
    def _one(self) -> "PathModifier":
        given = {"ReplaceFullPath": self.replace_full_path, "ReplacePrefixMatch": self.replace_prefix_match}
        if [kind for kind, value in given.items() if value is not None] != [self.type]:
            field = self.type[0].lower() + self.type[1:]
            raise problem("NS850", f"a path of type {self.type} gives {field}, and nothing else", f"{field}: /")
        return self


class RedirectFilter(Model):
    """The client is sent elsewhere. What is not given stays as the request has it."""

    scheme: Literal["http", "https"] | None = Field(None, description="The scheme.")
    hostname: HttpHost | None = Field(None, description="The host.")
    path: PathModifier | None = Field(None, description="The path.")
    port: PortNumber | None = Field(
        None, description="The port. Unset: that of the scheme, where it is given, else the listener's."
    )
    status_code: Literal[301, 302, 303, 307, 308] = Field(302, description="The status.")


class RewriteFilter(Model):
    """What the backend sees in place of what the client asked for."""

    hostname: HttpHost | None = Field(None, description="The host.")
    path: PathModifier | None = Field(None, description="The path.")


class MirrorBackendRef(Model):
    """A Service that gets copies."""

    name: Name = Field(description="The Service.")
    namespace: Name | None = Field(None, description="Its namespace. Unset: the route's.")
    port: PortNumber = Field(description="The Service's port.")


class MirrorFilter(Model):
    """A copy of each request goes there, whose answer is thrown away."""

    backend_ref: MirrorBackendRef = Field(description="Where to.")


class CorsFilter(Model):
    """Which pages of other origins may use it from a browser."""

    allow_origins: Annotated[list[HeaderValue], Field(min_length=1, max_length=64)] = Field(
        description="https://app.example.com, or *."
    )
    allow_methods: list[HeaderValue] = Field(default_factory=list, max_length=9, description="Methods.")
    allow_headers: list[HeaderName] = Field(default_factory=list, max_length=64, description="Headers of requests.")
    expose_headers: list[HeaderName] = Field(default_factory=list, max_length=64, description="Headers of answers.")
    allow_credentials: bool = Field(False, description="Whether cookies go along.")
    max_age: int = Field(5, ge=1, le=86400, description="Seconds for which a browser need not ask again.")


_FILTERS = {
    "RequestHeaderModifier": "request_header_modifier",
    "ResponseHeaderModifier": "response_header_modifier",
    "RequestRedirect": "request_redirect",
    "URLRewrite": "url_rewrite",
    "RequestMirror": "request_mirror",
    "CORS": "cors",
}


class HttpFilter(Model):
    """What happens to a request on the way, one thing each."""

    type: Literal[
        "RequestHeaderModifier", "ResponseHeaderModifier", "RequestRedirect", "URLRewrite", "RequestMirror", "CORS"
    ] = Field(description="Which one.")
    request_header_modifier: HeaderFilter | None = Field(None, description="Headers of the request.")
    response_header_modifier: HeaderFilter | None = Field(None, description="Headers of the answer.")
    request_redirect: RedirectFilter | None = Field(None, description="The client is sent elsewhere.")
    url_rewrite: RewriteFilter | None = Field(None, description="What the backend sees.")
    request_mirror: MirrorFilter | None = Field(None, description="Where copies go.")
    cors: CorsFilter | None = Field(None, description="Pages of other origins.")

    @model_validator(mode="after")
    def _one(self) -> "HttpFilter":
        _only(self, _FILTERS)
        return self


def _only(given: "HttpFilter | GrpcFilter", fields: dict[str, str]) -> None:
    """The field of its type, and none else."""
    if [kind for kind, field in fields.items() if getattr(given, field) is not None] != [given.type]:
        alias = type(given).model_fields[fields[given.type]].alias
        raise problem("NS850", f"a filter of type {given.type} gives {alias}, and nothing else", "make it two filters")


class GrpcFilter(Model):
    """What happens to a call on the way, one thing each."""

    type: Literal["RequestHeaderModifier", "ResponseHeaderModifier", "RequestMirror"] = Field(description="Which one.")
    request_header_modifier: HeaderFilter | None = Field(None, description="Headers of the call.")
    response_header_modifier: HeaderFilter | None = Field(None, description="Headers of the answer.")
    request_mirror: MirrorFilter | None = Field(None, description="Where copies go.")

    @model_validator(mode="after")
    def _one(self) -> "GrpcFilter":
        _only(self, {kind: field for kind, field in _FILTERS.items() if field in type(self).model_fields})
        return self


def once(filters: list[HttpFilter] | list[GrpcFilter]) -> None:
    """Of each kind one, but for mirrors (HTTPRouteRule.filters)."""
    kinds = [f.type for f in filters if f.type != "RequestMirror"]
    if twice := next((k for k in kinds if kinds.count(k) > 1), None):
        raise problem("NS850", f"a rule has the filter {twice} once", "make them one")
