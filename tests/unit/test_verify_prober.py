"""The prober with hosts that run its scripts here: controls, asking again, and what it does without a pod."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from verify_support import (
    API,
    COREDNS,
    DNS_POD,
    GUARD,
    KUBE_DNS,
    STATE,
    WEB,
    WEB_SERVICE,
    BrokenHost,
    FakeAccess,
    FakeHost,
    Result,
    fake_agnhost,
    ir,
    pod,
)

from netspec.probes import NODES_REACH, DnsProbe, FactProbe, FlowProbe, Outcome
from netspec.probing import derive_probes
from netspec.verify.about import About
from netspec.verify.asking import AGAIN_TIMEOUT, SAMPLE, Prober, is_asked_of_pod
from netspec.verify.causes import Causes
from netspec.verify.ephemeral import ProbeContainers
from netspec.verify.judge import Judge
from netspec.verify.model import Observation, Status
from netspec.verify.resolve import Resolver
from netspec.verify.runner import every_one
from netspec.verify.sites import Outside

#: api may not reach web; everything else is open. What each pod's dials say on a cluster where this holds.
CLOSED = ir(policies=(replace(GUARD, ingress=()),))
WEB_ADDRESS, API_ADDRESS, DNS_ADDRESS = "10.244.1.2", "10.244.2.2", "10.244.9.2"
OPEN = {
    f"{API_ADDRESS}:9000": "",
    f"{API_ADDRESS}:9001/udp": "",
    f"{DNS_ADDRESS}:53": "",
    f"{DNS_ADDRESS}:53/udp": "",
    f"{WEB_ADDRESS}:8080": "TIMEOUT",
    "10.96.0.10:53": "",
    "10.96.0.10:53/udp": "",
    "10.96.1.1:80": "TIMEOUT",
    "172.30.0.9:8080": "",
    "172.30.0.9:8081/udp": "",
}


def once(tmp_path: Path, target: str, then: str) -> None:
    """A fake agnhost whose first dial of `target` ends as `then` says; later ones as `OPEN` does."""
    marker, program = tmp_path / "seen", fake_agnhost(tmp_path / "agnhost", OPEN)
    first = f"[ $2 != {target} ] || [ -e {marker} ] || {{ : >{marker}; {then}; }}"
    program.write_text(f"#!/bin/sh\n{first}\n" + program.read_text().removeprefix("#!/bin/sh\n"))


def flow_probes(an_ir: Any = CLOSED) -> list[FlowProbe]:
    return [p for p in derive_probes(an_ir) if isinstance(p, FlowProbe)]


def run(
    hosts: dict[str, Any], probes: list[Any], an_ir: Any = CLOSED, state: Any = STATE, outside: list[str] | None = None
) -> dict[str, Observation]:
    addresses = ("172.30.0.9",) if outside is None else tuple(outside)
    resolver = Resolver(an_ir, state, Outside("shop-outside", hosts.get("shop-outside"), addresses))
    judge = Judge(an_ir, state, {"w1": 1500, "w2": 1500})
    said: list[str] = []
    group = Causes(About(an_ir, state)).group
    prober = Prober(FakeAccess(hosts), resolver, judge, said.append, ProbeContainers(), group)  # type: ignore[arg-type]
    return prober.run(probes)


def hosts(tmp_path: Path, changes: dict[str, str]) -> dict[str, Any]:
    host = FakeHost(fake_agnhost(tmp_path / "agnhost", OPEN | changes))
    return {"shop/web-1": host, "shop/api-2": host, "shop-outside": host}


DENIED = "flow:pod:shop/api->shop/web:8080/TCP"
ALLOWED = "flow:pod:shop/web->shop/api:9000/TCP"


def test_a_cluster_as_predicted_is_all_pass_in_one_exec_a_pod(tmp_path: Path) -> None:
    seen = run(hosts(tmp_path, {}), flow_probes())
    assert {o.status for o in seen.values()} == {Status.PASS}
    assert seen.keys() == {p.id for p in flow_probes()}


def test_one_exec_a_pod_carries_all_its_probes(tmp_path: Path) -> None:
    web, api = (FakeHost(fake_agnhost(tmp_path / n, OPEN)) for n in ("w", "a"))
    run({"shop/web-1": web, "shop/api-2": api}, flow_probes())
    assert (len(web.scripts), len(api.scripts)) == (1, 1)


def test_a_denial_names_its_control_and_its_place(tmp_path: Path) -> None:
    seen = run(hosts(tmp_path, {}), flow_probes())[DENIED]
    assert seen.control == "flow:pod:shop/api->kube-system/coredns:53/TCP"
    assert [d.same_node for d in seen.dials] == [False]
    assert seen.asked_from == "shop/api-2"


def test_a_time_out_whose_control_failed_too_is_no_denial(tmp_path: Path) -> None:
    dead = dict.fromkeys(OPEN, "TIMEOUT")
    seen = run(hosts(tmp_path, dead), flow_probes())
    assert seen[DENIED].status is Status.CHECK_FAILED
    assert "so did the control" in seen[DENIED].detail
    assert seen[ALLOWED].status is Status.WRONG
    assert {o.attempts for o in seen.values()} == {1, 2}


def test_one_working_control_of_two_is_enough(tmp_path: Path) -> None:
    seen = run(hosts(tmp_path, {f"{DNS_ADDRESS}:53": "TIMEOUT"}), flow_probes())
    assert seen[DENIED].status is Status.PASS
    assert seen["flow:pod:shop/api->kube-system/coredns:53/TCP"].status is Status.WRONG


@pytest.mark.parametrize("said", ["", "REFUSED"])
def test_a_door_that_was_open_once_is_wrong(tmp_path: Path, said: str) -> None:
    """The first dial of this target gets through, every later one would not: load makes no denied flow connect."""
    once(tmp_path, WEB_ADDRESS + ":8080", f"echo {said}; exit 1" if said else "exit 0")
    host = FakeHost(tmp_path / "agnhost")
    seen = run({"shop/web-1": host, "shop/api-2": host}, [p for p in flow_probes() if p.id == DENIED])[DENIED]
    assert (seen.status, seen.observed, seen.attempts) == (Status.WRONG, Outcome(said.lower() or "connected"), 1)


def test_a_refused_connection_is_not_a_denied_one(tmp_path: Path) -> None:
    assert run(hosts(tmp_path, {f"{WEB_ADDRESS}:8080": "REFUSED"}), flow_probes())[DENIED].status is Status.WRONG


@pytest.mark.parametrize("said", ["TIMEOUT", "REFUSED"])
def test_a_connection_that_failed_once_is_forgiven_when_made_alone(tmp_path: Path, said: str) -> None:
    """The first dial of this target fails, every later one connects."""
    once(tmp_path, f"{API_ADDRESS}:9001", f"echo {said}; exit 1")
    host = FakeHost(tmp_path / "agnhost")
    seen = run({"shop/web-1": host, "shop/api-2": host}, flow_probes())
    flaky = seen["flow:pod:shop/web->shop/api:9001/UDP"]
    assert (flaky.status, flaky.attempts, flaky.detail) == (
        *(Status.PASS, 2),
        f"asked before: {'timed-out' if said == 'TIMEOUT' else 'refused'}",
    )


def test_a_source_is_asked_on_every_node_that_it_runs_on(tmp_path: Path) -> None:
    """api-7 is web's neighbour and api-2 is not; what one of them may send says nothing about the other's node."""
    state = replace(STATE, pods=(*STATE.pods, pod("api", 7, "w1"), pod("api", 8, "w1")))
    good, leaky = (
        FakeHost(fake_agnhost(tmp_path / name, OPEN | says))
        for name, says in (("good", {}), ("leaky", {f"{WEB_ADDRESS}:8080": ""}))
    )
    pods = {"shop/web-1": good, "shop/api-2": good, "shop/api-7": good}
    probes = [p for p in flow_probes() if p.source == "shop/api" and p.destination == "shop/web"]
    seen = run(pods, probes, state=state)[DENIED]
    assert (seen.status, [d.same_node for d in seen.dials]) == (Status.PASS, [False, True])
    assert run(pods | {"shop/api-7": leaky}, probes, state=state)[DENIED].status is Status.WRONG
    broken = run(pods | {"shop/api-7": BrokenHost()}, probes, state=state)[DENIED]
    assert (broken.status, broken.asked_from) == (Status.CHECK_FAILED, "shop/api-7")


def test_what_one_pod_saw_is_not_forgotten_for_what_another_sees_later(tmp_path: Path) -> None:
    """More fails from api-2 than is asked again; what is must be asked of both of its source's pods again."""
    state = replace(STATE, pods=(*STATE.pods, pod("api", 7, "w1")))
    one = next(p for p in flow_probes() if p.id == ALLOWED)
    many = [replace(one, id=f"f{n}", source="shop/api", destination="shop/web", port=7000 + n) for n in range(33)]
    names = [DnsProbe(f"d{n}", "shop/api", f"x{n}.shop", "A", ("service:shop/web",)) for n in range(5)]
    opened = OPEN | {f"{WEB_ADDRESS}:{p.port}": "" for p in many}
    good = FakeHost(fake_agnhost(tmp_path / "good", opened))
    closed = FakeHost(fake_agnhost(tmp_path / "closed", OPEN | {f"{WEB_ADDRESS}:{p.port}": "TIMEOUT" for p in many}))
    seen = run({"shop/api-2": closed, "shop/api-7": good}, [*names, *many], state=state)
    assert {seen[p.id].status for p in many} == {Status.WRONG}
    assert len(closed.scripts) == len(good.scripts) == 2


