"""YAML in: plain data with positions, bounded, and never a traceback."""

import random
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netspec.backends.registry import REGISTRY
from netspec.compiler import check_spec
from netspec.diagnostics import Position, Problem, Report
from netspec.spec import source
from netspec.spec.errors import MAX_ERRORS
from netspec.spec.load import load, loads

ROOT = Path(__file__).parent.parent.parent
BOUTIQUE = (ROOT / "stacks" / "boutique.yaml").read_bytes()
SAMPLES = [path.read_bytes() for path in sorted((ROOT / "tests" / "specs").glob("*.yaml"))]


def _parse(text: str | bytes) -> tuple[source.Source, list[str]]:
    report = Report()
    parsed = source.parse(text if isinstance(text, bytes) else text.encode(), "f.yaml", report)
    return parsed, [d.code for d in report.sorted()]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("yes", "yes"),
        ("on", "on"),
        ("22:30", "22:30"),
        ("0644", "0644"),
        ("0x1f", "0x1f"),
        ("2001-01-01", "2001-01-01"),
        ("1_000", "1_000"),
        ("12", 12),
        ("-3", -3),
        ("1.10", 1.1),
        ("1e3", 1000.0),
        ("true", True),
        ('"true"', "true"),
        ("'12'", "12"),
        ("!!str 12", "12"),
        ("~", None),
        ("", None),
        ("9" * 400, "9" * 400),
    ],
)
def test_scalars_follow_the_core_schema(written: str, value: object) -> None:
    parsed, codes = _parse(f"key: {written}")
    assert codes == [] and parsed.root is not None
    found = parsed.root.data()["key"]
    assert found == value and isinstance(found, type(value)) and isinstance(found, bool) == isinstance(value, bool)


def test_positions_are_of_values_and_of_keys() -> None:
    parsed, _ = _parse("network:\n  podCIDRs:\n    - 10.0.0.0/8\n    - 10.0.0.0/9\nlist: [{a: b}]\n")
    at = parsed.locate
    assert at(("network",)) == Position("f.yaml", 1, 1)
    assert at(("network", "podCIDRs")) == Position("f.yaml", 2, 3)
    assert at(("network", "podCIDRs", 1)) == Position("f.yaml", 4, 7)
    assert at(("list", 0, "a")) == Position("f.yaml", 5, 12)
    assert parsed.locate_key(("list", 0, "a")) == Position("f.yaml", 5, 9)


@pytest.mark.parametrize(
    "path", [("network", "none"), ("network", 3), ("network", "podCIDRs", 9), ("network", "x", "y")]
)
def test_what_does_not_exist_is_located_at_what_encloses_it(path: tuple[str | int, ...]) -> None:
    parsed, _ = _parse("network:\n  podCIDRs: []\n")
    found = parsed.locate(path)
    assert found is not None and found.line in (1, 2)


def test_an_alias_is_a_copy_located_where_it_was_written() -> None:
    parsed, codes = _parse("a: &x {n: 1}\nb: *x\n")
    assert codes == [] and parsed.root is not None
    assert parsed.root.data() == {"a": {"n": 1}, "b": {"n": 1}}
    assert parsed.locate(("b", "n")) == Position("f.yaml", 1, 11)


def test_aliases_are_bounded_in_number() -> None:
    anchor = "a: &x 1\nb: [" + ", ".join(["*x"] * source.MAX_ALIASES)
    assert _parse(f"{anchor}]")[1] == []
    assert _parse(f"{anchor}, *x]")[1] == ["NS003"]


def test_values_are_bounded_in_number() -> None:
    assert _parse("[" + "1," * source.MAX_NODES + "1]")[1] == ["NS003"]


