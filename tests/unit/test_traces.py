"""Spans that a collector is told of in parts, as proxies tell them: in any order, some in a later batch."""

import io
import os
import sys
import threading
from typing import Any

import pytest

from netspec.backends.common import server
from netspec.probes import HttpAsk
from netspec.verify.client import Answer
from netspec.verify.exchanges import traces_seen

EXPECT = {
    "parent of the span": "the client's",
    "parent of the backend's": "the span",
    "not recorded": "not told",
    "to": ["shop/traces"],
}
OF_PROXY, TO_BACKEND, TO_DECIDER = "a" * 16, "b" * 16, "c" * 16


class Proxy:
    """Its backend says what parent it was given: the span of the proxy's call to it."""

    def __init__(self, batches: list[list[str]]) -> None:
        self.batches, self.trace, self.looks = batches, "", 0

    def ask(self, ask: HttpAsk, header: tuple[str, str]) -> Answer:
        _, self.trace, self.parent, _ = header[1].split("-")
        return Answer(200, {}, f"00-{self.trace}-{TO_BACKEND}-01")

    def read(self, of: Any) -> str:
        above = {OF_PROXY: self.parent, TO_BACKEND: OF_PROXY, TO_DECIDER: OF_PROXY}
        self.looks += 1
        come = [span for batch in self.batches[: self.looks] for span in batch]
        return "".join(f"span {self.trace} {span} {above[span]}\n" for span in come)


@pytest.mark.parametrize(
    ("batches", "is_right", "looks"),
    [
        ([[OF_PROXY, TO_BACKEND]], True, 1),
        ([[OF_PROXY], [], [TO_BACKEND]], True, 3),
        ([[TO_BACKEND], [OF_PROXY]], True, 2),
        ([[OF_PROXY, TO_DECIDER], [TO_BACKEND]], True, 2),
        ([[OF_PROXY]], False, 40),
        ([[TO_BACKEND]], False, 40),
    ],
)
def test_the_spans_of_a_trace_come_in_parts(batches: list[list[str]], is_right: bool, looks: int) -> None:
    proxy = Proxy(batches)
    ask = HttpAsk("GET", "a.test", "/")
    found, seen, _ = traces_seen(EXPECT, ask, proxy, proxy.read, lambda _: None)  # type: ignore[arg-type]
    assert found is is_right and (seen == EXPECT) is is_right
    assert proxy.looks == looks


def test_what_two_connections_say_at_once_stays_in_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unbuffered, as the program runs."""
    took, gives = os.pipe()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(os.fdopen(gives, "wb", 0), write_through=True))
    speakers = [threading.Thread(target=lambda: [server.say("a line") for _ in range(1000)]) for _ in range(8)]
    was = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for speaker in speakers:
            speaker.start()
        with os.fdopen(took) as reader:
            said = [reader.readline() for _ in range(8000)]
        for speaker in speakers:
            speaker.join()
    finally:
        sys.setswitchinterval(was)
    sys.stdout.close()
    assert set(said) == {"a line\n"}
