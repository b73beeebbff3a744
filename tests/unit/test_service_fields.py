"""The further fields of Services: what they compile to, what they predict, what is asked about them."""

from dataclasses import replace
from typing import Any

import pytest
import yaml
from spec_support import compiled, document
from verify_support import STATE, ir, pod

from netspec.analysis.doors import doors
from netspec.backends.common.services import services as lowered
from netspec.ir.model import Ir
from netspec.probes import FactProbe, FlowProbe, Outcome
from netspec.probing import derive_probes
from netspec.verify.declared import service_fields
from netspec.verify.judge import Judge
from netspec.verify.model import Status
from netspec.verify.resolve import Asker, NothingToAsk, Resolver
from netspec.verify.script import Reply
from netspec.verify.state import Endpoint, LiveService, parse_state

WEB = "{name: web, namespace: shop, labels: {app: web}, replicas: 2, ports: [{name: http, port: 8080}], standIn: true}"
CLIENT = "{name: client, namespace: far, labels: {app: client}, standIn: true}"


def one_service(fields: str, more: str = "") -> Ir:
    """`web` with two pods behind one Service of these fields, and a client."""
    base = "name: web, namespace: shop, selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]"
    text = f"workloads: [{WEB}, {CLIENT}]\nservices: [{{{base}, {fields}}}]\n{more}"
    data = document(text)
    data["stacks"] = {"dev": {"cluster": {"type": "kind", "workers": 2}, "cni": {"provider": "calico"}}}
    return compiled(data)


def manifest(an_ir: Ir, kind: str = "Service") -> dict[str, Any]:
    (found,) = (n.manifest for n in lowered(an_ir) if n.manifest["kind"] == kind)
    return dict(found)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("internalTrafficPolicy: Local", {"internalTrafficPolicy": "Local"}),
        (
            "sessionAffinity: ClientIP",
            {"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10800}}},
        ),
        (
            "sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 60}}",
            {"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 60}}},
        ),
        ("trafficDistribution: PreferSameNode", {"trafficDistribution": "PreferSameNode"}),
        ("ipFamilyPolicy: PreferDualStack", {"ipFamilyPolicy": "PreferDualStack"}),
        ("clusterIP: 10.96.0.20", {"clusterIP": "10.96.0.20"}),
        ("externalIPs: [192.0.2.1]", {"externalIPs": ["192.0.2.1"]}),
        ("internalTrafficPolicy: Cluster, sessionAffinity: None", {}),
    ],
)
def test_a_field_is_compiled_as_the_api_has_it_and_a_default_is_left_out(fields: str, expected: dict[str, Any]) -> None:
    spec = manifest(one_service(fields))["spec"]
    known = {"type", "selector", "ports"}
    assert {key: value for key, value in spec.items() if key not in known} == expected


@pytest.mark.parametrize(
    "fields", ["internalTrafficPolicy: Local", "sessionAffinity: ClientIP", "externalIPs: [192.0.2.1]"]
)
def test_what_is_compiled_is_what_the_cluster_is_held_to(fields: str) -> None:
    """The object as the API server gives it back, against the fact about it."""
    an_ir = one_service(fields)
    live = manifest(an_ir)
    state = parse_state([live])
    (probe,) = (p for p in derive_probes(an_ir) if p.id == "fact:service-spec:shop/web")
    assert isinstance(probe, FactProbe)
    assert service_fields(state.services["shop/web"], probe.expect) == probe.expect
    plain = parse_state([manifest(one_service("type: ClusterIP"))]).services["shop/web"]
    assert service_fields(plain, probe.expect) != probe.expect


def test_a_port_for_health_checks_that_the_api_server_chose_is_its_own() -> None:
    expect = {"ports": [], "others": {}}
    live = LiveService("10.96.1.1", {}, type="LoadBalancer", others={"healthCheckNodePort": 31000})
    assert service_fields(live, expect)["others"] == {}
    assert service_fields(live, expect | {"others": {"healthCheckNodePort": 30001}})["others"] == {
        "healthCheckNodePort": 31000
    }


def test_two_families_of_a_headless_service_without_selector_are_the_api_server_s_choice() -> None:
    expect = {"ports": [], "others": {}}
    others = {"ipFamilyPolicy": "RequireDualStack"}
    assert service_fields(LiveService("None", {}, others=others), expect)["others"] == {}
    assert service_fields(LiveService("10.96.1.1", {}, others=others), expect)["others"] == others
    selecting = LiveService("None", {}, selector={"app": "web"}, others=others)
    assert service_fields(selecting, expect)["others"] == others


def test_a_port_s_protocol_of_the_application_is_compiled_and_compared() -> None:
    port = "{name: http, port: 80, targetPort: http, appProtocol: kubernetes.io/h2c}"
    an_ir = compiled(f"services: [{{name: api, namespace: shop, selector: {{app: api}}, ports: [{port}]}}]")
    live = manifest(an_ir)
    assert live["spec"]["ports"][0]["appProtocol"] == "kubernetes.io/h2c"
    (probe,) = (p for p in derive_probes(an_ir) if p.id == "fact:service-spec:shop/api")
    assert isinstance(probe, FactProbe)
    assert service_fields(parse_state([live]).services["shop/api"], probe.expect) == probe.expect