def test_size_is_bounded_before_anything_is_parsed(tmp_path: Path) -> None:
    big = tmp_path / "big.yaml"
    big.write_bytes(b"a: b\n" + b"# comment\n" * (source.MAX_BYTES // 10 + 1))
    assert [d.code for d in load(big).report.sorted()] == ["NS003"]


def test_malformed_values_are_listed_up_to_a_limit() -> None:
    codes = Counter(d.code for d in loads("namespaces:\n" + "- {}\n" * 5000).report.sorted())
    assert (codes["NS013"], codes["NS003"]) == (MAX_ERRORS, 1)


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_depth_is_bounded_whatever_nests(opening: str) -> None:
    assert _parse(opening * 5000)[1] != []


def test_every_duplicate_key_is_found() -> None:
    parsed, codes = _parse("a: 1\na: 2\nb: {c: 1, c: 2, c: 3}\n")
    assert codes == ["NS002"] * 3
    assert parsed.root is not None and parsed.root.data() == {"a": 1, "b": {"c": 1}}


def test_a_byte_that_is_not_utf8_is_located() -> None:
    report = Report()
    source.parse(b"a: b\nc: \xff\n", "f.yaml", report)
    (found,) = report.sorted()
    assert (found.code, str(found.position)) == ("NS001", "f.yaml:2:4")


def test_a_control_character_is_located() -> None:
    report = Report()
    source.parse(b"a: b\nc: d\x07\n", "f.yaml", report)
    (found,) = report.sorted()
    assert (found.code, str(found.position)) == ("NS001", "f.yaml:2:5")


def test_a_byte_order_mark_and_windows_line_ends_are_read() -> None:
    parsed, codes = _parse(b"\xef\xbb\xbfa: b\r\nc: d\r\n")
    assert codes == [] and parsed.root is not None and parsed.root.data() == {"a": "b", "c": "d"}


@pytest.mark.parametrize("name", ["missing.yaml", "", "dir", "nul\0byte.yaml"])
def test_a_file_that_cannot_be_read_is_a_problem(name: str, tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    with pytest.raises(Problem) as raised:
        load(f"{tmp_path}/{name}")
    assert raised.value.hint


def _check(raw: bytes) -> None:
    for diagnostic in check_spec(loads(raw, "fuzz.yaml"), None, REGISTRY):
        assert re.fullmatch(r"NS\d{3}", diagnostic.code)
        assert diagnostic.position is not None and "pydantic" not in diagnostic.render()


def _mutated(raw: bytes, rng: random.Random) -> bytes:
    """The bytes with a few cuts, copies, swaps of tokens and foreign bytes."""
    out = bytearray(raw)
    tokens = (
        b"[",
        b"]",
        b"{",
        b"}",
        b": ",
        b"- ",
        b"\n",
        b"&a ",
        b"*a",
        b"!!int ",
        b"|\n",
        b"'",
        b"~",
        b"-1",
        b"1e9",
        b"true",
        b"\t",
        b"\xff",
    )
    for _ in range(rng.randint(1, 4)):
        start = rng.randrange(len(out) + 1)
        end = min(len(out), start + rng.randint(0, 40))
        kind = rng.randrange(3)
        if kind == 0:
            del out[start:end]
        elif kind == 1:
            out[start:end] = rng.choice(tokens)
        else:
            target = rng.randrange(len(out) + 1)
            out[target:target] = out[start:end]
    return bytes(out)


def test_mutated_specs_give_diagnostics_never_a_traceback() -> None:
    rng = random.Random(20)
    for index in range(2000):
        _check(_mutated(SAMPLES[index % len(SAMPLES)], rng))
    for _ in range(50):
        _check(_mutated(BOUTIQUE, rng))


_SCALARS = st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text(max_size=8) | st.floats(allow_nan=False)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_value_in_any_place_gives_diagnostics(data: st.DataObject) -> None:
    """Replaces one value of the fullest sample with an arbitrary one."""
    import yaml

    document = yaml.safe_load((ROOT / "tests" / "specs" / "valid-everything.yaml").read_text())
    node = document
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = data.draw(st.sampled_from(keys))
        child = node[key]
        if not isinstance(child, dict | list) or not child or data.draw(st.booleans()):
            node[key] = data.draw(_VALUES)
            break
        node = child
    _check(yaml.safe_dump(document).encode())
