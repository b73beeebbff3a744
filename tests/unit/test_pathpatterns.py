"""Patterns of paths: what is one, what it takes, and an example of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netspec.analysis.pathpatterns import example, takes
from netspec.analysis.routes import chosen, rules
from netspec.ir.http import HttpBackend, HttpPath, HttpRoute
from tests.unit.test_http_probes import WEB, _answers, _ir


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("/", "/"),
        ("/v[0-9]+/(cart|order)s?/.*", "/v0/cart/"),
        (r"/[^/]+\.png", "/x.png"),
        (r"/\d{2,3}/\w*-(?:a|b){2}", "/00/-aa"),
        ("/(a|b)/c", "/a/c"),
        ("/[a-c.]?x{0}y", "/y"),
    ],
)
def test_an_example_is_taken(pattern: str, found: str) -> None:
    assert example(pattern) == found and takes(pattern, found)


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("v1", "begins with /"),
        ("(/a|/b)", "begins with /"),
        ("/a$", "not of what all controllers read alike"),
        ("^/a", "not of what all controllers read alike"),
        ("/(?=a)", "not of what all controllers read alike"),
        ("/(?i:a)", "not of what all controllers read alike"),
        (r"/\1", "not of what all controllers read alike"),
        (r"/\s", "not of what all controllers read alike"),
        ("/a`", "not of what all controllers read alike"),
        ("/(a", "not closed"),
        ("/a)", "too many"),
        ("/a**", "in a row"),
        ("/a*?", "in a row"),
        ("/a{2,1}", "no number of times"),
        ("/a{1,1001}", "no number of times"),
        ("/[z-a]", "no range"),
        ("/[]", "empty"),
        ("/[a", "ends too early"),
        ("/*", "begins with /"),
    ],
)
def test_what_controllers_read_differently_is_none(pattern: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        example(pattern)


_ATOMS = st.sampled_from(["a", "/", "0", ".", r"\d", r"\w", r"\.", "[a-c]", "[^/]", "(a|/b)", "(?:x)"])
_TIMES = st.sampled_from(["", "", "*", "+", "?", "{2}", "{1,3}", "{0,}"])


@given(st.lists(st.tuples(_ATOMS, _TIMES), max_size=6))
def test_whatever_is_a_pattern_takes_its_example(parts: list[tuple[str, str]]) -> None:
    pattern = "/" + "".join(atom + times for atom, times in parts)
    assert takes(pattern, example(pattern))


def test_a_pattern_counts_after_an_exact_path_and_before_a_prefix() -> None:
    def path(text: str, kind: str) -> HttpPath:
        return HttpPath(text, kind == "Exact", (HttpBackend(text, 80),), kind == "Regex")

    paths = (path("/a/b/c", ""), path("/a/.*", "Regex"), path("/a/b/.*", "Regex"), path("/a/b/c", "Exact"))
    found = list(rules([HttpRoute("shop", "r", ("a.test",), paths)]))
    asked = {"/a/b/c": "/a/b/c", "/a/b/c/d": "/a/b/.*", "/a/x": "/a/.*", "/a": None}
    for text, wanted in asked.items():
        rule = chosen(found, "a.test", text)
        assert (rule and rule.path.path) == wanted
    assert (rule := chosen(found, "a.test", "/a/b/c")) is not None and rule.path.exact


def test_it_is_asked_by_its_example() -> None:
    answers = _answers(_ir({"hosts": ["a.test"], "paths": [{"path": "/v[0-9]+", "type": "Regex", "backends": WEB}]}))
    assert answers["GET:a.test/v0"] == {"status": 200} and answers["GET:a.test/v0x"] == {"status": 404}
