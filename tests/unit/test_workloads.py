"""Kinds of workloads, several containers in a pod, ports of nodes, pods that are never ready."""

from dataclasses import replace
from typing import Any

import pytest
from spec_support import compiled, document
from verify_support import STATE, pod

from netspec.analysis.doors import doors
from netspec.analysis.exposure import exposures
from netspec.analysis.services import Endpoints
from netspec.backends.common.standins import stand_ins
from netspec.ir.model import Ir, Workload
from netspec.plan import ManifestNode, ReadyNode
from netspec.probes import OUTSIDE, FactProbe, FlowProbe, Outcome
from netspec.probing import derive_probes
from netspec.verify.declared import observe
from netspec.verify.model import Status
from netspec.verify.objects import Objects
from netspec.verify.resolve import Resolver
from netspec.verify.state import Node, parse_state, pods_by_workload
from netspec.verify.undeclared import find


def spec(workloads: str, more: str = "") -> Ir:
    data = document(f"workloads: {workloads}\nservices: []\n{more}")
    data["stacks"] = {"dev": {"cluster": {"type": "kind", "workers": 2}, "cni": {"provider": "calico"}}}
    return compiled(data)


def one(fields: str, more: str = "") -> Ir:
    """One stand-in of these fields and a client."""
    base = "name: web, namespace: shop, labels: {app: web}, standIn: true"
    client = "{name: client, namespace: far, labels: {app: client}, standIn: true}"
    return spec(f"[{{{base}, {fields}}}, {client}]", more)


def web(an_ir: Ir) -> Workload:
    return an_ir.workloads_by_id["shop/web"]


def made(an_ir: Ir) -> dict[str, Any]:
    (found,) = (
        n.manifest for n in stand_ins(an_ir) if isinstance(n, ManifestNode) and n.manifest["metadata"]["name"] == "web"
    )
    return dict(found)


HTTP = "ports: [{name: http, port: 8080}]"


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet", "Job"])
def test_the_object_is_of_its_kind_and_the_cluster_is_held_to_it(kind: str) -> None:
    an_ir = one(f"kind: {kind}, {HTTP}")
    found = made(an_ir)
    assert found["kind"] == kind
    assert found["apiVersion"] == ("batch/v1" if kind == "Job" else "apps/v1")
    live = {**found, "status": {"desiredNumberScheduled": 2} if kind == "DaemonSet" else {}}
    (probe,) = (p for p in derive_probes(an_ir) if p.id == "fact:workload-spec:shop/web")
    assert isinstance(probe, FactProbe)
    state = parse_state([live])
    assert observe(probe, state, {}).detail == ""
    missing = observe(probe, parse_state([]), {})
    assert (missing.status, missing.detail) == (Status.WRONG, f"{kind} shop/web is missing")


def test_a_daemon_set_has_a_pod_on_each_node_that_takes_one() -> None:
    assert web(one(f"kind: DaemonSet, {HTTP}")).replicas == 2
    assert "replicas" not in made(one(f"kind: DaemonSet, {HTTP}"))["spec"]


def test_a_job_and_what_is_never_ready_are_not_waited_for_as_a_rollout() -> None:
    for fields, condition in (("kind: Job", "Ready"), ("ready: false", "Initialized")):
        nodes = {n.id: n for n in stand_ins(one(f"{fields}, {HTTP}")) if "/web" in n.id}
        (rollout,) = (n for n in nodes.values() if isinstance(n, ManifestNode))
        (barrier,) = (n for n in nodes.values() if isinstance(n, ReadyNode))
        assert not rollout.wait and barrier.depends_on == (rollout.id,)
        (wanted,) = barrier.conditions
        assert (wanted.condition, wanted.at_least, wanted.selector) == (condition, 1, "netspec.dev/workload=web")


# Several containers

SEVERAL = """
containers: [{name: app, ports: [{name: http, port: 8080}, {name: query, port: 9053, protocol: UDP}]}, {name: helper}],
initContainers: [{name: migrate, ports: [{port: 1}]}, {name: proxy, restartPolicy: Always, ports: [{port: 15001}]}]
""".replace("\n", " ")


def test_the_ports_of_containers_are_the_pod_s_but_for_those_that_end() -> None:
    assert [(p.port, p.protocol) for p in web(one(SEVERAL)).ports] == [(15001, "TCP"), (8080, "TCP"), (9053, "UDP")]


