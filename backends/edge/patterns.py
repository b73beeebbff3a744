"""Paths for controllers that go through regular expressions from the longest to the shortest: what counts before
another is written longer."""

import re
from collections.abc import Callable, Iterable

from netspec.analysis.routes import Rule, bare
from netspec.ir.http import HttpPath, HttpRoute

#: Each path of a host, as it is written there.
Written = dict[tuple[str, HttpPath], str]
_SPECIAL = re.compile(r"([.*+?()\[\]{}|^$\\])")


def with_patterns(routes: Iterable[HttpRoute]) -> set[str]:
    """The hosts of routes that have a pattern; "" is every host."""
    return {host for route in routes if any(p.regex for p in route.paths) for host in route.hosts or ("",)}


def quoted(text: str) -> str:
    """The regular expression that takes this text alone."""
    return _SPECIAL.sub(r"\\\1", text)


def expression(path: HttpPath, flags: str = "") -> str:
    """What takes the paths that this one does, asked from where a path begins. A path of an Ingress starts with a
    slash: before a group it is one that is there no time.

    >>> expression(HttpPath("/v[0-9]+", False, (), True)), expression(HttpPath("/a.b", True, ()))
    ('/v[0-9]+$', '/a\\\\.b$')
    >>> expression(HttpPath("/a/", False, ())), expression(HttpPath("/", False, ()))
    ('/a(/.*)?$', '/.*$')
    >>> expression(HttpPath("/a|/b", False, (), True)), expression(HttpPath("/a", False, ()), "-i")
    ('/{0}(?:/a|/b)$', '/{0}(?-i:/a)(/.*)?$')
    """
    text = path.path if path.regex else quoted(bare(path))
    if not text:
        return "/.*$"
    if flags or (path.regex and "|" in text):
        text = f"/{{0}}(?{flags}:{text})"
    return f"{text}$" if path.exact or path.regex else f"{text}(/.*)?$"


def longest_first(
    found: Iterable[Rule], written: Callable[[Rule], tuple[str, str]], meet: Callable[[str, str], bool]
) -> Written:
    """`written`: what stands before a rule's path, and the path; one that has no end stays as it is. An end is said
    as often as it makes the rule longer than each that counts after it and may take the same request, which it may
    where their hosts `meet`."""
    out: Written = {}
    longest: dict[str, int] = {}
    for rule in sorted(found, key=lambda rule: rule.priority):
        head, text = written(rule)
        least = max((length for host, length in longest.items() if meet(host, rule.host)), default=0) + 1
        text += "$" * (least - len(head + text)) if text.endswith("$") else ""
        out[rule.host, rule.path] = text
        longest[rule.host] = max(longest.get(rule.host, 0), len(head + text))
    return out