def failing(tmp_path: Path, first: str, then: str, count: int = 20) -> tuple[dict[str, Observation], FakeHost]:
    """`count` flows from api to web that must connect; each ends as `first` says the first time, then as `then`."""
    one = next(p for p in flow_probes() if p.id == ALLOWED)
    many = [replace(one, id=f"f{n}", source="shop/api", destination="shop/web", port=7000 + n) for n in range(count)]
    says = {f"{WEB_ADDRESS}:{p.port}": then for p in many}
    program = fake_agnhost(tmp_path / "agnhost", OPEN | says)
    marked = f"case $2 in {WEB_ADDRESS}:70*) m={tmp_path}/$2; [ -e $m ] || {{ : >$m; echo {first}; exit 1; }} ;; esac"
    program.write_text(f"#!/bin/sh\n{marked}\n" + program.read_text().removeprefix("#!/bin/sh\n"))
    host = FakeHost(program)
    return run({"shop/api-2": host}, many), host


def test_failures_of_one_cause_are_asked_again_by_sample(tmp_path: Path) -> None:
    seen, host = failing(tmp_path, "TIMEOUT", "TIMEOUT")
    assert {o.status for o in seen.values()} == {Status.WRONG}
    assert sorted(o.attempts for o in seen.values()) == [1] * (20 - SAMPLE) + [2] * SAMPLE
    assert len(host.scripts) == 2
    assert host.scripts[1].count(f"tcp {AGAIN_TIMEOUT:g}s") == SAMPLE


