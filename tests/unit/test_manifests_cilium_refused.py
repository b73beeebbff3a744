"""What Cilium refuses of its policies, and what netspec leaves open of them and says so."""

from collections.abc import Iterator

import pytest
from test_manifests_cilium import (
    AGENT,
    CLUSTER,
    DB,
    DB_IN,
    NODE,
    OUT,
    PARTNER,
    WEB,
    WEB_OUT,
    A,
    D,
    U,
    cilium,
    reading,
)

from netspec.analysis.evaluate import evaluate
from netspec.analysis.explain import Explainer
from netspec.manifests.read import read_texts


def _refusals() -> Iterator[tuple[str, str, str]]:
    def one(rule: str, message: str, field: str = "ingress") -> tuple[str, str, str]:
        return "CiliumNetworkPolicy", f"spec: {DB_IN}{field}: [{rule}]}}", message

    yield "CiliumNetworkPolicy", "spec: {endpointSelector: {}}", "spec must have a rule"
    yield "CiliumNetworkPolicy", "spec: {ingress: [{}]}", "spec must have an endpointSelector"
    yield "CiliumNetworkPolicy", "spec: {nodeSelector: {}, ingress: [{}]}", "spec.nodeSelector is for clusterwide"
    yield "CiliumNetworkPolicy", "{}", "spec is required"
    yield one("{fromEndpoints: [{}], fromCIDR: [10.0.0.0/8]}", "has fromEndpoints and fromCIDR")
    yield one("{fromCIDR: [here]}", "fromCIDR[0] is not a CIDR")
    yield one("{fromCIDRSet: [{cidr: 10.0.0.0/8, except: [11.0.0.0/8]}]}", "except[0] is not within 10.0.0.0/8")
    yield one("{fromCIDRSet: [{}]}", "must have one of cidr, cidrGroupRef and cidrGroupSelector")
    yield one("{fromEntities: [moon]}", "fromEntities[0] is not an entity")
    yield one("{toPorts: [{ports: [{port: '99999'}]}]}", "port is neither a port nor a port name")
    yield one("{toPorts: [{ports: [{port: '80', protocol: SMTP}]}]}", "protocol is not one of TCP")
    yield one("{toPorts: [{ports: [{port: '80'}], rules: {http: [{}]}}]}", "protocol must be TCP")
    yield one("{toPorts: [{ports: [{port: '53'}], rules: {dns: [{matchPattern: '*'}]}}]}", "dns is for egress")
    yield one("{icmps: [{fields: [{type: 8}]}], toPorts: [{ports: [{port: '1'}]}]}", "icmps is not possible beside")
    yield one("{toPorts: [{rules: {dns: [{matchName: a}]}}]}", "ports must be given", "egress")
    yield one(
        "{toPorts: [{ports: [{port: '53', endPort: 54}], rules: {dns: [{matchName: a}]}}]}",
        "endPort is not possible",
        "egress",
    )
    yield one("{toFQDNs: [{}]}", "must have one of matchName and matchPattern", "egress")
    yield one("{fromRequires: [{}]}", "has requirements")


@pytest.mark.parametrize(("kind", "spec", "message"), list(_refusals()))
def test_what_cilium_does_not_take_is_an_error_and_left_out(kind: str, spec: str, message: str) -> None:
    found = reading(kind, spec if spec != "{}" else "")
    (error,) = found.diagnostics
    assert message in error.render()
    assert "[NM002]" in error.render()
    assert found.inventory.tiers == ()


def test_a_field_that_is_not_known_leaves_open_what_its_rule_decides() -> None:
    found = reading("CiliumNetworkPolicy", f"spec: {DB_IN}ingress: [{{fromMoon: [x]}}]}}")
    assert "ingress[0].fromMoon is an unknown field" in found.diagnostics[0].render()
    assert evaluate(cilium(found), WEB, DB, 1, "TCP").answer is U
    assert evaluate(cilium(found), WEB, AGENT, 1, "TCP").answer is A


def test_a_policy_about_nodes_is_not_analysed_and_said_so() -> None:
    found = reading("CiliumClusterwideNetworkPolicy", "spec: {nodeSelector: {}, ingress: [{}]}")
    (said,) = found.diagnostics
    assert "spec.nodeSelector is about nodes, which are not analysed [NM004]" in said.render()
    assert found.inventory.tiers == ()


def test_nodes_that_were_not_given_leave_open_who_they_are() -> None:
    given = CLUSTER[: CLUSTER.index("---\napiVersion: v1\nkind: Node")]
    head = "---\napiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: p, namespace: shop}\nspec: "
    found = read_texts([("c.yaml", f"{given}{head}{WEB_OUT}egress: [{{toEntities: [host, remote-node]}}]}}\n")])
    assert ["[NM006]" in d.render() for d in found.diagnostics] == [True]
    answers = [evaluate(cilium(found), WEB, end, 1, "TCP").answer for end in (NODE, OUT, DB)]
    assert answers == [A, U, D]


def test_the_api_servers_address_is_what_stands_behind_its_service() -> None:
    endpoints = (
        "---\napiVersion: v1\nkind: Endpoints\nmetadata: {name: kubernetes}\n"
        "subsets: [{addresses: [{ip: 192.0.2.7}], ports: [{name: https, port: 6443}]}]\n"
    )
    found = cilium(
        reading("CiliumNetworkPolicy", f"spec: {WEB_OUT}egress: [{{toEntities: [kube-apiserver]}}]}}", endpoints)
    )
    answers = [evaluate(found, WEB, end, 1, "TCP").answer for end in (OUT, PARTNER, DB, NODE)]
    assert answers == [A, D, D, U]


def test_what_decides_at_a_port_is_said() -> None:
    rule = "{toPorts: [{ports: [{port: '80', protocol: TCP}], rules: {http: [{method: GET}]}}]}"
    found = cilium(reading("CiliumNetworkPolicy", f"spec: {DB_IN}ingress: [{rule}]}}"))
    verdict = evaluate(found, WEB, DB, 80, "TCP")
    assert verdict.note == "it passes at L4, and CiliumNetworkPolicy/shop/p ingress[0] decides at L7 (http)"
    steps = Explainer(found).explain(WEB, DB, 80, "TCP").steps
    assert any(s.outcome == "maybe" and "80/TCP at L4, where L7 decides (http)" in s.reason for s in steps)
