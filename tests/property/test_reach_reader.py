"""The reader: its fast path is libyaml to the letter, damaged input is reported and never raises, in any order.

NETSPEC_FUZZ_DOCUMENTS says how many damaged documents; 100,000 were read when docs/performance.md was written.
"""

import json
import os
import random
import re

import pytest
import reach_documents as documents
from hypothesis import given, settings
from hypothesis import strategies as st

from netspec.analysis.matrix import Matrix
from netspec.manifests import libyaml, quick
from netspec.manifests.documents import split
from netspec.manifests.read import read_texts
from netspec.yamlevents import Stop

COUNT = int(os.environ.get("NETSPEC_FUZZ_DOCUMENTS", "2000"))
TEXTS = [d.text for d in split(documents.SAMPLES, "samples.yaml")]


def construct(text: str) -> object:
    value, remarks = libyaml.construct(text)
    assert remarks == []
    return value


VALUES = [construct(text) for text in TEXTS]

#: What YAML 1.1, and so libyaml, ends lines with.
_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
words = st.sampled_from(
    (
        *("a", "b", "kind", "yes", "~", "1", "0x1f", "a b", "'q'", '"d e"', "{}", "[]", "[a, 'b']", "{a: b}"),
        *("{a: {b: [c]}}", "http://x", "a#b", "a:b", "#", "# c", "v1.2", "1e3", "-", "-a", "|", "*x", "&x", "!t"),
        *("@", "a: b", "", "...", "---"),
    )
)
lines = st.builds(
    lambda indent, dash, key, word: f"{' ' * indent}{dash}{key}{word}",
    st.integers(0, 5),
    st.sampled_from(("", "", "- ", "-  ", "- - ")),
    st.sampled_from(("a: ", "b: ", "c:", '"k": ', "", "a:  ", "1: ", "y: ")),
    words,
)


def check_quick(text: str) -> bool:
    """Whether the fast reader took the document; then it must agree with libyaml."""
    value = quick.parse(text)
    if value is None:
        return False
    assert repr(value) == repr(construct(text)), text
    return True


@settings(max_examples=1500, deadline=None)
@given(st.lists(lines, min_size=1, max_size=7))
def test_the_fast_reader_is_libyaml_on_random_lines(found: list[str]) -> None:
    text = "\n".join(found)
    if quick.parse(text) is not None:
        try:
            check_quick(text)
        except Stop as stop:
            pytest.fail(f"libyaml refuses what the fast reader took: {stop.message}\n{text}")


def test_the_fast_reader_takes_ordinary_manifests() -> None:
    taken = [text for text in TEXTS if check_quick(text)]
    assert len(taken) >= len(TEXTS) - 2, "only the anchors and block scalars are left to libyaml"


def test_the_fast_reader_is_libyaml_on_damaged_manifests() -> None:
    dice = random.Random(1)
    taken = 0
    for _ in range(COUNT):
        text = documents.damaged_text(dice, dice.choice(TEXTS))
        documents_of = list(split(text, "x"))
        for document in documents_of:
            try:
                taken += check_quick(document.text)
            except Stop as stop:
                pytest.fail(f"libyaml refuses what the fast reader took: {stop.message}\n{document.text}")
    assert taken > COUNT // 20


@pytest.mark.parametrize("seed", range(4))
def test_damaged_documents_are_reported_and_never_raise(seed: int) -> None:
    dice = random.Random(seed)
    reported = 0
    for _ in range(COUNT // 4):
        if dice.random() < 0.5:
            text = documents.damaged_text(dice, dice.choice(TEXTS))
        else:
            text = json.dumps(documents.damaged_value(dice, dice.choice(VALUES)))
        reading = read_texts([("fuzz.yaml", text)])
        reported += bool(reading.diagnostics)
        for diagnostic in reading.diagnostics:
            assert diagnostic.code.startswith("NM")
            assert diagnostic.position is not None
            assert diagnostic.position.line <= len(_BREAK.split(text)) + 1
    assert reported > COUNT // 40


@pytest.mark.parametrize("seed", range(2))
def test_what_is_left_of_damaged_input_is_analysed(seed: int) -> None:
    """Whole files, so that objects that refer to one another survive together."""
    dice = random.Random(seed)
    for _ in range(COUNT // 40):
        values = [documents.damaged_value(dice, v) if dice.random() < 0.2 else v for v in VALUES]
        reading = read_texts([(f"{i}.json", json.dumps(v)) for i, v in enumerate(values)])
        assert "".join(Matrix(reading.inventory).to_json())


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(len(TEXTS))))
def test_the_order_of_the_input_does_not_matter(order: list[int]) -> None:
    straight = read_texts([("x.yaml", text) for text in TEXTS])
    shuffled = read_texts([("x.yaml", TEXTS[i]) for i in order])
    assert shuffled.inventory == straight.inventory
    assert "".join(Matrix(shuffled.inventory).to_json()) == "".join(Matrix(straight.inventory).to_json())