def test_containers_are_made_under_their_names_and_a_sidecar_goes_on() -> None:
    pod_spec = made(one(SEVERAL))["spec"]["template"]["spec"]
    assert [c["name"] for c in pod_spec["containers"]] == ["app", "app-udp-9053", "helper"]
    migrate, proxy = pod_spec["initContainers"]
    assert (migrate["name"], migrate.get("restartPolicy")) == ("migrate", None)
    assert (proxy["name"], proxy["restartPolicy"], proxy["ports"][0]["containerPort"]) == ("proxy", "Always", 15001)


def test_containers_ask_one_another_by_the_pod_s_loopback() -> None:
    asked = [p for p in derive_probes(one(SEVERAL)) if isinstance(p, FlowProbe) and p.via == "localhost"]
    assert {(p.source, p.destination, p.port, p.protocol) for p in asked} == {
        ("shop/web", "shop/web", 8080, "TCP"),
        ("shop/web", "shop/web", 9053, "UDP"),
        ("shop/web", "shop/web", 15001, "TCP"),
    }
    assert {p.expect for p in asked} == {Outcome.CONNECTED}
    assert not [p for p in derive_probes(one(HTTP)) if isinstance(p, FlowProbe) and p.via == "localhost"]


def test_a_flow_by_loopback_is_no_control() -> None:
    closed = "namespaces: [{name: shop, defaultDeny: [egress]}]\n"
    an_ir = one(SEVERAL, closed)
    asker_pod = pod("web", 1)
    resolver = Resolver(an_ir, replace(STATE, pods=(asker_pod,)), None)
    (asker,) = resolver.askers("shop/web")
    probes = [p for p in derive_probes(an_ir) if isinstance(p, FlowProbe) and p.source == "shop/web"]
    local = [p for p in probes if p.via == "localhost"]
    assert [t.question.target for t in resolver.targets(local[0], asker)] == ["127.0.0.1:8080"]
    assert [c.to_itself for c in resolver.controls(asker, probes)] == [True]


# Ports of the node

DOOR = "ports: [{name: http, port: 80, hostPort: 8070}]"
ON_HOST = "hostNetwork: true, ports: [{name: http, port: 8088}]"


@pytest.mark.parametrize(("fields", "number"), [(DOOR, 80), (ON_HOST, 8088)])
def test_a_port_of_the_node_is_a_door_that_exposure_lists(fields: str, number: int) -> None:
    inventory = one(fields).inventory
    (door,) = doors(inventory)
    assert (door.way, door.workload.id, door.port) == ("host-port", "shop/web", number)
    assert [e.workload for e in exposures(inventory) if e.scope == "host-port"] == ["shop/web"]


@pytest.mark.parametrize(
    ("fields", "closed", "number", "expect"),
    [
        (DOOR, False, 8070, Outcome.CONNECTED),
        (DOOR, True, 8070, Outcome.TIMED_OUT),
        (ON_HOST, False, 8088, Outcome.CONNECTED),
        (ON_HOST, True, 8088, Outcome.CONNECTED),  # Calico: a host-network pod is its node, no policy selects it
    ],
)
def test_a_port_of_the_node_is_asked_from_outside(fields: str, closed: bool, number: int, expect: Outcome) -> None:
    more = "namespaces: [{name: shop, defaultDeny: [ingress]}]\n" if closed else ""
    (probe,) = (p for p in derive_probes(one(fields, more)) if isinstance(p, FlowProbe) and p.via == "host-port")
    assert (probe.source, probe.destination, probe.port, probe.expect) == (OUTSIDE, "shop/web", number, expect)


def test_it_is_asked_of_the_nodes_that_have_a_pod() -> None:
    an_ir = one(DOOR)
    nodes = (Node("w1", "172.30.0.3", True), Node("w2", "172.30.0.4", True))
    resolver = Resolver(an_ir, replace(STATE, nodes=nodes, pods=(pod("web", 1, "w2"),)), None)
    (probe,) = (p for p in derive_probes(an_ir) if isinstance(p, FlowProbe) and p.via == "host-port")
    assert [t.question.target for t in resolver.targets(probe, resolver.askers("shop/web")[0])] == ["172.30.0.4:8070"]


def test_a_declared_port_of_the_node_is_not_a_stranger_s() -> None:
    an_ir = one(DOOR)
    found = replace(pod("web", 1), host_ports=((8070, "TCP"),))
    assert [t.opens for t in find(an_ir, Objects(), replace(STATE, pods=(found,))).things if t.opens] == []
    more = replace(pod("web", 1), host_ports=((8070, "TCP"), (8071, "TCP")))
    (thing,) = (t for t in find(an_ir, Objects(), replace(STATE, pods=(more,))).things if t.opens)
    assert thing.opens == "host port 8071/TCP on node w1"


