"""The reader against kubectl's and the API server's own code (tests/oracle): the same documents, the same values; what
the API server takes is taken, and means what the API server makes of it.

NETSPEC_FUZZ_DOCUMENTS says how many examples.
"""

import os
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from oracle.kubectl import Kubectl, running

from netspec.manifests.documents import Broken, split
from netspec.manifests.read import decode
from netspec.manifests.scalars import whole

COUNT = int(os.environ.get("NETSPEC_FUZZ_DOCUMENTS", "300"))
fuzz = settings(max_examples=COUNT, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="session")
def kubectl() -> Iterator[Kubectl]:
    with running() as found:
        yield found


def as_json(value: Any) -> Any:
    """With numbers alike that are alike in JSON; of more than 63 bits Go keeps 53."""
    if isinstance(value, str):
        return re.sub("[\ud800-\udfff]", "\ufffd", value)
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float):
        return float(value) if abs(value) >= 1 << 53 else whole(float(value))
    if isinstance(value, list):
        return [as_json(item) for item in value]
    return {key: as_json(item) for key, item in value.items()}


def ours(content: str | bytes) -> tuple[list[Any], list[str]]:
    """The values of a file, and what is wrong with the documents that cannot be read."""
    text = decode(content if isinstance(content, bytes) else content.encode())
    assert isinstance(text, str)
    found: list[Any] = []
    wrong = []
    for document in split(text, "x"):
        try:
            found.extend(loaded.value for loaded in document.load())
        except Broken as broken:
            wrong.append(broken.message)
    return found, wrong


def check_documents(kubectl: Kubectl, content: str | bytes) -> bool:
    """Whether kubectl read something."""
    answer = kubectl.read(content)
    found, wrong = ours(content)
    flat = [as_json(v) for v in found if v is not None]
    wanted = [as_json(o.body) for o in answer.objects]
    if answer.error:
        assert flat[: len(wanted)] == wanted, content
    else:
        assert (flat, wrong) == (wanted, []), content
    return bool(wanted)


# Scalars, keys, merges

NUMBERS = [
    *("0", "80", "080", "0o17", "017", "0x1F", "0X1f", "0b101", "-0b1", "+1", "-1", "1_000", "0_8", "1e2", "8.08e3"),
    *("80.0", "80.", ".5", "._5", ".5_5", "1e400", "-0x1F", "+0x1F", "1.5e-3", "5_", "0x", "0o", "1:30", "08:30"),
    *("12345678901234567890", "123456789012345678901", "9223372036854775807", "9223372036854775808", "1.2.3", "1e20"),
    *("-9223372036854775808", "2001-01-01", "2001-1-1T1:1:1Z", "0777777777777777777777777777", "0xffffffffffffffff"),
    *("0xfffffffffffffffff", "1e21", "1e+2", "1E2", "-0", "+0.0", "-.5", "+.5", "1__0", "0b12", "0o18", "0x_1", "1e"),
    *("1e+", "e1", "-", "--", "+", ".", "..", "4294967296", "1.0e1_0", "1E100", "-1E100", "1.123456789", "123456.5"),
]
WORDS = [
    *("a", "y", "Y", "n", "N", "yes", "Yes", "YES", "no", "on", "On", "OFF", "off", "true", "True", "TRUE", "false"),
    *("null", "Null", "NULL", "~", ".inf", "-.Inf", ".NaN", "nUll", "yEs", "<<", "'80'", '"80"', "'null'", '""', "''"),
    *("a:b", "a#b", "http://x", "v1.2", '"\\n"', "'it''s'", "-a", "?a", ":a", "fd00::", "2001:db8::1"),
]
TAGGED = [
    *("!x 5", "! 5", "! '5'", "!!map {}", "!!set {a}", "!x [1]"),
    *(
        f"!!{tag} {value}"
        for tag in ("str", "int", "float", "bool", "null", "binary", "timestamp")
        for value in ("5", "'5'", "0x10", "1.5", "yes", "~", "YQ==", "a", "''", "2001-01-01")
    ),
]
scalars = st.sampled_from([*NUMBERS, *WORDS, *TAGGED])


@pytest.mark.parametrize("text", [*NUMBERS, *WORDS, *TAGGED])
def test_a_scalar_is_what_kubectl_makes_of_it(kubectl: Kubectl, text: str) -> None:
    for line in (f"v: {text}", f"v: [{text}]", f"v:\n- {text}", f"? {text}\n: v", f"{text}: v"):
        check_documents(kubectl, f"kind: A\nb:\n  {line}\n" if "\n" not in line else f"kind: A\n{line}\n")


