"""Faults on the running cluster: each must turn the verification red (or inconclusive) and name what is wrong.

Every test repairs what it broke; the last one sees the cluster green again.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from live_cluster import STACK, Live

from netspec.ir.model import WORKLOAD_LABEL
from netspec.probes import FlowProbe, Outcome
from netspec.verify.model import Answer, Run, Status, explain
from netspec.verify.report.data import EXIT_CODES

ROOT = Path(__file__).resolve().parents[2]
WAIT = "--timeout=120s"


def flow(live: Live, via: str, expect: Outcome) -> FlowProbe:
    """A flow between workloads of the spec with policies behind its answer."""
    own = {w.id for w in live.ir.workloads if not w.system} | {s.id for s in live.ir.services if not s.system}
    return next(
        p
        for p in live.probes
        if isinstance(p, FlowProbe)
        and (p.via, p.expect) == (via, expect)
        and p.deciding
        and p.source != p.destination
        and {p.source, p.destination} <= own
    )


def said_of(run: Run, probe_id: str) -> str:
    """What the run says of this probe, which must be among the unexpected."""
    found = [explain(o) for o in run.unexpected if o.probe.id == probe_id]
    assert found, f"{probe_id} is not among {[o.probe.id for o in run.unexpected]}"
    return found[0]


def split(name: str) -> tuple[str, str]:
    namespace, _, rest = name.partition("/")
    return namespace, rest


def put_back(live: Live, text: str) -> None:
    """Creates the object again as its first manager had it."""
    thing: dict[str, Any] = json.loads(text)
    manager = thing["metadata"].get("managedFields", [{"manager": "netspec-test"}])[0]["manager"]
    for key in ("managedFields", "resourceVersion", "uid", "creationTimestamp", "generation"):
        thing["metadata"].pop(key, None)
    live.kubectl("apply", "--server-side", f"--field-manager={manager}", "-f", "-", stdin=json.dumps(thing))


def rolled_out(live: Live, namespace: str, name: str) -> None:
    live.kubectl("rollout", "status", f"deployment/{name}", "-n", namespace, WAIT, limit=130)


def gone(live: Live, namespace: str, name: str) -> None:
    """Waits for the end of pods that are on their way out: their probes would be others' trouble."""
    selector = f"{WORKLOAD_LABEL}={name}"
    live.kubectl("wait", "--for=delete", "pods", "-n", namespace, "-l", selector, WAIT, limit=130)


def test_the_untouched_cluster_is_green(live: Live) -> None:
    run = live.verify()
    assert run.answer is Answer.GREEN, [explain(o) for o in run.unexpected]
    assert len(run.observations) == len(live.probes)
    placed = {d.same_node for o in run.flows for d in o.dials}
    assert {True, False} <= placed, "pairs on one node and across nodes"
    pairs = {tuple(c.name.partition(", ")[2].split(" to ")) for c in run.canary.checks}
    assert {client for client, _ in pairs} == {f"{live.ir.cluster_name}-worker", f"{live.ir.cluster_name}-worker2"}
    assert {client == server for client, server in pairs} == {True, False}


def test_a_deleted_policy_is_red_and_names_the_flow(live: Live) -> None:
    probe = flow(live, "pod", Outcome.CONNECTED)
    namespace, name = split(probe.deciding[0])
    kept = live.kubectl("get", "networkpolicy", name, "-n", namespace, "-o", "json", "--show-managed-fields")
    live.kubectl("delete", "networkpolicy", name, "-n", namespace)
    try:
        run = live.verify()
    finally:
        put_back(live, kept)
    assert run.answer is Answer.RED
    said = said_of(run, probe.id)
    assert f"{probe.source} -> {probe.destination}:{probe.port}" in said
    assert "expected connected, saw timed-out" in said
    assert probe.deciding[0] in said


def test_an_extra_allow_all_is_red_and_names_the_flow(live: Live) -> None:
    probe = flow(live, "pod", Outcome.TIMED_OUT)
    namespace, _ = split(probe.destination)
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "netspec-fault-allow-all", "namespace": namespace},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [{}], "egress": [{}]},
    }
    live.kubectl("create", "-f", "-", stdin=json.dumps(policy))
    try:
        run = live.verify()
    finally:
        live.kubectl("delete", "networkpolicy", "netspec-fault-allow-all", "-n", namespace)
    assert run.answer is Answer.RED
    assert "expected timed-out, saw connected" in said_of(run, probe.id)


