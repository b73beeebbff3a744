"""Payloads larger than one packet, between each pair of nodes: asked of the canary's clients, which echo.

A path that loses large packets lets handshakes, lookups and every other probe through. Nothing that the kernel does
about such a path may hide it: a first attempt starts from pods that have just been made, so no path is known to them; a
sender that was told of a smaller MTU afterwards (ICMP) cuts its datagrams smaller, which its counters show.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from netspec.probes import Outcome, PacketProbe
from netspec.toolchain.programs import last_line
from netspec.verify.access import Access
from netspec.verify.canary import ECHO, NODES_AT_ONCE, CanaryPods
from netspec.verify.model import Dial, Observation, Status
from netspec.verify.script import LARGE_TCP_TIMEOUT, LARGE_UDP_TIMEOUT, Question, Reply, outcome, replies, script

#: A payload that did not arrive is sent again, so often at once and so often when nobody else asks: it has one second,
#: which on a busy machine is not enough, and a path that loses it does so each time.
AGAIN, ALONE = 1, 1
#: A time-out that came so late, in limits, tells of a busy machine and not of the path: who asked was not run
#: meanwhile. It is asked again this often besides, and is then no answer.
LATE, LATE_AGAIN = 1.5, 3
#: Where the kernel counts the fragments of a pod.
COUNTERS = "/proc/net/snmp"
_ONE_NODE = "the cluster has one node: there is no path between nodes"


@dataclass(frozen=True, slots=True)
class _Path:
    """One question: from a client to another. `small`: the same with a payload that fits every packet."""

    client: str
    server: str
    probe: PacketProbe
    address: str
    small: bool = False

    def question(self, number: int) -> Question:
        return Question(number, "flow" if self.small else "large", self.address, self.probe.protocol)

    def came_late(self, dial: Dial) -> bool:
        limit = LARGE_TCP_TIMEOUT if self.probe.protocol == "TCP" else LARGE_UDP_TIMEOUT
        return dial.outcome is Outcome.TIMED_OUT and dial.end - dial.start > LATE * limit


def ask_packets(
    access: Access,
    pods: CanaryPods,
    probes: Sequence[PacketProbe],
    on_route: int = 0,
    until_alone: Callable[[], object] = lambda: None,
) -> dict[str, Observation]:
    """An observation for each probe. Every pair of nodes is asked by address, each node and the next by Service.
    `on_route`: as in netspec.target.Traits. `until_alone` waits until nobody else asks."""
    paths = [path for probe in probes for path in _paths(pods, probe)]
    if not paths:
        return {p.id: Observation(p, Status.SEEN, Outcome.CHECK_FAILED, _ONE_NODE) for p in probes}
    dials: dict[_Path, Dial] = {}
    cut: dict[str, str] = {}
    attempts = 0
    due = paths
    while due and attempts <= AGAIN + ALONE + LATE_AGAIN:
        if attempts > AGAIN:
            until_alone()
        attempts += 1
        # What failed is asked again with a small payload beside it: is it the size, or the path?
        beside = [replace(path, small=True) for path in due] if attempts > 1 else []
        now, counted = _ask(access, pods, [*due, *beside], on_route)
        dials |= now
        cut |= counted
        lost = [path for path in due if dials[path].outcome is not Outcome.CONNECTED]
        due = [path for path in lost if attempts <= AGAIN + ALONE or path.came_late(dials[path])]
    return {p.id: _judge(p, [path for path in paths if path.probe is p], pods, dials, cut, attempts) for p in probes}


def _paths(pods: CanaryPods, probe: PacketProbe) -> Iterator[_Path]:
    clients = list(pods.clients)
    for i, client in enumerate(clients):
        following = clients[(i + 1) % len(clients)]
        for server in clients if probe.via == "pod" else [following]:
            if server != client:
                host = pods.addresses[server] if probe.via == "pod" else pods.services[server]
                yield _Path(client, server, probe, f"{f'[{host}]' if ':' in host else host}:{ECHO}")


def _ask(
    access: Access, pods: CanaryPods, paths: Sequence[_Path], on_route: int
) -> tuple[dict[_Path, Dial], dict[str, str]]:
    """What each path did, and of each client whether it had to cut its datagrams smaller."""
    by_client: dict[str, list[_Path]] = {}
    for path in paths:
        by_client.setdefault(path.client, []).append(path)

    def one(client: str) -> Mapping[int, list[Reply]] | str:
        questions = [path.question(i) for i, path in enumerate(by_client[client])]
        last = Question(len(questions), "file", COUNTERS)
        text = script((), questions, last=(last,), on_route=on_route)
        result = access.pod(pods.namespace, client, "agnhost").run(text)
        return replies(result.stdout) or f"could not run in {client}: {last_line(result.stderr)}"

    with ThreadPoolExecutor(NODES_AT_ONCE) as pool:
        answers = dict(zip(by_client, pool.map(one, by_client), strict=True))
    dials: dict[_Path, Dial] = {}
    cut: dict[str, str] = {}
    for client, theirs in by_client.items():
        got = answers[client]
        for i, path in enumerate(theirs):
            ends = {"source": pods.clients[path.client], "target": pods.clients[path.server], "same_node": False}
            row = () if isinstance(got, str) else got.get(i, ())
            if row:
                dials[path] = Dial(path.address, outcome(row[0]), start=row[0].start, end=row[0].end, **ends)  # type: ignore[arg-type]
            else:
                why = got if isinstance(got, str) else f"{client} did not answer"
                dials[path] = Dial(path.address, Outcome.CHECK_FAILED, detail=why, **ends)  # type: ignore[arg-type]
        counters = () if isinstance(got, str) else got.get(len(theirs), ())
        if counters and (said := smaller_fragments(counters[0].output)):
            cut[client] = said
    return dials, cut


def smaller_fragments(snmp: str) -> str:
    """/proc/net/snmp, lines separated by newline or "|": what it says of datagrams that were cut into more than the two
    fragments that they are made for, which is what a sender does that knows of a smaller MTU on the path.

    >>> smaller_fragments("Ip: Forwarding FragOKs FragFails FragCreates|Ip: 1 4 0 8|")
    ''
    >>> smaller_fragments("Ip: Forwarding FragOKs FragFails FragCreates|Ip: 1 4 0 9|")
    '4 datagrams were cut into 9 fragments: the path takes smaller packets than the pods send'
    """
    rows = [line.split() for line in re.split(r"[\n|]", snmp) if line.startswith("Ip:")]
    if len(rows) < 2:
        return ""
    counted = dict(zip(rows[0], rows[1], strict=False))
    whole, fragments = int(counted.get("FragOKs", 0)), int(counted.get("FragCreates", 0))
    if fragments <= 2 * whole:
        return ""
    return f"{whole} datagrams were cut into {fragments} fragments: the path takes smaller packets than the pods send"


def _judge(
    probe: PacketProbe,
    paths: Sequence[_Path],
    pods: CanaryPods,
    dials: Mapping[_Path, Dial],
    cut: Mapping[str, str],
    attempts: int,
) -> Observation:
    found = [dials[path] for path in paths]
    odd = [(path, d) for path, d in zip(paths, found, strict=True) if d.outcome is not Outcome.CONNECTED]
    told = [_words(path, d, dials.get(replace(path, small=True))) for path, d in odd]
    nodes = pods.clients
    told += [f"{nodes[c]}: {said}" for c, said in cut.items()] if probe.protocol == "UDP" and probe.via == "pod" else []
    seen = odd[0][1].outcome if odd else Outcome.CONNECTED
    if not told:
        status = Status.PASS
    elif odd and all(d.outcome is Outcome.CHECK_FAILED or path.came_late(d) for path, d in odd):
        status = Status.CHECK_FAILED
    else:
        status = Status.WRONG
    asked = f"a pod on each of {', '.join(sorted(set(nodes.values())))}"
    return Observation(probe, status, seen, "; ".join(told), asked, tuple(found), attempts if odd else 1)


def _words(path: _Path, dial: Dial, small: Dial | None) -> str:
    if dial.outcome is Outcome.CHECK_FAILED:
        return f"{dial.source} to {dial.target}: {dial.detail or 'could not tell'}"
    if path.came_late(dial):
        took = f"gave up after {dial.end - dial.start:.1f} s"
        return f"{dial.source} to {dial.target}: {took}: {dial.source} is too busy to tell"
    alone = "small ones arrive" if small and small.outcome is Outcome.CONNECTED else "small ones do not arrive either"
    return (
        f"{dial.source} to {dial.target}: {dial.outcome.value}, {alone}"
        if small
        else (f"{dial.source} to {dial.target}: {dial.outcome.value}")
    )
