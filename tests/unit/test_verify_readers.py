"""Facts that backends give as data: what is read for each, and when it could not be."""

import json
import subprocess
from dataclasses import replace
from subprocess import CompletedProcess
from typing import Any

import pytest
from verify_support import STATE, Result, ir

from netspec.backends.cni.calico import Calico
from netspec.backends.cni.calico.settings import CalicoSettings
from netspec.backends.dns.coredns import CoreDns
from netspec.probes import FactProbe
from netspec.probing.facts import fact_probe
from netspec.target import Fact, Field, NodeRead, ObjectRead, Read, ReadyRead
from netspec.verify.model import Status, explain
from netspec.verify.readers import Readings, at, parse_corefile, read_facts


class Cluster:
    """`answers`: what kubectl prints for a resource, None for an error; `results`: what the nodes print in turn."""

    def __init__(self, answers: dict[str, Any] | None = None, *results: Result | None) -> None:
        self.answers, self.asked = answers or {}, 0
        self._results = iter(results or [Result(0, "0=1500\n")] * 3)

    def kubectl(self, *words: str, **_: object) -> "CompletedProcess[str]":
        self.asked += 1
        answer = self.answers.get(words[1])
        if answer is None:
            return CompletedProcess(words, 1, "", "error: no such type")
        return CompletedProcess(words, 0, json.dumps(answer), "")

    def node(self, _: str) -> Any:
        result = next(self._results)
        return result and type("Host", (), {"run": lambda *_: result})()

    def readings(self, *probes: FactProbe) -> Readings:
        return read_facts(self, self, STATE, probes)  # type: ignore[arg-type]

    def status(self, probe: FactProbe) -> Status:
        return self.readings(probe).observe(probe, STATE).status


def probe(read: Read, expect: object, subject: str = "x") -> FactProbe:
    return fact_probe(Fact("f", subject, expect, read))


MODE = probe(NodeRead("mode"), "iptables", "nodes")


def test_every_node_must_agree() -> None:
    good, odd = Result(0, "0=1500\n1=iptables\n"), Result(0, "0=1500\n1=nftables\n")
    assert Cluster({}, good, good, good).readings(MODE).mtu == {"cp": 1500, "w1": 1500, "w2": 1500}
    assert Cluster({}, good, good, good).status(MODE) is Status.PASS
    seen = Cluster({}, good, odd, good).readings(MODE).observe(MODE, STATE)
    assert (seen.status, seen.observed) == (Status.WRONG, {"cp": "iptables", "w1": "nftables", "w2": "iptables"})


@pytest.mark.parametrize("bad", [Result(1, "", "No such container: w1"), Result(0, "0=1500\n1=\n"), None])
def test_a_node_that_does_not_answer_fails_the_check(bad: Result | None) -> None:
    good = Result(0, "0=1500\n1=iptables\n")
    assert Cluster({}, good, bad, good).status(MODE) is Status.CHECK_FAILED


def test_the_commands_run_as_they_are_written() -> None:
    """Each in a shell of its own, whatever it prints."""

    class Local(Cluster):
        def node(self, _: str) -> Any:
            def run(_: object, text: str) -> Result:
                done = subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=False)
                return Result(done.returncode, done.stdout, done.stderr)

            return type("Host", (), {"run": run})()

    assert (
        Local().status(probe(NodeRead("if [ -e /nothing ]; then echo yes; else echo 'a = b'; fi"), "a = b"))
        is Status.PASS
    )
    assert Local().status(probe(NodeRead("exit 3"), "")) is Status.CHECK_FAILED


@pytest.mark.parametrize("may_list", [True, False])
def test_objects_of_one_kind_are_read_at_once_where_they_may_be(may_list: bool) -> None:
    routes = [
        {"metadata": {"name": name, "namespace": namespace}, "spec": {"port": port}}
        for namespace, name, port in (("a", "x", 1), ("a", "y", 2), ("b", "x", 3))
    ]
    asked = []

    class Routes(Cluster):
        def kubectl(self, *words: str, **_: object) -> "CompletedProcess[str]":
            asked.append(words)
            if "--all-namespaces" in words:
                said = json.dumps({"items": routes})
                return CompletedProcess(words, *((0, said, "") if may_list else (1, "", "Error: (Forbidden)")))
            found = [r for r in routes if (r["metadata"]["name"], r["metadata"]["namespace"]) == (words[2], words[4])]
            said = json.dumps(found[0]) if found else ""
            return CompletedProcess(words, 0 if found else 1, said, "" if found else "Error (NotFound)")

    def of(namespace: str, name: str, port: int) -> FactProbe:
        read = ObjectRead("routes.example.com", (("port", Field("spec.port")),), name, namespace)
        return probe(read, {"port": port}, f"{namespace}/{name}")

    probes = [of("a", "x", 1), of("a", "y", 7), of("b", "x", 3), of("b", "y", 4)]
    readings = Routes().readings(*probes)
    seen = [readings.observe(p, STATE) for p in probes]
    assert [o.status for o in seen] == [Status.PASS, Status.WRONG, Status.PASS, Status.WRONG]
    assert seen[3].detail == "it is not there"
    assert len(asked) == (1 if may_list else 5)