def test_a_policy_for_pods_that_the_spec_does_not_have_is_red(live: Live) -> None:
    """No probe between the spec's own pods can see it."""
    target = next(w for w in live.ir.workloads if w.stand_in and w.ports)
    from_default = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "default"}}}
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "netspec-fault-strangers", "namespace": target.namespace},
        "spec": {"podSelector": {"matchLabels": dict(target.labels)}, "ingress": [{"from": [from_default]}]},
    }
    live.kubectl("create", "-f", "-", stdin=json.dumps(policy))
    try:
        run = live.verify()
    finally:
        live.kubectl("delete", "networkpolicy", "netspec-fault-strangers", "-n", target.namespace)
    assert run.answer is Answer.RED
    assert [o.probe.id for o in run.unexpected] == ["fact:policies:cluster"]
    assert "netspec-fault-strangers is none of the spec's" in said_of(run, "fact:policies:cluster")


def test_a_workload_scaled_to_nothing_is_check_failed(live: Live) -> None:
    target = next(w for w in live.ir.workloads if w.stand_in and w.replicas == 1 and w.ports)
    live.kubectl("scale", f"deployment/{target.name}", "-n", target.namespace, "--replicas=0")
    try:
        gone(live, target.namespace, target.name)
        run = live.verify()
    finally:
        live.kubectl("scale", f"deployment/{target.name}", "-n", target.namespace, f"--replicas={target.replicas}")
        rolled_out(live, target.namespace, target.name)
    assert run.answer is Answer.RED
    ends = [
        o for o in run.flows if isinstance(o.probe, FlowProbe) and target.id in (o.probe.source, o.probe.destination)
    ]
    assert ends
    assert {o.status for o in ends} == {Status.CHECK_FAILED}
    assert f"no ready pod of {target.id}" in said_of(run, ends[0].probe.id)


def other_workload(live: Live, service: str) -> dict[str, str]:
    """The labels of a workload that the Service is not for."""
    behind = {w for p in live.probes if isinstance(p, FlowProbe) and p.destination == service for w in p.backends}
    right = next(w for w in live.ir.workloads if w.id in behind)
    wrong = next(w for w in live.ir.workloads if w.id not in behind and w.namespace == right.namespace and not w.system)
    return dict(wrong.labels)


@pytest.mark.parametrize("whom", ["nobody", "another workload"])
def test_a_changed_selector_is_red_and_names_the_service(live: Live, whom: str) -> None:
    probe = flow(live, "cluster-ip", Outcome.CONNECTED)
    namespace, name = split(probe.destination)
    service = json.loads(live.kubectl("get", "service", name, "-n", namespace, "-o", "json"))
    right = service["spec"]["selector"]
    wrong = dict.fromkeys(right, "netspec-nobody") if whom == "nobody" else other_workload(live, probe.destination)

    def select(selector: dict[str, str]) -> None:
        change = json.dumps({"spec": {"selector": selector}})
        live.kubectl("patch", "service", name, "-n", namespace, "--type=merge", "-p", change)

    select(wrong)
    try:
        run = live.verify()
    finally:
        select(right)
    assert run.answer is Answer.RED
    assert probe.destination in said_of(run, f"fact:service-endpoints:{probe.destination}")
    if whom == "nobody":
        said = said_of(run, probe.id)
        assert said.startswith("wrong: ")
        assert f"-> {probe.destination}:{probe.port}" in said


@pytest.mark.parametrize(
    ("change", "said"),
    [({"type": "NodePort"}, "'type': 'NodePort'"), ({"externalIPs": ["192.0.2.1"]}, "'externalIPs': ['192.0.2.1']")],
)
def test_a_service_that_was_opened_further_is_red_though_every_flow_passes(
    live: Live, change: dict[str, object], said: str
) -> None:
    service = next(s for s in live.ir.services if s.type == "ClusterIP" and not s.headless)
    patch = "patch", "service", service.name, "-n", service.namespace
    live.kubectl(*patch, "--type=merge", "-p", json.dumps({"spec": change}))
    try:
        run = live.verify()
    finally:
        back = [{"op": "remove", "path": "/spec/externalIPs"}]
        if "type" in change:
            back = [{"op": "replace", "path": "/spec/type", "value": "ClusterIP"}]  # type: ignore[dict-item]
        live.kubectl(*patch, "--type=json", "-p", json.dumps(back))
    assert [o.probe.id for o in run.unexpected] == [f"fact:service-spec:{service.id}"]
    assert said in explain(run.unexpected[0])


