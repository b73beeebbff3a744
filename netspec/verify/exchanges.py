"""What takes more than a request and its answer, asked at the front door: WebSockets, answers that come late, copies,
traces (netspec.probing.exchanges). What pods got, they say themselves: their logs are read."""

import re
import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from netspec.probes import HttpAsk
from netspec.probing.exchanges import NO_METHOD
from netspec.probing.http import NOBODY
from netspec.toolchain.programs import last_line
from netspec.verify.access import Access
from netspec.verify.client import Client, Connect
from netspec.verify.rpc import called
from netspec.verify.websocket import exchanged

#: Seconds: until copies, and spans, which collectors are told of in batches, must have come; between two looks.
COPIED, TOLD, PAUSE = 5.0, 20.0, 0.5
#: How far back logs are read, in seconds: longer than one question takes.
BACK = 120
#: Of a line of a stand-in's collector (backends/common/server.py).
_SPAN = re.compile(r"^span ([0-9a-f]{32}) ([0-9a-f]{16}) ([0-9a-f]{16}|-)$", re.MULTILINE)
#: W3C Trace Context, 3.2.
_PARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}\Z")

#: Whether it is as expected, what was seen, and what else is to be said.
Seen = tuple[bool, Any, str]
#: Workload ids -> what their pods have said lately.
Logs = Callable[[Sequence[str]], str]


class Shared:
    """Logs for questions that wait at the same time: who asks while they are read gets what is read next, with all
    others who asked meanwhile."""

    def __init__(self, read: Logs) -> None:
        self._read = read
        self._guard = threading.Lock()
        self._of: dict[tuple[str, ...], _Log] = defaultdict(_Log)

    def __call__(self, workloads: Sequence[str]) -> str:
        with self._guard:
            log = self._of[tuple(workloads)]
            wanted = log.begun + 1
        with log.lock:
            if log.ended < wanted:
                log.begun += 1
                log.text = self._read(workloads)
                log.ended = log.begun
            return log.text


@dataclass
class _Log:
    """`begun`, `ended`: how often a reading did, the latter of those that succeeded its number."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    begun: int = 0
    ended: int = 0
    text: str = ""


def logs(access: Access, pods: Mapping[str, str], workloads: Sequence[str]) -> str:
    """`pods`: name -> workload. Raises OSError where a log cannot be read."""
    said = []
    for name, workload in sorted(pods.items()):
        if workload in workloads:
            where = ("--namespace", workload.partition("/")[0], "--all-containers", f"--since={BACK}s")
            done = access.kubectl("logs", name, *where)
            if done.returncode:
                raise OSError(f"the log of {name}: {last_line(done.stderr)}")
            said.append(done.stdout)
    return "".join(said)


def _who(came: Sequence[str], pods: Mapping[str, str], wanted: Sequence[str]) -> Sequence[str]:
    """Whose pods sent something back, each with its name before it: `wanted` where it was theirs alone."""
    workloads = {pods.get(pod, pod) for pod in (text.partition(" ")[0] for text in came)}
    return wanted if workloads and workloads <= set(wanted) else sorted(workloads)


def _echoes(came: Sequence[str], sent: Sequence[str]) -> int:
    return sum(text.partition(" ")[2] == said for text, said in zip(came, sent, strict=False))


def socket_seen(expect: Mapping[str, Any], ask: HttpAsk, connect: Connect, pods: Mapping[str, str]) -> Seen:
    texts = [secrets.token_hex(8) for _ in range(expect["echoes"])]
    status, came = exchanged(connect, ask, texts)
    seen: dict[str, Any] = {"status": status, "from": _who(came, pods, expect["from"])}
    seen["echoes"] = _echoes(came, texts)
    if "of nobody" in expect:
        seen["of nobody"] = exchanged(connect, ask._replace(host=NOBODY), texts)[0]
    return seen == expect, seen, "" if seen == expect else ", ".join(came)


def calls_seen(expect: Mapping[str, Any], ask: HttpAsk, connect: Connect, pods: Mapping[str, str]) -> Seen:
    """Of gRPC. A message is sent when the one before has been answered: a proxy that waits for the end is seen."""
    texts = [secrets.token_hex(8) for _ in range(expect["calls"])]
    other = NO_METHOD if "of no rule" in expect else ""
    apart, together, of_other = called(connect, ask, texts, other)
    seen: dict[str, Any] = {"from": _who((*apart, *together), pods, expect["from"])}
    seen |= {"calls": _echoes(apart, texts), "in one call": _echoes(together, texts)}
    seen |= {"of no rule": of_other} if other else {}
    return seen == expect, seen, "" if seen == expect else ", ".join((*apart, *together))


def times_seen(expect: Mapping[str, Any], ask: HttpAsk, client: Client, read: Logs, late: float) -> Seen:
    """`late`: by how much more than the time the second answer takes."""
    token, seconds = secrets.token_hex(8), expect["seconds"]
    early, too_late = (
        client.ask(ask._replace(path=f"{ask.path}?cmd=sleep+{time_}+%23{token}-{time_}"))
        for time_ in (seconds // 2, seconds + late)
    )
    asked = read(expect["of"]).count(f"#{token}-{seconds + late}")
    seen = {**expect, "in time": early.status, "too late": too_late.status, "pods asked": asked}
    return seen == expect, seen, ""


def copies_seen(
    expect: Mapping[str, Any], ask: HttpAsk, client: Client, read: Logs, rest: Callable[[float], None] = time.sleep
) -> Seen:
    """Each request has a word of its own: a copy that came twice is seen as two."""
    words = [secrets.token_hex(8) for _ in range(expect["answers"])]
    answers = [client.ask(ask._replace(path=f"{ask.path}?msg={word}")) for word in words]
    copies = 0
    for _ in range(round(COPIED / PAUSE)):
        enough = copies >= expect["copies"]
        rest(PAUSE)
        said = read(expect["to"])
        copies = sum(said.count(word) for word in words)
        if enough:  # and another look later: one too many takes a moment too
            break
    answered = sum(answer.body.strip() == word for answer, word in zip(answers, words, strict=True))
    seen = {**expect, "answers": answered, "copies": copies}
    return seen == expect, seen, ""


def traces_seen(
    expect: Mapping[str, Any], ask: HttpAsk, client: Client, read: Logs, rest: Callable[[float], None] = time.sleep
) -> Seen:
    """The one that is not recorded comes first, so that what is told of it would have come with the other."""
    silent, trace, parent = secrets.token_hex(16), secrets.token_hex(16), secrets.token_hex(8)
    client.ask(ask, ("traceparent", f"00-{silent}-{parent}-00"))
    got = client.ask(ask, ("traceparent", f"00-{trace}-{parent}-01")).body.strip()
    told = _PARENT.match(got)
    spans: list[tuple[str, str, str]] = []
    own: dict[str, str] = {}
    for _ in range(round(TOLD / PAUSE)):
        rest(PAUSE)
        spans = _SPAN.findall(read(expect["to"]))
        own = {span: above for of, span, above in spans if of == trace}
        # A proxy may have a span for each of its own calls (to the backend, to who decides), told of in any order and
        # not all at once.
        if parent in own.values() and (told is None or told[2] in own):
            break
    seen: dict[str, Any] = {
        **expect,
        "parent of the span": "the client's" if parent in own.values() else "another's" if own else "no span came",
        "parent of the backend's": "the span" if told and told[1] == trace and told[2] in own else got or "none",
        "not recorded": "told" if any(of == silent for of, _, _ in spans) else "not told",
    }
    return seen == expect, seen, f"{len(own)} spans of the trace"
