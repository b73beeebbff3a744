"""Questions at the front door that mostly wait: together, with one reading of the logs for all."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from netspec.probes import COPIES, LIMIT, SHARES, TRACES, FactProbe, HttpAsk
from netspec.verify.door import WAITING_AT_ONCE, Door
from netspec.verify.exchanges import Shared
from netspec.verify.model import Observation, Status


class _Asked(list[str]):
    """Tells when it is looked at."""

    def __init__(self, told: threading.Semaphore) -> None:
        super().__init__(["shop/api"])
        self._told = told

    def __iter__(self) -> Iterator[str]:
        self._told.release()
        return super().__iter__()


def test_who_asks_while_logs_are_read_gets_what_is_read_next() -> None:
    reads, told, begun, go = list[str](), threading.Semaphore(0), threading.Event(), threading.Event()

    def read(_: Sequence[str]) -> str:
        reads.append(f"reading {len(reads) + 1}")
        begun.set()
        assert go.wait(10)
        return reads[-1]

    shared = Shared(read)
    with ThreadPoolExecutor(5) as pool:
        first = pool.submit(shared, ["shop/api"])
        assert begun.wait(10)
        others = [pool.submit(shared, _Asked(told)) for _ in range(4)]
        assert all(told.acquire(timeout=10) for _ in others)
        with shared._guard:  # behind them all
            go.set()
        assert (first.result(), {other.result() for other in others}) == ("reading 1", {"reading 2"})
    assert shared(["shop/api"]) == "reading 3" and shared(["shop/web"]) == "reading 4"


def test_a_reading_that_failed_is_nobody_s() -> None:
    answers: Iterator[Any] = iter(["old", OSError("cut"), "new"])

    def read(_: Sequence[str]) -> str:
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return str(answer)

    shared = Shared(read)
    assert shared(["shop/api"]) == "old"
    with pytest.raises(OSError, match="cut"):
        shared(["shop/api"])
    assert shared(["shop/api"]) == "new"


def test_those_that_wait_do_so_together_and_limits_come_last(monkeypatch: pytest.MonkeyPatch) -> None:
    def probe(fact: str, number: int) -> FactProbe:
        ask = HttpAsk("GET", f"h{number}.test", "/")
        return FactProbe(f"{fact}:{number}", fact, "edge", {}, peer="edge/door", port=80, request=ask)

    asked = [probe(LIMIT, 0), *(probe((TRACES, COPIES)[i % 2], i) for i in range(WAITING_AT_ONCE)), probe(SHARES, 0)]
    together, ended = threading.Barrier(WAITING_AT_ONCE), list[str]()

    def group(_: Door, probes: Sequence[FactProbe]) -> list[Observation]:
        if probes[0].fact in (TRACES, COPIES):
            together.wait(10)
        ended.extend(p.fact for p in probes)
        return [Observation(p, Status.PASS, None, "") for p in probes]

    monkeypatch.setattr(Door, "_group", group)
    unused: Any = None
    seen = Door(unused, unused, unused, "outside", "192.0.2.1", {}).run(asked)
    assert set(seen) == {p.id for p in asked} and ended[-1] == LIMIT