def test_a_cause_whose_sample_does_better_is_none_and_all_of_it_is_asked_again(tmp_path: Path) -> None:
    seen, host = failing(tmp_path, "TIMEOUT", "", count=12)
    assert {o.status for o in seen.values()} == {Status.PASS}
    assert sorted(o.attempts for o in seen.values()) == [2] * SAMPLE + [3] * (12 - SAMPLE)
    assert len(host.scripts) == 3


def test_what_is_asked_again_is_asked_side_by_side(tmp_path: Path) -> None:
    """Each waits for its time-out: one after another they would make a red run slow."""
    _, host = failing(tmp_path, "TIMEOUT", "TIMEOUT")
    assert host.scripts[1].count("{ f ") == SAMPLE


def test_a_kind_of_node_that_the_cluster_has_not_is_no_failure(tmp_path: Path) -> None:
    on_each = [pod("web", n, node) for n, node in ((1, "w1"), (5, "w2"), (6, "cp"))]
    local = replace(WEB_SERVICE, type="NodePort", external_traffic_policy="Local")
    spec = ir(workloads=(replace(WEB, replicas=3), API, COREDNS), services=(local, KUBE_DNS))
    probes = [p for p in flow_probes(spec) if p.via == "node-port"]
    says = dict.fromkeys(("172.30.0.2:30080", "172.30.0.3:30080", "172.30.0.4:30080"), "")
    state = replace(STATE, pods=(*(p for p in STATE.pods if p.name != "web-1"), *on_each))
    seen = {o.probe.nodes: o for o in run(hosts(tmp_path, says), probes, spec, state).values()}  # type: ignore[union-attr]
    assert seen["without-endpoint"].status is Status.SEEN
    assert "no node without endpoint" in seen["without-endpoint"].detail