def pool(cidr: str = "10.244.0.0/16", **spec: object) -> dict[str, Any]:
    return {"spec": {"cidr": cidr, "vxlanMode": "Always", "natOutgoing": True} | spec}


IPPOOLS = "ippools.crd.projectcalico.org"
POOL = fact_probe(next(f for f in Calico().facts(ir(), CalicoSettings()) if f.name == "calico-pool"))


@pytest.mark.parametrize(
    ("items", "status"),
    [
        ([pool()], Status.PASS),
        ([pool(blockSize=26)], Status.PASS),
        ([pool(blockSize=24)], Status.WRONG),
        ([pool(), pool("10.9.0.0/16")], Status.WRONG),
        ([pool(), pool("10.9.0.0/16", disabled=True)], Status.PASS),
        ([pool(vxlanMode="CrossSubnet")], Status.WRONG),
        ([], Status.WRONG),
        (None, Status.CHECK_FAILED),
    ],
)
def test_a_pool_is_compared_field_by_field(items: "list[dict[str, Any]] | None", status: Status) -> None:
    assert Cluster({} if items is None else {IPPOOLS: {"items": items}}).status(POOL) is status


def test_objects_that_differ_are_shown_apart() -> None:
    read = ObjectRead("x", (("mode", Field("spec.mode", "a")),))
    asked = probe(read, {"mode": "a"})
    two = Cluster({"x": {"items": [{}, {"spec": {"mode": "b"}}]}})
    assert two.readings(asked).observe(asked, STATE).observed == {"mode": ['"a"', '"b"']}


def test_an_object_is_read_once_for_all_that_ask() -> None:
    read = ObjectRead("x", (("mode", Field("spec.mode")),))
    cluster = Cluster({"x": {"items": []}})
    cluster.readings(probe(read, 1), probe(read, 2, "y"))
    assert cluster.asked == 1


def test_readiness_is_a_deployment_s() -> None:
    assert Cluster().status(probe(ReadyRead(), 2, "kube-system/coredns")) is Status.PASS
    assert Cluster().status(probe(ReadyRead(), 3, "kube-system/coredns")) is Status.WRONG
    assert Cluster().status(probe(ReadyRead(), 1, "kube-system/none")) is Status.WRONG


def test_stub_domains_are_read_from_the_corefile() -> None:
    corefile = ".:53 {\n    forward . /etc/resolv.conf {\n        max_concurrent 9\n    }\n}\n"
    corefile += "corp.example:53 {\n    cache 30\n    forward . 10.0.0.54 10.0.0.53\n}\n"
    assert parse_corefile(corefile)["corp.example"] == ["10.0.0.53", "10.0.0.54"]
    spec = ir(dns=replace(ir().dns, stub_domains=(("corp.example", ("10.0.0.54", "10.0.0.53")),)))
    asked = fact_probe(CoreDns().facts(spec, None)[2])
    assert Cluster({"configmaps": {"data": {"Corefile": corefile}}}).status(asked) is Status.PASS
    assert Cluster({"configmaps": {"data": {"Corefile": ".:53 {\n}\n"}}}).status(asked) is Status.WRONG
    assert Cluster().status(asked) is Status.CHECK_FAILED


def test_a_path_goes_through_what_is_not_there() -> None:
    assert at({"a": {"b.c": [1]}}, 'a."b.c"') == [1]
    assert at({"a": 1}, "a.b.c", "none") == "none"
    assert at({"a": {"b": False}}, "a.b", True) is False


def test_any_other_line_of_the_corefile_is_told() -> None:
    spec = ir()
    asked = fact_probe(CoreDns().facts(spec, None)[1])
    right = asked.expect["Corefile"]
    assert Cluster({"configmaps": {"data": {"Corefile": right}}}).status(asked) is Status.PASS
    lie = right.replace("    ready\n", "    hosts {\n        192.0.2.1 web.shop\n    }\n    ready\n", 1)
    state = Readings({}, {asked.read: [{"data": {"Corefile": lie}}]})  # type: ignore[dict-item]
    seen = state.observe(asked, STATE)
    assert (seen.status, seen.detail) == (
        Status.WRONG,
        "not in the spec: 'hosts {'; not in the spec: '192.0.2.1 web.shop'",
    )
    assert "expected {'Corefile': 'a text of" in explain(seen)