# Endpoints of a Service's own

GIVEN = """
services:
  - name: legacy
    namespace: shop
    ports: [{name: pg, port: 5432, targetPort: 15432}]
    endpoints: [{addresses: [192.0.2.9, 192.0.2.10]}, {addresses: [192.0.2.9], hostname: old}]
"""


def test_endpoints_are_a_slice_that_kubernetes_leaves_alone() -> None:
    found = manifest(compiled(GIVEN), "EndpointSlice")
    assert found["metadata"]["labels"]["kubernetes.io/service-name"] == "legacy"
    assert found["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"] == "netspec"
    assert found["ports"] == [{"name": "pg", "port": 15432, "protocol": "TCP"}]
    assert [(e["addresses"], e.get("hostname")) for e in found["endpoints"]] == [
        (["192.0.2.9"], "old"),
        (["192.0.2.10"], None),
    ]


def test_an_intent_to_a_service_of_addresses_opens_the_way_to_them() -> None:
    text = GIVEN + "namespaces: [{name: shop, defaultDeny: [egress]}]\n"
    text += "policies: [{name: db, from: shop/web, to: {service: shop/legacy}}]\n"
    text += "expectations:\n"
    text += "  - {from: shop/web, to: {service: shop/legacy}, expect: allow}\n"
    text += "  - {from: shop/api, to: {service: shop/legacy}, expect: deny}\n"
    (policy,) = (p for p in compiled(text).policies if p.origin.startswith("policies") or "db" in p.name)
    blocks = [str(peer.ip_block.cidr) for rule in policy.egress for peer in rule.peers if peer.ip_block]
    assert blocks == ["192.0.2.9/32", "192.0.2.10/32"]
    assert {port.port for rule in policy.egress for port in rule.ports} == {15432}


def test_the_endpoints_on_the_cluster_must_be_those_that_were_given() -> None:
    an_ir = compiled(GIVEN)
    (probe,) = (p for p in derive_probes(an_ir) if p.id == "fact:service-endpoints:shop/legacy")
    assert isinstance(probe, FactProbe)
    found = tuple(Endpoint("pg", address, 15432, "TCP") for address in ("192.0.2.9", "192.0.2.10"))
    for endpoints, status in ((found, Status.PASS), (found[:1], Status.WRONG), ((), Status.WRONG)):
        state = replace(STATE, endpoints={"shop/legacy": endpoints})
        assert Judge(an_ir, state, {}).state_fact(probe).status is status


def test_a_chosen_address_is_asked_for_alone() -> None:
    an_ir = one_service("clusterIP: 10.96.0.20")
    (probe,) = (p for p in derive_probes(an_ir) if p.id == "fact:service-ip-in-service-cidrs:shop/web")
    assert isinstance(probe, FactProbe) and probe.expect == ["10.96.0.20/32"]


# internalTrafficPolicy


def asked(an_ir: Ir) -> dict[str, Outcome | None]:
    """How the client's flows through the Service are predicted, by the nodes that they are about."""
    probes = [p for p in derive_probes(an_ir) if isinstance(p, FlowProbe) and p.via == "cluster-ip"]
    return {p.nodes: p.expect for p in probes if (p.source, p.destination) == ("far/client", "shop/web")}


def test_a_pod_reaches_its_own_node_s_endpoints_and_none_without() -> None:
    assert asked(one_service("internalTrafficPolicy: Local")) == {
        "with-endpoint": Outcome.CONNECTED,
        "without-endpoint": Outcome.TIMED_OUT,
    }
    assert asked(one_service("internalTrafficPolicy: Cluster")) == {"every": Outcome.CONNECTED}


def test_what_policy_denies_is_denied_on_every_node() -> None:
    closed = "namespaces: [{name: shop, defaultDeny: [ingress]}]\n"
    assert asked(one_service("internalTrafficPolicy: Local", closed)) == {"every": Outcome.TIMED_OUT}


def test_without_kube_proxy_nothing_is_predicted_where_no_endpoint_is() -> None:
    an_ir = one_service("internalTrafficPolicy: Local")
    an_ir = replace(an_ir, network=replace(an_ir.network, proxy_mode="none"))
    assert asked(an_ir)["without-endpoint"] is None


