"""What the cluster, the outside and unknown pods reach."""

from dataclasses import replace

import pytest

from netspec.analysis.exposure import Exposure, exposures
from netspec.backends.cni.dialects import DIALECTS
from netspec.manifests.read import read_texts

POD = """\
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c}]}
"""


def policy(spec: str) -> str:
    head = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: shop}\n"
    return f"---\n{head}spec: {{podSelector: {{}}, {spec}}}\n"


def service(spec: str) -> str:
    return f"---\napiVersion: v1\nkind: Service\nmetadata: {{name: web, namespace: shop}}\nspec: {spec}\n"


def found(*objects: str, cni: str | None = None) -> list[Exposure]:
    reading = read_texts([("x.yaml", POD + "".join(objects))])
    assert reading.diagnostics == ()
    return list(exposures(replace(reading.inventory, dialect=DIALECTS.get(cni or ""))))


def rows(*objects: str) -> list[tuple[str, str, object]]:
    return [(e.scope, e.peer, e.ports.get("TCP")) for e in found(*objects)]


ALL = ((1, 65535),)


def test_an_open_pod_is_exposed_to_everyone() -> None:
    assert rows() == [("cluster", "every pod of the cluster", ALL), ("outside", "every address", ALL)]
    assert {e.by for e in found()} == {"not isolated"}


def test_a_closed_pod_is_exposed_to_no_one() -> None:
    assert rows(policy("ingress: []")) == []


def test_the_whole_cluster_and_the_rule_that_lets_it_in() -> None:
    (row,) = found(policy("ingress: [{from: [{namespaceSelector: {}}], ports: [{port: 80}]}]"))
    assert (row.scope, row.ports, row.by) == ("cluster", {"TCP": ((80, 80),)}, "shop/p ingress[0]")


def test_addresses_outside() -> None:
    (row,) = found(policy("ingress: [{from: [{ipBlock: {cidr: 192.0.2.0/24}}]}]"))
    assert (row.scope, row.peer) == ("outside", "192.0.2.0-192.0.2.255")


def test_pods_that_may_come_are_described_and_counted() -> None:
    (row,) = found(policy("ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]"))
    assert (row.scope, row.peer, row.present) == ("pods", "pods {app=web} of namespace shop", 1)
    (row,) = found(policy("ingress: [{from: [{namespaceSelector: {matchLabels: {team: ops}}}]}]"))
    assert (row.peer, row.present) == ("every pod of namespaces {team=ops}", 0)


def test_a_node_port_lets_the_outside_in_through_the_node() -> None:
    ports = "{type: NodePort, selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}"
    assert rows(policy("ingress: []"), service(ports)) == [
        ("node-port", "the outside, through node ports", ((8080, 8080),))
    ]
    local = ports.replace("type: NodePort", "type: NodePort, externalTrafficPolicy: Local")
    assert rows(policy("ingress: []"), service(local)) == []


def test_external_ips_let_the_outside_in_through_the_node() -> None:
    ports = "externalIPs: [198.51.100.1], selector: {app: web}, ports: [{port: 80, targetPort: 8080}]"
    assert rows(policy("ingress: []"), service(f"{{{ports}}}")) == [
        ("external-ip", "the outside, through external IPs", ((8080, 8080),))
    ]
    assert rows(policy("ingress: []"), service(f"{{{ports}, externalTrafficPolicy: Local}}")) == []
    assert rows(policy("ingress: []"), service(f"{{{ports}, clusterIP: None}}")) == []


HOST = (
    "---\napiVersion: v1\nkind: Pod\nmetadata: {name: host, namespace: shop, labels: {app: host}}\n"
    "spec: {hostNetwork: true}\n"
)
INGRESS = (
    "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: i, namespace: shop}\n"
    "spec: {defaultBackend: {service: {name: web, port: {number: 80}}}}\n"
)


def test_a_pod_that_is_its_node_is_open_to_everyone() -> None:
    to_host = service("{selector: {app: host}, ports: [{port: 80}]}")
    closed = (HOST, policy("ingress: []"), to_host, INGRESS)
    assert [(e.scope, e.by) for e in found(*closed, cni="calico") if e.workload == "shop/host"] == [
        ("cluster", "node"),
        ("outside", "node"),
        ("routes", "Ingress shop/i"),
    ]
    assert [e.scope for e in found(*closed) if e.workload == "shop/host"] == ["routes"]  # left open