def test_a_replica_too_many_is_red(live: Live) -> None:
    target = next(w for w in live.ir.workloads if w.stand_in and w.replicas == 1)
    scale = "scale", f"deployment/{target.name}", "-n", target.namespace
    live.kubectl(*scale, "--replicas=2")
    rolled_out(live, target.namespace, target.name)
    try:
        run = live.verify()
    finally:
        live.kubectl(*scale, "--replicas=1")
        rolled_out(live, target.namespace, target.name)
    assert [o.probe.id for o in run.unexpected] == [f"fact:replicas:{target.id}"]


def test_changed_ndots_are_red_and_name_the_workload(live: Live) -> None:
    target = next(w for w in live.ir.workloads if w.stand_in and w.replicas == 1)
    patch = "patch", f"deployment/{target.name}", "-n", target.namespace
    container = {"dnsConfig": {"options": [{"name": "ndots", "value": "7"}]}}
    deployment = json.loads(live.kubectl("get", f"deployment/{target.name}", "-n", target.namespace, "-o", "json"))
    before = deployment["spec"]["template"]["spec"].get("dnsConfig")

    def configure(dns: object) -> None:
        change = {"spec": {"template": {"spec": {"dnsConfig": dns}}}}
        live.kubectl(*patch, "--type=merge", "-p", json.dumps(change))
        rolled_out(live, target.namespace, target.name)

    configure(container["dnsConfig"])
    try:
        run = live.verify()
    finally:
        configure(before)
    assert run.answer is Answer.RED
    said = said_of(run, f"fact:resolv-conf:{target.id}")
    assert "'ndots': 7" in said


@contextmanager
def enforcement_void(live: Live) -> Iterator[None]:
    """A Calico policy that lets everything pass before any NetworkPolicy (those have order 1000) is looked at."""
    name = "default.netspec-fault-void"
    rules = [{"action": "Allow"}]
    policy = {
        "apiVersion": "crd.projectcalico.org/v1",
        "kind": "GlobalNetworkPolicy",
        "metadata": {"name": name},
        "spec": {"order": 0, "selector": "all()", "types": ["Ingress", "Egress"], "ingress": rules, "egress": rules},
    }
    live.kubectl("create", "-f", "-", stdin=json.dumps(policy))
    try:
        yield
    finally:
        live.kubectl("delete", "globalnetworkpolicies.crd.projectcalico.org", name)


def test_void_enforcement_is_inconclusive(live: Live) -> None:
    with enforcement_void(live):
        run = live.verify()
    assert run.answer is Answer.INCONCLUSIVE
    assert EXIT_CODES[run.answer] == 3
    spoiled = {c.name for c in run.canary.checks if not c.ok}
    assert spoiled
    assert all("guarded" in name for name in spoiled)


@pytest.mark.parametrize(
    "command",
    [("netspec", "verify", "--stack", STACK, "--report"), ("pytest", "-q", "--stack", STACK, "--netspec-report")],
    ids=["netspec-verify", "pytest-verify"],
)
def test_green_again_by_either_command_and_nothing_secret_written(
    live: Live, tmp_path: Path, command: tuple[str, ...]
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command, str(tmp_path / "report")],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=tmp_path,  # where pytest finds no test of ours
        env={**os.environ, "NETSPEC_PROJECT": str(ROOT)},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((tmp_path / "report" / "results.json").read_text())
    assert results["answer"] == "green"
    assert len(results["observations"]) == len(live.probes)
    key = next(line.split()[1] for line in live.kubeconfig.read_text().splitlines() if "client-key-data:" in line)
    for file in (tmp_path / "report").iterdir():
        assert key not in file.read_text()


def test_no_canary_stays_behind(live: Live) -> None:
    left = json.loads(live.kubectl("get", "namespaces", "-l", "netspec.dev/canary", "-o", "json"))["items"]
    assert [n for n in left if n["status"]["phase"] != "Terminating"] == []