def test_an_address_need_not_be_kept_on_the_way_to_a_node() -> None:
    kept = [p for p in derive_probes(one(f"{ON_HOST}")) if isinstance(p, FactProbe) and p.fact == "source-address-kept"]
    assert kept == []
    assert [p.peer for p in derive_probes(one(HTTP)) if isinstance(p, FactProbe) and p.fact == "source-address-kept"]


def test_in_the_node_s_network_a_stand_in_has_the_cluster_s_dns_and_the_port_of_the_node() -> None:
    pod_spec = made(one(ON_HOST))["spec"]["template"]["spec"]
    assert (pod_spec["hostNetwork"], pod_spec["dnsPolicy"]) == (True, "ClusterFirstWithHostNet")
    assert pod_spec["containers"][0]["ports"] == [
        {"name": "http", "hostPort": 8088, "containerPort": 8088, "protocol": "TCP"}
    ]
    spare = {
        made(one(ON_HOST.replace("8088", str(n))))["spec"]["template"]["spec"]["containers"][0]["args"][1]
        for n in (8088, 8089)
    }
    assert spare == {"--http-port=8088", "--http-port=8089"}


# Pods that are never ready

HELD = f"ready: false, {HTTP}"
BEHIND = "services: [{name: web, namespace: shop, selector: {app: web}, ports: [{port: 8080}]%s}]\n"


def held(more: str = "") -> Ir:
    workload = f"{{name: web, namespace: shop, labels: {{app: web}}, standIn: true, {HELD}}}"
    client = "{name: client, namespace: far, labels: {app: client}, standIn: true}"
    return compiled(f"workloads: [{workload}, {client}]\n" + BEHIND % more)


def test_a_service_does_not_lead_to_pods_that_are_not_ready_unless_it_says_so() -> None:
    for more, behind in (("", []), (", publishNotReadyAddresses: true", ["shop/web"])):
        an_ir = held(more)
        found = Endpoints(an_ir.inventory).of_service(an_ir.services_by_id["shop/web"])
        assert [e.workload.id for e in found if e.workload] == behind
        flows = [p for p in derive_probes(an_ir) if isinstance(p, FlowProbe) and p.via == "cluster-ip"]
        assert [p.destination for p in flows if p.destination == "shop/web"] == (["shop/web"] if behind else [])


def test_the_endpoints_of_a_service_must_be_none() -> None:
    (probe,) = (p for p in derive_probes(held()) if p.id == "fact:service-endpoints:shop/web")
    assert isinstance(probe, FactProbe) and probe.expect == []


def test_pods_that_run_are_asked_though_they_are_not_ready_and_one_that_is_ready_is_wrong() -> None:
    an_ir = held()
    running = replace(pod("web", 1), ready=False)
    found = pods_by_workload((running, replace(running, name="web-2", containers=())), an_ir.inventory.workloads)
    assert [p.name for p in found["shop/web"]] == ["web-1"]
    ready = one(HTTP)
    assert pods_by_workload((running,), ready.inventory.workloads)["shop/web"] == ()


def test_what_is_never_ready_takes_the_place_of_what_was() -> None:
    assert made(one(HELD))["spec"]["strategy"] == {"type": "Recreate"}
    assert "strategy" not in made(one(HTTP))["spec"]


def test_the_stand_in_says_that_it_is_not_ready() -> None:
    (container,) = made(one(HELD))["spec"]["template"]["spec"]["containers"]
    assert container["readinessProbe"]["exec"] == {"command": ["sh", "-c", "exit 1"]}


def test_a_spread_of_the_spec_s_own_is_over_the_workload_s_pods() -> None:
    fields = (
        "topologySpreadConstraints: [{maxSkew: 2, topologyKey: zone, whenUnsatisfiable: DoNotSchedule, minDomains: 2}]"
    )
    (given,) = made(one(fields))["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert given["labelSelector"] == {"matchLabels": {"netspec.dev/workload": "web"}}
    assert (given["maxSkew"], given["topologyKey"], given["minDomains"]) == (2, "zone", 2)
    (usual,) = made(one(HTTP))["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert usual["whenUnsatisfiable"] == "ScheduleAnyway"