def test_one_exec_stays_below_the_longest_command_line(tmp_path: Path) -> None:
    """A probe may dial several addresses: it is questions that count."""
    nodes = tuple(replace(STATE.nodes[1], name=f"w{i}", address=f"172.30.{i // 250}.{i % 250}") for i in range(400))
    many = [
        FlowProbe(f"f{port}", "outside", "shop/web", "node-port", 80, "TCP", Outcome.CONNECTED, backends=("shop/web",))
        for port in range(4)
    ]
    host = FakeHost(fake_agnhost(tmp_path / "agnhost", {}))
    host.run = lambda script: host.scripts.append(script) or Result(1, "", "not run")  # type: ignore[method-assign,func-returns-value]
    run({"shop-outside": host}, many, state=replace(STATE, nodes=nodes))
    assert len(host.scripts) > 1
    assert max(map(len, host.scripts)) < 128 * 1024


def test_a_pod_that_cannot_be_entered_fails_its_own_probes_only(tmp_path: Path) -> None:
    seen = run(hosts(tmp_path, {}) | {"shop/api-2": BrokenHost()}, flow_probes())
    by_source = {p.source: {seen[q.id].status for q in flow_probes() if q.source == p.source} for p in flow_probes()}
    assert by_source == {"shop/api": {Status.CHECK_FAILED}, "shop/web": {Status.PASS}}
    assert "container not found" in seen[DENIED].detail


def test_a_workload_scaled_to_nothing_fails_every_check_that_needs_it(tmp_path: Path) -> None:
    state = replace(STATE, pods=tuple(p for p in STATE.pods if p.name != "web-1"))
    seen = run(hosts(tmp_path, {}), flow_probes(), state=state)
    needs_web = {p.id for p in flow_probes() if "shop/web" in (p.source, p.destination, *p.backends)}
    assert {i for i, o in seen.items() if o.status is Status.CHECK_FAILED} == needs_web
    assert seen[DENIED].detail == "no ready pod of shop/web"


def test_a_pod_with_nothing_allowed_is_its_own_control(tmp_path: Path) -> None:
    alone = [p for p in flow_probes() if p.id == DENIED]
    assert run(hosts(tmp_path, {}), alone)[DENIED].control == "to itself"


def test_near_and_far_pods_are_both_dialled(tmp_path: Path) -> None:
    state = replace(STATE, pods=(*STATE.pods, pod("web", 5, "w2"), pod("web", 6, "w2")))
    probes = [p for p in flow_probes() if p.source == "shop/api"]
    seen = run(hosts(tmp_path, {"10.244.5.2:8080": ""}), probes, state=state)[DENIED]
    assert [(d.address, d.same_node, d.outcome) for d in seen.dials] == [
        ("10.244.5.2:8080", True, Outcome.CONNECTED),
        (f"{WEB_ADDRESS}:8080", False, Outcome.TIMED_OUT),
    ]
    assert seen.status is Status.WRONG
    assert "10.244.5.2:8080 connected" in seen.detail


