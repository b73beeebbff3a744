"""Which route takes a request, and what becomes of it before it reaches a pod.

Precedence is that of the Gateway API (HTTPRouteRule) and of Ingress, which agree for what a spec can say: of the hosts
that match, the one given whole before a wildcard, before none; of that host's paths the exact one, else the longest
pattern (where these stand both leave to implementations), else the longest prefix, by whole segments. The winner's
backends are all that counts: no other route is tried where they fail.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from netspec.analysis.pathpatterns import example, takes
from netspec.ir.http import HttpPath, HttpRoute


class Rule(NamedTuple):
    """One host and path of a route; `host` "" is every host."""

    route: HttpRoute
    host: str
    path: HttpPath

    @property
    def priority(self) -> int:
        """Higher wins; two that may match one request and are equal have the same host and path.

        A host counts more than any path, and what kind a path is more than how long.
        """
        kind = 0 if not self.host else 1 if self.host.startswith("*.") else 2
        of_path = 2 if self.path.exact else 1 if self.path.regex else 0
        return ((kind * _HOSTS + len(self.host)) * 3 + of_path) * _PATHS + len(bare(self.path))


#: More than a host name, and a path, can have characters.
_HOSTS, _PATHS = 256, 550


def rules(routes: Iterable[HttpRoute]) -> Iterator[Rule]:
    for route in routes:
        for host in route.hosts or ("",):
            yield from (Rule(route, host, path) for path in route.paths)


def bare(path: HttpPath) -> str:
    """A prefix without the slash at its end, which says nothing: "" is every path. An exact path, and a pattern, as it
    is.

    >>> bare(HttpPath("/api/", False, ())), bare(HttpPath("/", False, ())), bare(HttpPath("/api/", True, ()))
    ('/api', '', '/api/')
    """
    return path.path if path.exact or path.regex else path.path.rstrip("/")


def sample(path: HttpPath) -> str:
    """A path that it takes, without a slash at its end where it is a prefix."""
    return example(path.path) if path.regex else bare(path)


def takes_host(rule_host: str, host: str) -> bool:
    """A wildcard stands for one label (networking.k8s.io/v1 IngressRule.host).

    >>> takes_host("*.example.com", "a.example.com"), takes_host("*.example.com", "a.b.example.com")
    (True, False)
    """
    if rule_host.startswith("*."):
        return host.partition(".")[2] == rule_host[2:]
    return rule_host in ("", host)


def takes_path(rule: HttpPath, path: str) -> bool:
    """
    >>> takes_path(HttpPath("/api", False, ()), "/api/v1"), takes_path(HttpPath("/api", False, ()), "/apis")
    (True, False)
    """
    if rule.regex:
        return takes(rule.path, path)
    prefix = bare(rule)
    return path == prefix or (not rule.exact and path.startswith(f"{prefix}/"))


def chosen(found: Iterable[Rule], host: str, path: str) -> Rule | None:
    """The rule that takes a request; None where none does, which every controller answers with 404."""
    taking = [rule for rule in found if takes_host(rule.host, host) and takes_path(rule.path, path)]
    return max(taking, key=lambda rule: rule.priority, default=None)


def rewritten(rule: Rule, path: str) -> str:
    """The path that the backend sees.

    >>> api = HttpPath("/api", False, ())
    >>> from netspec.ir.http import Rewrite
    >>> rewritten(Rule(HttpRoute("n", "r", (), (api,), rewrite=Rewrite("/", None)), "", api), "/api/v1")
    '/v1'
    """
    rewrite = rule.route.rewrite
    if rewrite is None:
        return path
    if rewrite.path is not None:
        return rewrite.path
    assert rewrite.prefix is not None
    rest = path[len(bare(rule.path)) :]
    return rewrite.prefix.rstrip("/") + rest or "/"
