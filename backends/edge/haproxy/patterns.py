"""Paths of hosts that have patterns, as regular expressions.

The controller asks exact paths of hosts without a wildcard first, then prefixes of those, then one list for all
hosts: regular expressions, and whatever hosts with a wildcard have. That list it goes through from the longest line
to the shortest, and a line is the host's expression, a # and the path's. So the prefixes of a host that has patterns
stand in that list too, each line longer than those that count after it.

Source: jcmoraisjr/haproxy-ingress v0.16.1, pkg/haproxy/types/maps.go: convertPathToRegex, buildMapKey, sort,
rebuildMatchFiles.
"""

from netspec.analysis.routes import Rule, bare, rules, takes_host
from netspec.backends.edge.patterns import Written, expression, longest_first, quoted, with_patterns
from netspec.ir.http import HttpRoute


def patterns(routes: tuple[HttpRoute, ...]) -> Written:
    """Of hosts that have patterns; of others the controller makes what it needs of exact paths and prefixes."""
    if not (ours := with_patterns(routes)):
        return {}
    listed = [r for r in rules(routes) if r.host.startswith("*.") or (r.host in ours and not r.path.exact)]
    found = longest_first(listed, lambda rule: (_host(rule.host), _path(rule, ours)), _meet)
    return {(host, path): text for (host, path), text in found.items() if host in ours}


def _meet(host: str, other: str) -> bool:
    """What names no host is asked where none that does takes the request, in a list of its own."""
    return host == other or (bool(host) and takes_host(host, other))


def _host(host: str) -> str:
    """What stands before a path, or is as long.

    >>> _host("*.a.test"), _host("b.test")
    ('^[^.]+\\\\.a\\\\.test#', '^b\\\\.test#')
    """
    text = f"[^.]+{quoted(host[1:])}" if host.startswith("*.") else quoted(host)
    return f"^{text}#"


def _path(rule: Rule, ours: set[str]) -> str:
    # The others are below a wildcard: there the controller puts one character behind a path, or none.
    return expression(rule.path) if rule.host in ours else f"{quoted(bare(rule.path))}/"