@fuzz
@given(st.text("0123456789.eE+-_xXob:aAfF", min_size=1, max_size=12))
def test_a_number_is_what_kubectl_makes_of_it(kubectl: Kubectl, text: str) -> None:
    check_documents(kubectl, f"kind: A\nb: [{text}]\n{text}: c\n")


keys = st.sampled_from(
    ("a", "b", "c", "<<", "'<<'", "!!merge <<", "1", "yes", "'a'", "1.50", "1e6", "&k d", "*k", "? e")
)
leaves = st.one_of(scalars, st.sampled_from(("*x", "*y", "&x {a: 1, b: 2}", "&y [*x, {c: 3}]", "&x a", "{a: {b: c}}")))


def _flow(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    anchors = st.sampled_from(("", "", "", "&x ", "&y "))
    mapping = st.lists(st.tuples(keys, children), max_size=4).map(
        lambda found: "{" + ", ".join(f"{k} : {v}" for k, v in found) + "}"
    )
    listed = st.lists(children, max_size=3).map(lambda found: "[" + ", ".join(found) + "]")
    return st.builds(str.__add__, anchors, mapping | listed)


@fuzz
@given(st.lists(st.tuples(keys, st.recursive(leaves, _flow, max_leaves=8)), min_size=1, max_size=5))
def test_merges_anchors_and_keys_are_as_kubectl_has_them(kubectl: Kubectl, found: list[tuple[str, str]]) -> None:
    check_documents(kubectl, "kind: A\n" + "".join(f"{key} : {value}\n" for key, value in found))


lines = st.builds(
    lambda indent, dash, key, word: f"{' ' * indent}{dash}{key}{word}",
    st.integers(0, 4),
    st.sampled_from(("", "", "", "- ", "-  ", "- - ", "-\t")),
    st.sampled_from(("a: ", "b: ", "c:", '"k": ', "", "a:  ", "1: ", "y: ", "<<: ", "? ", ": ", "a:\t")),
    st.one_of(
        scalars,
        leaves,
        st.sampled_from(("", "|", ">-", "# c", "[", "]", "{", "}", ",", "'", '"', "a b", "x  # c", "a: b")),
    ),
)


@fuzz
@given(st.lists(lines, min_size=1, max_size=6))
def test_lines_are_as_kubectl_has_them(kubectl: Kubectl, found: list[str]) -> None:
    check_documents(kubectl, "kind: A\n" + "\n".join(found))


# Files with several documents

_PIECES = (
    *(
        "kind: A\n",
        "kind: B\nb: [1, c]\n",
        "{kind: C}\n",
        '{"kind": "D", "d": 1.0}',
        '{"kind": "E"}\n',
        "\n",
        " ",
        "# c\n",
    ),
    *(
        "---\n",
        "--- \n",
        "--- # c\n",
        "---\t\n",
        "---",
        "\n---\n",
        "\r\n",
        "---\r\n",
        "kind: F\r\nb: c\r\n",
        "...\n",
        "kind: B\n---\n\ufeffkind: C\n",
    ),
    *(
        "null\n",
        "~\n",
        "{}\n",
        "[]\n",
        "--- a\n",
        "---a\n",
        "%YAML 1.1\n",
        "%TAG ! x\n",
        "- a\n",
        "text\n",
        '{"a":',
        "}",
        ",",
    ),
    *(
        "  kind: G\n",
        "\t",
        "kind: H\nb: |\n  ---\n  x\n",
        '{"kind": "I", "kind": "J"}',
        '{"kind":"K","b":"\\ud800"}',
        "''\n",
    ),
)


@fuzz
@given(st.lists(st.sampled_from(_PIECES), min_size=1, max_size=8).map("".join))
@example('{"kind":"A"}{"kind":"B"}\n{"kind":"C"}')
@example('{"kind":"A"}\n---\n{"kind":"B"}\n---\nkind: C')
@example('{"kind":"A"} # c\n---\nkind: B')
@example("kind: A\n...\nkind: B\n---\nkind: C")
@example("\ufeffkind: A\n--- # c\n\ufeffkind: B\n")
def test_files_come_apart_as_kubectl_takes_them(kubectl: Kubectl, content: str) -> None:
    """kubectl ends at the first error; it takes a first document that begins with `...` or a directive for an empty
    one, and does not look at the rest, of which netspec says that it cannot be read."""
    answer = kubectl.read(content)
    found, wrong = ours(content)
    flat = iter([as_json(v) for v in found if v is not None])
    wanted = [as_json(o.body) for o in answer.objects]
    assert all(body in flat for body in wanted), content
    if not answer.error and "%" not in content and "..." not in content:
        assert (list(flat), wrong) == ([], []), content