def tier(rules: str, kind: str = "AdminNetworkPolicy", priority: str = "priority: 1, ") -> str:
    head = f"---\napiVersion: policy.networking.k8s.io/v1alpha1\nkind: {kind}\nmetadata: {{name: default}}\n"
    return f"{head}spec: {{{priority}subject: {{namespaces: {{}}}}, ingress: [{rules}]}}\n"


OPS = "namespaces: {matchLabels: {team: ops}}"
FROM_OPS = policy("ingress: [{from: [{namespaceSelector: {matchLabels: {team: ops}}}], ports: [{port: 80}]}]")


def test_a_tier_that_denies_bounds_what_pods_may() -> None:
    assert [e.scope for e in found(tier("{action: Deny, from: [{namespaces: {}}]}"))] == ["outside"]


def test_pods_that_an_earlier_rule_denies_do_not_get_in() -> None:
    assert [e.ports for e in found(FROM_OPS)] == [{"TCP": ((80, 80),)}]
    assert found(FROM_OPS, tier(f"{{action: Deny, from: [{{{OPS}}}]}}")) == []
    assert found(FROM_OPS, tier("{action: Deny, from: [{namespaces: {}}]}")) == []
    narrower = "namespaceSelector: {matchLabels: {team: ops}}, podSelector: {matchLabels: {a: b}}"
    assert len(found(FROM_OPS, tier(f"{{action: Deny, from: [{{pods: {{{narrower}}}}}]}}"))) == 1
    on_443 = f"{{action: Deny, from: [{{{OPS}}}], ports: [{{portNumber: {{protocol: TCP, port: 443}}}}]}}"
    assert len(found(FROM_OPS, tier(on_443))) == 1


@pytest.mark.parametrize("passed", ["{namespaces: {}}", f"{{{OPS}}}"])
def test_a_pass_leaves_it_to_the_policies_below(passed: str) -> None:
    through = tier(f"{{action: Pass, from: [{passed}]}}")
    assert [(e.scope, e.ports, e.by) for e in found(FROM_OPS, through)] == [
        ("pods", {"TCP": ((80, 80),)}, "shop/p ingress[0]")
    ]


def test_pods_that_no_rule_denies_get_in_where_a_tier_denies_some() -> None:
    deny = tier(f"{{action: Deny, from: [{{{OPS}}}], ports: [{{portNumber: {{protocol: TCP, port: 80}}}}]}}")
    rest = ((1, 79), (81, 65535))
    open_pod = [(e.scope, e.peer, e.ports["TCP"], e.by) for e in found(deny)]
    assert open_pod == [
        ("cluster", "every pod of the cluster", rest, "not isolated"),
        ("pods", "every pod that no rule denies", ((80, 80),), "not isolated"),
        ("outside", "every address", ALL, "not isolated"),
    ]
    let_in = policy("ingress: [{from: [{namespaceSelector: {}}], ports: [{port: 80}]}]")
    assert [(e.peer, e.by) for e in found(deny, let_in)] == [("every pod that no rule denies", "shop/p ingress[0]")]


def test_a_baseline_is_not_asked_about_isolated_pods() -> None:
    baseline = tier(
        "{action: Allow, from: [{namespaces: {matchLabels: {team: dev}}}]}", "BaselineAdminNetworkPolicy", ""
    )
    assert "pods" in {e.scope for e in found(baseline)}
    assert [e.by for e in found(FROM_OPS, baseline)] == ["shop/p ingress[0]"]


def test_a_row_names_the_rules_that_let_in_and_none_that_never_decides() -> None:
    on_80 = "{action: Allow, from: [{namespaces: {}}], ports: [{portNumber: {protocol: TCP, port: 80}}]}"
    deny, dead = "{action: Deny, from: [{namespaces: {}}]}", f"{{action: Allow, from: [{{{OPS}}}]}}"
    assert [(e.scope, e.by) for e in found(tier(f"{on_80}, {deny}, {dead}"))] == [
        ("cluster", "AdminNetworkPolicy/default ingress[0]"),
        ("outside", "not isolated"),
    ]
