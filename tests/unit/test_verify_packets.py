"""Payloads of more than one packet, with pods that answer as recorded."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from verify_support import STATE, Result

from netspec.probes import Outcome, PacketProbe
from netspec.probing.packets import packets
from netspec.verify.canary import ECHO, CanaryPods
from netspec.verify.model import Observation, Status
from netspec.verify.packets import AGAIN, ALONE, LATE_AGAIN, ask_packets
from netspec.verify.script import LARGE_TCP_TIMEOUT, Question, script

PROBES = list(packets())
NODES = {"client-0": "w1", "client-1": "w2", "client-2": "cp"}
WHOLE = "Ip: Forwarding FragOKs FragFails FragCreates|Ip: 1 4 0 8|"


@dataclass
class Echo:
    """A client: what it cannot reach is in `lost` ("address protocol kind"), `counters` is its /proc/net/snmp."""

    lost: dict[str, str] = field(default_factory=dict)
    counters: str = WHOLE
    scripts: list[str] = field(default_factory=list)
    seconds: float = 0.1

    def run(self, text: str) -> Result:
        self.scripts.append(text)
        out = []
        for line in text.replace("{", "\n").replace("}", "\n").replace(";", "\n").replace("&", "\n").splitlines():
            words = line.split()
            if len(words) < 3 or words[0] not in ("f", "l", "c") or not words[1].isdigit():
                continue
            kind = {"f": "flow", "l": "large", "c": "file"}[words[0]]
            said = self.counters if kind == "file" else self.lost.get(f"{words[2]} {words[3]} {kind}", "")
            status = 0 if kind == "file" or not said else 1
            out.append(f"{kind}\t{words[1]}\t1.0\t{1 + self.seconds}\t{status}\t{said}")
        return Result(0, "\n".join(out))


@dataclass
class Access:
    clients: dict[str, Any]

    def pod(self, namespace: str, name: str, container: str) -> Any:
        return self.clients[name]


def pods(nodes: int = 3) -> CanaryPods:
    made = CanaryPods(Access({}), STATE)  # type: ignore[arg-type]
    made.clients = dict(list(NODES.items())[:nodes])
    made.addresses = {"client-0": "10.244.1.9", "client-1": "10.244.2.9", "client-2": "10.244.3.9"}
    made.services = {"client-0": "10.96.9.0", "client-1": "10.96.9.1", "client-2": "10.96.9.2"}
    return made


def ask(nodes: int = 3, **clients: Echo) -> tuple[dict[str, Observation], dict[str, Echo]]:
    every = {name: clients.get(name.replace("-", "_"), Echo()) for name in NODES}
    return ask_packets(Access(every), pods(nodes), PROBES), every  # type: ignore[arg-type]


def large(address: str, *protocols: str, said: str = "TIMEOUT") -> dict[str, str]:
    return {f"{address}:{ECHO} {protocol} large": said for protocol in protocols}


def test_every_pair_of_nodes_is_asked_both_ways_and_each_node_through_a_service() -> None:
    seen, clients = ask()
    assert {o.status for o in seen.values()} == {Status.PASS}
    pairs = {(d.source, d.target) for d in seen["packets:pod:UDP"].dials}
    assert pairs == {(a, b) for a in NODES.values() for b in NODES.values() if a != b}
    assert [(d.source, d.target, d.address) for d in seen["packets:cluster-ip:TCP"].dials] == [
        ("w1", "w2", f"10.96.9.1:{ECHO}"),
        ("w2", "cp", f"10.96.9.2:{ECHO}"),
        ("cp", "w1", f"10.96.9.0:{ECHO}"),
    ]
    assert {len(c.scripts) for c in clients.values()} == {1}


def test_a_payload_that_is_lost_is_wrong_and_says_that_small_ones_arrive() -> None:
    seen, clients = ask(client_0=Echo(large("10.244.2.9", "tcp", "udp")))
    lost = seen["packets:pod:UDP"]
    assert (lost.status, lost.observed, lost.attempts) == (Status.WRONG, Outcome.TIMED_OUT, AGAIN + ALONE + 1)
    assert lost.detail == "w1 to w2: timed-out, small ones arrive"
    assert seen["packets:cluster-ip:UDP"].status is Status.PASS
    assert len(clients["client-0"].scripts) == AGAIN + ALONE + 1
    assert len(clients["client-1"].scripts) == 1


def test_a_path_that_loses_everything_is_told_apart() -> None:
    dead = large("10.244.2.9", "tcp") | {f"10.244.2.9:{ECHO} tcp flow": "TIMEOUT"}
    assert "small ones do not arrive either" in ask(client_0=Echo(dead))[0]["packets:pod:TCP"].detail


def test_a_payload_that_was_lost_once_is_forgiven() -> None:
    class Once(Echo):
        def run(self, text: str) -> Result:
            self.lost = large("10.244.2.9", "tcp") if not self.scripts else {}
            return super().run(text)

    seen = ask(client_0=Once())[0]
    assert {o.status for o in seen.values()} == {Status.PASS}


def test_what_is_lost_while_others_ask_is_sent_again_when_nobody_does() -> None:
    class Crowded(Echo):
        def run(self, text: str) -> Result:
            self.lost = large("10.244.2.9", "tcp") if not alone else {}
            return super().run(text)

    alone: list[int] = []
    client = Crowded()
    every = {name: client if name == "client-0" else Echo() for name in NODES}
    seen = ask_packets(Access(every), pods(3), PROBES, until_alone=lambda: alone.append(len(client.scripts)))  # type: ignore[arg-type]
    assert seen["packets:pod:TCP"].status is Status.PASS
    assert alone == [AGAIN + 1], "what was asked before"


def test_a_time_out_that_came_late_is_asked_again_and_is_then_no_answer() -> None:
    class Busy(Echo):
        def run(self, text: str) -> Result:
            self.lost = large("10.244.2.9", "tcp") if len(self.scripts) < self.until else {}
            return super().run(text)

        until = 99

    busy = Busy(seconds=2.3)
    seen = ask(client_0=busy)[0]["packets:pod:TCP"]
    assert (
        (seen.status, seen.attempts)
        == (Status.CHECK_FAILED, AGAIN + ALONE + LATE_AGAIN + 1)
        == (Status.CHECK_FAILED, len(busy.scripts))
    )
    assert seen.detail == "w1 to w2: gave up after 2.3 s: w1 is too busy to tell"

    busy = Busy(seconds=2.3)
    busy.until = AGAIN + ALONE + LATE_AGAIN
    assert ask(client_0=busy)[0]["packets:pod:TCP"].status is Status.PASS

    # Beside one that gave up in time, it hides nothing.
    lost = Echo(large("10.244.3.9", "tcp"))
    assert ask(client_0=Busy(seconds=2.3), client_1=lost)[0]["packets:pod:TCP"].status is Status.WRONG


def test_a_sender_that_was_told_of_a_smaller_mtu_is_found_out() -> None:
    """Everything arrives the second time: the kernel knows the path by then, and cuts its datagrams in three."""

    class Adapting(Echo):
        def run(self, text: str) -> Result:
            self.lost = large("10.244.2.9", "udp") if not self.scripts else {}
            self.counters = WHOLE if not self.scripts else WHOLE.replace(" 8|", " 9|")
            return super().run(text)

    seen = ask(client_0=Adapting())[0]["packets:pod:UDP"]
    assert seen.status is Status.WRONG
    assert "w1: 4 datagrams were cut into 9 fragments: the path takes smaller packets than the pods send" in seen.detail


def test_a_client_that_cannot_be_entered_is_a_failed_check() -> None:
    class Broken(Echo):
        def run(self, text: str) -> Result:
            return Result(1, "", "error: container not found")

    seen = ask(client_1=Broken())[0]["packets:pod:TCP"]
    assert seen.status is Status.CHECK_FAILED
    assert "w2 to w1: could not run in client-1: error: container not found" in seen.detail


def test_one_node_has_no_path() -> None:
    assert {o.status for o in ask(nodes=1)[0].values()} == {Status.SEEN}


@pytest.mark.parametrize(("protocol", "sent"), [("TCP", "/echo?msg=$big"), ("UDP", '--udp-data="echo $big"')])
def test_the_script_sends_two_full_packets(protocol: str, sent: str) -> None:
    text = script((), [Question(0, "large", f"10.244.2.9:{ECHO}", protocol)])  # type: ignore[arg-type]
    assert sent in text
    assert f"timeout {LARGE_TCP_TIMEOUT} busybox wget" in text
    mtu, fragment = 1450, (1450 - 20) // 8 * 8
    datagram = 2 * fragment - 14 + len("echo ") + len("\n") + 8
    assert "(( 2 * ((m - 20) / 8 * 8) - 14 ))" in text
    assert fragment < datagram <= 2 * fragment < 2 * mtu
    assert "m=$((m - 0))" in text
    of_routes = script((), [Question(0, "large", f"10.244.2.9:{ECHO}", protocol)], on_route=50)  # type: ignore[arg-type]
    assert "m=$((m - 50))" in of_routes


def test_the_kinds_are_their_own() -> None:
    assert {(p.via, p.protocol) for p in PROBES} == {(v, p) for v in ("pod", "cluster-ip") for p in ("TCP", "UDP")}
    assert all(isinstance(p, PacketProbe) and p.expect is Outcome.CONNECTED for p in PROBES)