def local_service(*nodes: str) -> tuple[Resolver, dict[str, FlowProbe], dict[str, Asker]]:
    """A Service of pods on these nodes, and an asker on w1 and on w2."""
    an_ir = one_service("internalTrafficPolicy: Local")
    pods = tuple(pod("web", i, node) for i, node in enumerate(nodes, 1))
    endpoints = tuple(Endpoint("http", p.id, 8080, "TCP") for p in pods)
    clients = [replace(pod("client", 8, "w1"), namespace="far"), replace(pod("client", 9, "w2"), namespace="far")]
    state = replace(
        STATE,
        pods=(*pods, *clients),
        services={"shop/web": LiveService("10.96.7.7", {(80, "TCP"): 0})},
        endpoints={"shop/web": endpoints},
    )
    probes = [p for p in derive_probes(an_ir) if isinstance(p, FlowProbe) and p.via == "cluster-ip"]
    resolver = Resolver(an_ir, state, None)
    return (
        resolver,
        {p.nodes: p for p in probes if p.source == "far/client"},
        {a.pod.node: a for a in resolver.askers("far/client") if a.pod},
    )


def test_a_pod_is_asked_what_is_about_its_own_node() -> None:
    resolver, probes, askers = local_service("w1")
    assert resolver.is_about(probes["with-endpoint"], askers["w1"])
    assert not resolver.is_about(probes["with-endpoint"], askers["w2"])
    assert resolver.is_about(probes["without-endpoint"], askers["w2"])
    (target,) = resolver.targets(probes["without-endpoint"], askers["w2"])
    assert target.question.target == "10.96.7.7:80"


def test_where_every_node_has_an_endpoint_there_is_nothing_to_ask() -> None:
    resolver, probes, askers = local_service("w1", "w2")
    with pytest.raises(NothingToAsk, match="no asker is on a node without an endpoint of shop/web"):
        resolver.targets(probes["without-endpoint"], askers["w1"])


# Which pod answers


def facts(an_ir: Ir, fact: str) -> list[FactProbe]:
    return [p for p in derive_probes(an_ir) if isinstance(p, FactProbe) and p.fact == fact]


def test_affinity_is_asked_where_there_are_several_pods() -> None:
    (probe,) = facts(one_service("sessionAffinity: ClientIP"), "same-pod-again")
    assert (probe.subject, probe.peer, probe.port) == ("far/client", "shop/web", 80)
    assert facts(one_service("sessionAffinity: None"), "same-pod-again") == []
    alone = compiled(
        {**document(f"workloads: [{WEB.replace('replicas: 2', 'replicas: 1')}, {CLIENT}]")}
        | {
            "services": yaml.safe_load(
                "[{name: web, namespace: shop, selector: {app: web}, sessionAffinity: ClientIP, ports: [{port: 8080}]}]"
            )
        }
    )
    assert facts(alone, "same-pod-again") == []


@pytest.mark.parametrize(
    ("fields", "fact", "names", "status"),
    [
        ("sessionAffinity: ClientIP", "same-pod-again", ["web-1"] * 3, Status.PASS),
        ("sessionAffinity: ClientIP", "same-pod-again", ["web-1", "web-2", "web-1"], Status.WRONG),
        ("trafficDistribution: PreferSameNode", "own-node-answers", ["web-1"], Status.PASS),
        ("trafficDistribution: PreferSameNode", "own-node-answers", ["web-1", "web-2"], Status.WRONG),
        ("trafficDistribution: PreferSameNode", "own-node-answers", ["nobody"], Status.WRONG),
    ],
)
def test_the_pod_that_answers_is_known_by_its_host_name(
    fields: str, fact: str, names: list[str], status: Status
) -> None:
    an_ir = one_service(fields)
    (probe,) = facts(an_ir, fact)
    client = replace(pod("client", 8, "w1"), namespace="far")
    state = replace(STATE, pods=(pod("web", 1, "w1"), pod("web", 2, "w2"), client))
    rows = [Reply(i, "client-address", 0, 0, 0, name) for i, name in enumerate(names)]
    seen = Judge(an_ir, state, {}).pod_fact(probe, Asker(client.id, client, "main"), rows, (), 1)
    assert (seen.status, seen.observed) == (status, sorted(set(names)))


def test_external_ips_are_a_door() -> None:
    (door,) = doors(one_service("externalIPs: [192.0.2.1]").inventory)
    assert (door.way, door.workload.id, door.port) == ("external-ip", "shop/web", 8080)


def test_the_base_of_these_tests_asks_as_before() -> None:
    assert not [p for p in derive_probes(ir()) if isinstance(p, FactProbe) and p.fact in ("same-pod-again",)]


def test_a_pod_dials_its_own_address_and_must_see_itself_come_from_it() -> None:
    an_ir = one_service("sessionAffinity: None")
    (probe,) = facts(an_ir, "own-address-seen")  # the client listens on nothing
    web = pod("web", 1, "w1")
    asker = Asker(web.id, web, "main")
    (target,) = Resolver(an_ir, replace(STATE, pods=(web,)), None).targets(probe, asker)
    assert target.question.target == f"http://{web.address}:8080/clientip"
    for seen, status in ((web.address, Status.PASS), ("10.244.9.9", Status.WRONG), ("127.0.0.1", Status.WRONG)):
        rows = [Reply(0, "client-address", 0, 0, 0, f"{seen}:34567")]
        assert Judge(an_ir, STATE, {}).pod_fact(probe, asker, rows, (), 1).status is status
