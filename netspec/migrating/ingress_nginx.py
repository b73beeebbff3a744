"""Ingresses as ingress-nginx reads them -> routes of a spec, and what became of everything that they said."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from netspec.analysis.pathpatterns import example
from netspec.diagnostics import Path, Position, render_path
from netspec.manifests.documents import Broken, Document, split
from netspec.manifests.read import objects_of
from netspec.migrating.account import Account, Fate
from netspec.migrating.nginx_options import OPTIONS, READ, Route, is_true
from netspec.migrating.nginx_words import KEEPS_OUT, PROTECTING, WORDS
from netspec.spec.errors import findings
from netspec.spec.http import IngressRoute

PREFIX = "nginx.ingress.kubernetes.io/"
#: Where an Ingress may name its class before it had a field for it.
CLASS = "kubernetes.io/ingress.class"
#: Read with the paths, and with the Ingress that a canary is one of.
_PATHS = frozenset(("rewrite-target", "use-regex"))
_CANARY = frozenset(("canary", "canary-weight", "canary-weight-total"))
_PASSED = "ssl-passthrough"
_PLAIN = re.compile(r"/[A-Za-z0-9._~%:@+,=/-]*\Z")
#: `/api(/|$)(.*)` with `/$2`, and `/api/(.*)` with `/$1`: the two forms of its documentation.
_SECOND = re.compile(r"(/[A-Za-z0-9._~%/-]*?)/?\(/\|\$\)\(\.\*\)\Z")
_FIRST = re.compile(r"(/[A-Za-z0-9._~%/-]*?)/?\(\.\*\)\Z")
_TARGET = re.compile(r"(/[A-Za-z0-9._~%/-]*?)/?\$([12])\Z")


@dataclass
class Migrated:
    """The routes, in the order of the Ingresses, and an account of each thing said there."""

    routes: list[Route] = field(default_factory=list)
    accounts: list[Account] = field(default_factory=list)
    ingresses: int = 0


@dataclass(frozen=True, slots=True)
class _Ingress:
    body: Mapping[str, Any]
    document: Document
    path: Path

    @property
    def meta(self) -> Mapping[str, Any]:
        found = self.body.get("metadata")
        return found if isinstance(found, Mapping) else {}

    @property
    def namespace(self) -> str:
        return str(self.meta.get("namespace") or "default")

    @property
    def id(self) -> str:
        return f"{self.namespace}/{self.meta.get('name')}"

    @property
    def spec(self) -> Mapping[str, Any]:
        found = self.body.get("spec")
        return found if isinstance(found, Mapping) else {}

    @property
    def annotations(self) -> dict[str, str]:
        found = self.meta.get("annotations")
        pairs = found.items() if isinstance(found, Mapping) else ()
        return {str(k): v if isinstance(v, str) else str(v) for k, v in pairs}

    def own(self) -> dict[str, str]:
        """Its annotations for ingress-nginx, without their prefix."""
        return {k.removeprefix(PREFIX): v for k, v in self.annotations.items() if k.startswith(PREFIX)}

    def at(self, *path: str | int) -> Position:
        return self.document.locate((*self.path, *path))


def migrate(texts: Iterator[tuple[str, str | Broken]], class_name: str = "nginx") -> Migrated:
    """Reads every Ingress of the class, or of none. What cannot be read is said and left out."""
    out = Migrated()
    canaries: list[_Ingress] = []
    for ingress in _ingresses(texts, out):
        named = ingress.spec.get("ingressClassName") or ingress.annotations.get(CLASS)
        if named is not None and named != class_name:
            _say(out, ingress, ("spec", "ingressClassName"), "class", "dropped", f"it is of class {named}")
            continue
        out.ingresses += 1
        if is_true(ingress.own().get("canary", "")):
            canaries.append(ingress)
        else:
            _Reader(out, ingress).read()
    for ingress in canaries:
        _canary(out, ingress)
    return out


def _ingresses(texts: Iterator[tuple[str, str | Broken]], out: Migrated) -> Iterator[_Ingress]:
    for file, text in texts:
        for document in split(text, file) if isinstance(text, str) else ():
            try:
                for loaded in document.load():
                    for path, body in objects_of(loaded.value, ()) if loaded.value is not None else ():
                        if isinstance(body, Mapping) and body.get("kind") == "Ingress":
                            yield _Ingress(body, loaded.document, path)
            except Broken as broken:
                if "Ingress" not in document.text:
                    continue
                at = Position(file, broken.line)
                out.accounts.append(Account(at, file, "document", "lost", f"it {broken.message}"))
        if isinstance(text, Broken):
            out.accounts.append(Account(Position(file, text.line), file, "file", "lost", f"it {text.message}"))


def _say(out: Migrated, ingress: _Ingress, path: Path, what: str, fate: Fate, message: str) -> None:
    out.accounts.append(Account(ingress.at(*path), f"Ingress {ingress.id}", what, fate, message))


class _Reader:
    """One Ingress. Its annotations hold for all of its rules, so each is accounted for once."""

    def __init__(self, out: Migrated, ingress: _Ingress) -> None:
        self._out, self._ingress, self._given = out, ingress, ingress.own()
        self._told: set[str] = set()
        #: What kept people out, and is lost.
        self._opens: set[str] = set()

    def read(self) -> None:
        if is_true(self._given.get(_PASSED, "")):
            self._passed()
            return
        for name, (fate, message) in ((n, WORDS[n]) for n in self._given if n in WORDS):
            self._tell(name, fate, message)
        made = list(self._rules())
        for rule in made:
            for option in OPTIONS:
                option(self._given, rule, self._tell)
        if self._opens:
            message = f"without {', '.join(sorted(self._opens))} it would be open to more people than before: left out"
            for rule in made:
                _say(self._out, self._ingress, ("spec",), f"route {rule['name']}", "lost", message)
        else:
            for rule in made:
                self._add(rule)
        for name in self._given:
            if name not in self._told:
                known = name in READ | _PATHS | _CANARY
                why = "no rule of this Ingress could be read" if known else "ingress-nginx has no such annotation"
                self._tell(name, "lost" if known else "dropped", why)

    def _passed(self) -> None:
        """HTTPS that is passed on unread: of its annotations ingress-nginx goes by that one alone."""
        for rule in self._rules():
            path = rule["paths"][0]
            if len(rule["paths"]) > 1 or path["path"] != "/" or "hosts" not in rule:
                message = "what is passed on unread has a host, and no paths but /"
                _say(self._out, self._ingress, ("spec",), f"route {rule['name']}", "lost", message)
                continue
            whole = {"path": "/", "backends": path["backends"]}
            self._add(rule | {"tls": {"passthrough": True}, "redirectToHTTPS": True, "paths": [whole]})
        for name in self._given:
            passed = name == _PASSED
            why = "tls: {passthrough: true}; plain HTTP is redirected" if passed else "what is not read meets no option"
            self._tell(name, "changed" if passed else "dropped", why)

    def _tell(self, name: str, fate: Fate, message: str) -> None:
        if name in self._told:
            return
        self._told.add(name)
        keeps_out = name in PROTECTING or any(word in self._given.get(name, "") for word in KEEPS_OUT)
        if fate == "lost" and keeps_out:
            self._opens.add(name)
        path: Path = ("metadata", "annotations", PREFIX + name) if name in self._given else ("metadata",)
        what = PREFIX + name if name in self._given else name
        _say(self._out, self._ingress, path, what, fate, message)

    def _add(self, route: Route) -> None:
        """What the spec would not take is said, and left out."""
        try:
            IngressRoute.model_validate(route)
        except ValidationError as error:
            for found in findings(IngressRoute, error.errors(include_url=False), ()):
                message = f"{render_path(found.path)}: {found.message}"
                _say(self._out, self._ingress, ("spec",), f"route {route['name']}", "lost", message)
            return
        self._out.routes.append(route)

    def _rules(self) -> Iterator[Route]:
        spec, name = self._ingress.spec, str(self._ingress.meta.get("name"))
        for number, rule in enumerate(_listed(spec.get("rules"))):
            host = str(rule.get("host") or "") if isinstance(rule, Mapping) else ""
            route = self._route(name if number == 0 else f"{name}-{number + 1}", host)
            for i, item in enumerate(_paths(rule)):
                self._path(
                    route, item if isinstance(item, Mapping) else {}, ("spec", "rules", number, "http", "paths", i)
                )
            if route["paths"]:
                yield route
        if (backend := spec.get("defaultBackend")) is not None:
            route = self._route(f"{name}-default", "")
            if (found := self._backend(backend, ("spec", "defaultBackend"))) is not None:
                route["paths"].append({"path": "/", "backends": [found]})
                _say(
                    self._out,
                    self._ingress,
                    ("spec", "defaultBackend"),
                    "defaultBackend",
                    "carried",
                    "a route for any host",
                )
                yield route

    def _route(self, name: str, host: str) -> Route:
        route: Route = {"name": name.replace(".", "-"), "namespace": self._ingress.namespace}
        if host:
            route["hosts"] = [host]
        tls = self._ingress.spec.get("tls")
        for entry in (e for e in (tls if isinstance(tls, list) else ()) if isinstance(e, Mapping)):
            hosts = entry.get("hosts") or []
            if not hosts or host in hosts or any(_covers(str(h), host) for h in hosts):
                route["tls"] = {"secret": entry["secretName"]} if entry.get("secretName") else {}
        route["paths"] = []
        return route

    def _path(self, route: Route, item: Mapping[str, Any], where: Path) -> None:
        backend = self._backend(item.get("backend"), (*where, "backend"))
        if backend is None:
            return
        text, kind = str(item.get("path") or "/"), item.get("pathType")
        target, by_regex = self._given.get("rewrite-target"), is_true(self._given.get("use-regex", ""))
        path: Route = {"path": text, "backends": [backend]}
        pattern = _pattern(text) if by_regex and self._has_patterns() else None
        if pattern is not None and (target is None or _PLAIN.match(target)):
            route["paths"].append(path | {"path": pattern, "type": "Regex"})
            self._tell("use-regex", "changed", f"{pattern}: a pattern for whole paths, and letters' case counts")
            if target is not None:
                route.setdefault("rewrite", {"path": target})
                self._tell("rewrite-target", "carried", "rewrite")
            return
        if target is not None:
            found = _rewritten(text, target)
            if found is None:
                message = f"{text} and {target} are not one of the two forms that are carried over"
                self._tell("rewrite-target", "lost", message)
                self._lost(where, text)
                return
            path["path"], rewrite = found
            if route.setdefault("rewrite", rewrite) != rewrite:
                self._tell("rewrite-target", "lost", f"{text} is rewritten otherwise than the paths before it")
                self._lost(where, text)
                return
            self._tell("rewrite-target", "changed", f"rewrite; {_REGEX}")
        elif not _PLAIN.match(text):
            self._tell("use-regex", "lost", f"{text} is a regular expression")
            self._lost(where, text)
            return
        elif by_regex:
            self._tell("use-regex", "changed", f"no path here needs it; {_REGEX}")
        if kind == "Exact" and target is None and not by_regex:
            path["type"] = "Exact"
        elif kind not in ("Prefix", "Exact"):
            self._tell(
                "pathType ImplementationSpecific", "changed", "Prefix: whole segments, where nginx goes by letters"
            )
        if "use-regex" in self._given and target is not None:
            self._tell("use-regex", "changed", "as rewrite-target, which implies it")
        route["paths"].append(path)

    def _has_patterns(self) -> bool:
        """Whether one of its paths is more than letters: then all are patterns, and go by their lengths as before."""
        items = (item for rule in _listed(self._ingress.spec.get("rules")) for item in _paths(rule))
        return any(not _PLAIN.match(str(i.get("path") or "/")) for i in items if isinstance(i, Mapping))

    def _lost(self, where: Path, text: str) -> None:
        _say(self._out, self._ingress, (*where, "path"), f"path {text}", "lost", "it is left out of the route")

    def _backend(self, backend: Any, where: Path) -> Route | None:
        service = backend.get("service") if isinstance(backend, Mapping) else None
        if isinstance(backend, Mapping) and "serviceName" in backend:  # as before networking.k8s.io/v1
            port = backend.get("servicePort")
            service = {"name": backend["serviceName"], "port": {"number" if isinstance(port, int) else "name": port}}
        port = service.get("port") if isinstance(service, Mapping) else None
        number = (port.get("number") or port.get("name")) if isinstance(port, Mapping) else None
        if not isinstance(service, Mapping) or not service.get("name") or number is None:
            message = "it names no Service and port (networking.k8s.io/v1)"
            _say(self._out, self._ingress, where, "backend", "lost", message)
            return None
        return {"service": service["name"], "port": number}


_REGEX = "ingress-nginx takes all paths of that host for case-insensitive prefixes then, and this does not"


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _paths(rule: object) -> list[Any]:
    http = rule.get("http") if isinstance(rule, Mapping) else None
    return _listed(http.get("paths") if isinstance(http, Mapping) else None)


def _pattern(text: str) -> str | None:
    """The whole path that nginx takes by the beginning of, as a pattern of netspec; None where it cannot be said so.

    >>> _pattern("/v[0-9]+"), _pattern("^/a/(b|c)$"), _pattern("/api(/|$)(.*)"), _pattern("/a(?!b)")
    ('/v[0-9]+.*', '/a/(b|c)', '/api(/.*)?', None)
    """
    whole = text.removeprefix("^").replace("(/|$)(.*)", "(/.*)?")
    if whole.endswith("$") and not whole.endswith("\\$"):
        whole = whole[:-1]
    elif not whole.endswith((".*", ".*)", "(/.*)?")):
        whole += ".*"
    try:
        example(whole)
    except ValueError:
        return None
    return whole


def _covers(wildcard: str, host: str) -> bool:
    return wildcard.startswith("*.") and host.partition(".")[2] == wildcard[2:]


def _rewritten(path: str, target: str) -> tuple[str, Route] | None:
    """
    >>> _rewritten("/api(/|$)(.*)", "/$2"), _rewritten("/api", "/v2")
    (('/api', {'prefix': '/'}), ('/api', {'path': '/v2'}))
    """
    if _PLAIN.match(path) and _PLAIN.match(target):
        return path, {"path": target}
    to, second, first = _TARGET.match(target), _SECOND.match(path), _FIRST.match(path)
    found = second if second and to and to[2] == "2" else first if first and to and to[2] == "1" else None
    return (found[1] or "/", {"prefix": to[1] or "/"}) if found and to else None


def _canary(out: Migrated, ingress: _Ingress) -> None:
    """Its backends share the paths of the Ingress with the same host and path."""
    given = ingress.own()
    weight, total = given.get("canary-weight", ""), given.get("canary-weight-total", "100")
    scratch = Migrated()
    _Reader(scratch, ingress).read()
    # Its backends get the requests of the other Ingress, whose options hold; its own account says what they were.
    told = [a for a in scratch.accounts if a.what.removeprefix(PREFIX) not in _CANARY and "(default)" not in a.what]
    out.accounts += told
    share = int(weight) if weight.isdigit() else 0
    rest = int(total) - share if total.isdigit() else 100 - share
    joined = 0
    for route in scratch.routes:
        for path in route["paths"]:
            for other in out.routes:
                for main in other["paths"] if set(other.get("hosts", [])) & set(route.get("hosts", [])) else ():
                    same = main["path"] == path["path"] and other["namespace"] == route["namespace"]
                    if same and len(main["backends"]) == 1 and share:
                        main["backends"][0]["weight"] = rest
                        main["backends"].append({**path["backends"][0], "weight": share})
                        joined += 1
    for name in (n for n in given if n in _CANARY):
        fate: Fate = "carried" if joined else "lost"
        message = "weights of the backends" if joined else "no Ingress has its host and path, or it has no weight"
        _say(out, ingress, ("metadata", "annotations", PREFIX + name), PREFIX + name, fate, message)
