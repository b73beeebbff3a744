"""The canary: its objects, and what it concludes."""

import json
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from verify_support import STATE, BrokenHost, FakeHost, fake_agnhost

import netspec.verify.canary as canary_module
from netspec.verify.canary import ECHO, GUARDED_BY_EGRESS, GUARDED_BY_INGRESS, OPEN, CanaryPods, canary_pods
from netspec.verify.model import Canary

FIRST, SECOND = "10.244.7.1", "10.244.8.1"
ENFORCED = {
    f"{address}:{port}": said
    for address in (FIRST, SECOND)
    for port, said in ((OPEN, ""), (GUARDED_BY_INGRESS, "TIMEOUT"), (GUARDED_BY_EGRESS, "TIMEOUT"))
}


def with_addresses(stdin: str) -> str:
    """What `kubectl create` prints of each object, Services with an address."""
    items = json.loads(stdin)["items"]
    addresses = (f"10.96.9.{i}" if item["kind"] == "Service" else "" for i, item in enumerate(items))
    return "".join(f"{i['kind']} {i['metadata']['name']} {a}\n" for i, a in zip(items, addresses, strict=True))


class Access:
    """A cluster that accepts everything; `host` answers for the client pods, `broken` for that of one node."""

    def __init__(self, host: Any, refuse: str = "", broken: str = "") -> None:
        self.host, self.refuse, self.broken = host, refuse, broken
        self.calls: list[tuple[str, ...]] = []

    def kubectl(self, *args: str, stdin: str = "", limit: float = 0) -> "CompletedProcess[str]":
        self.calls.append(args)
        if args[0] == self.refuse:
            return CompletedProcess(args, 1, "", "error: refused")
        pods = f"client-0 10.244.7.9\nclient-1 10.244.8.9\nclient-2 10.244.9.9\nserver-0 {FIRST}\nserver-1 {SECOND}\n"
        if args[0] == "create":
            return CompletedProcess(args, 0, with_addresses(stdin), "")
        return CompletedProcess(args, 0, pods if args[0] == "wait" else "", "")

    def pod(self, namespace: str, name: str, container: str) -> Any:
        return BrokenHost() if name == self.broken else self.host


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canary_module, "PAUSE", 0)


def conclude(tmp_path: Path, **changes: str) -> Canary:
    answers = ENFORCED | {k.replace("_", "."): v for k, v in changes.items()}
    pods = CanaryPods(Access(FakeHost(fake_agnhost(tmp_path / "agnhost", answers))), STATE)  # type: ignore[arg-type]
    assert pods.start() == ""
    return pods.check()


def test_traffic_and_enforcement_on_every_node_make_it_good(tmp_path: Path) -> None:
    canary = conclude(tmp_path)
    assert canary.ok
    assert {(c.name, c.source, c.target) for c in canary.checks} == {
        (what, client, server)
        for what in ("positive control", "denial by the server's policy", "denial by the client's policy")
        for client in ("w1", "w2")
        for server in ("w1", "w2")
    }


@pytest.mark.parametrize(
    ("target", "says"),
    [
        (f"{FIRST}:{GUARDED_BY_INGRESS}", ""),
        (f"{SECOND}:{GUARDED_BY_INGRESS}", ""),
        (f"{SECOND}:{GUARDED_BY_EGRESS}", ""),
        (f"{SECOND}:{GUARDED_BY_EGRESS}", "REFUSED"),
        (f"{FIRST}:{OPEN}", "TIMEOUT"),
        (f"{SECOND}:{OPEN}", "REFUSED"),
    ],
)
def test_one_flow_that_is_not_as_it_must_be_spoils_it(tmp_path: Path, target: str, says: str) -> None:
    canary = conclude(tmp_path, **{target: says})
    assert not canary.ok
    assert len([c for c in canary.checks if not c.ok]) == 2  # seen from both nodes


def test_a_canary_that_cannot_be_asked_says_so() -> None:
    pods = CanaryPods(Access(BrokenHost()), STATE)  # type: ignore[arg-type]
    pods.start()
    assert not pods.check().ok
    assert "container not found" in pods.check().problem


def test_one_node_that_cannot_be_asked_spoils_it(tmp_path: Path) -> None:
    host = FakeHost(fake_agnhost(tmp_path / "agnhost", ENFORCED))
    pods = CanaryPods(Access(host, broken="client-1"), STATE)  # type: ignore[arg-type]
    assert pods.start() == ""
    assert not pods.check().ok
    assert "the canary on w2 could not be asked" in pods.check().problem


@pytest.mark.parametrize(("step", "says"), [("create", "not accepted"), ("wait", "did not become ready")])
def test_a_canary_that_cannot_start_says_so(step: str, says: str) -> None:
    assert says in CanaryPods(Access(None, refuse=step), STATE).start()  # type: ignore[arg-type]


def test_it_is_removed_whatever_happens_and_so_is_what_was_left_behind() -> None:
    access = Access(None)
    with (
        pytest.raises(KeyboardInterrupt),
        canary_pods(access, replace(STATE, stale_canaries=("netspec-canary-old",))) as pods,
    ):  # type: ignore[arg-type]
        raise KeyboardInterrupt
    removed = [call[2] for call in access.calls if call[:2] == ("delete", "namespace")]
    assert removed == ["netspec-canary-old", pods.namespace]
    assert all("--wait=false" in call for call in access.calls)


def test_policies_stand_before_the_pods_they_guard() -> None:
    objects = CanaryPods(Access(None), STATE).objects()  # type: ignore[arg-type]
    kinds = [o["kind"] for o in objects]
    assert kinds == ["Namespace", "ServiceAccount", *["NetworkPolicy"] * 2, *["Service"] * 3, *["Pod"] * 5]
    assert [(o["metadata"]["labels"]["role"], o["spec"]["nodeName"]) for o in objects if o["kind"] == "Pod"] == [
        *(("client", "w1"), ("client", "w2"), ("client", "cp"), ("server", "w1"), ("server", "w2")),
    ]
    servers, client = (o["spec"] for o in objects if o["kind"] == "NetworkPolicy")
    assert [p["port"] for p in servers["ingress"][0]["ports"]] == [OPEN, GUARDED_BY_EGRESS]
    assert [p["port"] for p in client["egress"][0]["ports"]] == [OPEN, GUARDED_BY_INGRESS, ECHO, ECHO]


def test_a_single_node_asks_itself() -> None:
    pods = CanaryPods(Access(None), replace(STATE, nodes=STATE.nodes[:1]))  # type: ignore[arg-type]
    assert pods.nodes == {"client-0": "cp", "server-0": "cp"}


def test_pods_that_do_not_start_name_their_node_and_what_was_said() -> None:
    """One node's pods are not ready: what the kubelet said of the first of them says why."""

    class Stuck(Access):
        def kubectl(self, *args: str, stdin: str = "", limit: float = 0) -> "CompletedProcess[str]":
            if args[:2] == ("get", "pods"):
                return CompletedProcess(args, 0, "client-0 True\nclient-1 False\nserver-0 True\nserver-1\n", "")
            if args[:2] == ("get", "events"):
                assert "involvedObject.name=client-1" in args[4]
                return CompletedProcess(args, 0, "Failed to create pod sandbox: i/o timeout", "")
            return super().kubectl(*args, stdin=stdin, limit=limit)

    pods = CanaryPods(Stuck(None, refuse="wait"), STATE)  # type: ignore[arg-type]
    problem = "the canary's pods on node w2 do not become ready: Failed to create pod sandbox: i/o timeout"
    assert (pods.start(), pods.stuck) == (problem, ("w2",))
