"""Paths of hosts that have patterns, as regular expressions.

Where one Ingress of a host says `use-regex`, all paths of that host are regular expressions, whatever their type:
asked from where a path begins, whether letters are large or small, from the longest to the shortest.

Source: kubernetes/ingress-nginx controller-v1.15.1, internal/ingress/controller: buildLocation and
enforceRegexModifier of template/template.go, the order of locations of controller.go.
"""

from netspec.analysis.routes import rules
from netspec.backends.edge.patterns import Written, expression, longest_first, with_patterns
from netspec.ir.http import HttpRoute


def patterns(routes: tuple[HttpRoute, ...]) -> Written:
    """Letters' case counts in a group that says so. A host's paths are a list of their own."""
    hosts = with_patterns(routes)
    listed = (rule for rule in rules(routes) if rule.host in hosts)
    return longest_first(listed, lambda rule: ("", expression(rule.path, "-i")), str.__eq__)