def test_node_ports_are_dialled_on_the_nodes_meant(tmp_path: Path) -> None:
    from test_probes_derive import KUBE_DNS, NODE_PORT, from_outside

    spec = ir(policies=(from_outside("10.244.0.0/16"),), services=(NODE_PORT, KUBE_DNS))
    probes = [p for p in flow_probes(spec) if p.via == "node-port"]
    says = {"172.30.0.3:30080": "", "172.30.0.2:30080": "TIMEOUT", "172.30.0.4:30080": "TIMEOUT"}
    seen = run(hosts(tmp_path, says), probes, spec)
    assert {o.probe.nodes: [d.address for d in o.dials] for o in seen.values()} == {  # type: ignore[union-attr]
        "with-endpoint": ["172.30.0.3:30080"],
        "without-endpoint": ["172.30.0.2:30080", "172.30.0.4:30080"],
    }
    assert {o.status for o in seen.values()} == {Status.PASS}


@pytest.mark.parametrize(
    ("addresses", "says"), [([], "does not run"), (["192.0.2.7"], "has no address in 172.30.0.0/16")]
)
def test_without_an_outside_host_its_probes_fail(tmp_path: Path, addresses: list[str], says: str) -> None:
    probes = [p for p in flow_probes() if p.via == "outside"]
    seen = run(hosts(tmp_path, {}), probes, outside=addresses)
    assert {o.status for o in seen.values()} == {Status.CHECK_FAILED}
    assert all(says in o.detail for o in seen.values())


def test_a_probe_that_was_never_asked_is_a_failed_check() -> None:
    probes = derive_probes(CLOSED)
    observations = every_one(probes, {}, Judge(CLOSED, STATE, {}), "never asked")
    assert [o.probe.id for o in observations] == [p.id for p in probes]
    assert {o.status for o in observations} == {Status.CHECK_FAILED}


def test_foreign_pods_probe_from_the_ephemeral_container() -> None:
    spec = ir(workloads=(replace(WEB, stand_in=False), API, COREDNS))
    resolver = Resolver(spec, STATE, Outside("shop-outside", None, ()))
    assert resolver.needs_ephemeral("shop/web")
    assert [a.container for a in resolver.askers("shop/web")] == ["netspec-probe"]
    assert not resolver.needs_ephemeral("shop/api")


def test_every_kind_of_probe_has_someone_to_answer_it() -> None:
    probes = derive_probes(CLOSED)
    judge = Judge(CLOSED, STATE, {})
    for probe in probes:
        elsewhere = isinstance(probe, FactProbe) and probe.fact in ("policies", "undeclared", NODES_REACH)
        if isinstance(probe, FactProbe) and not is_asked_of_pod(probe) and not elsewhere:
            assert judge.state_fact(probe).status in (Status.PASS, Status.WRONG)


def test_the_dns_server_is_sent_text_that_it_answers(tmp_path: Path) -> None:
    host = FakeHost(fake_agnhost(tmp_path / "agnhost", OPEN))
    run({"shop/web-1": host, "shop/api-2": host}, flow_probes())
    assert f"{DNS_POD.address}:53 udp 1s --udp-data=netspec-probe" in host.scripts[0]
    assert f"{API_ADDRESS}:9001 udp 1s --udp-data=hostname" in "".join(host.scripts)


def test_a_probe_that_serves_as_a_control_is_not_asked_a_third_time(tmp_path: Path) -> None:
    host = FakeHost(fake_agnhost(tmp_path / "agnhost", OPEN))
    seen = run({"shop/web-1": host, "shop/api-2": host}, [p for p in flow_probes() if p.source == "shop/api"])
    control = seen[DENIED].control
    assert seen[control].status is Status.PASS
    assert host.scripts[0].count(f" {seen[control].dials[0].address} tcp") == 2
