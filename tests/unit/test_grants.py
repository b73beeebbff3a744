"""Intents that no NetworkPolicy can say: what they mean, what is predicted, and what is wrong with them."""

from textwrap import indent

import pytest

from netspec.analysis.diff import Diff
from netspec.analysis.evaluate import evaluate
from netspec.analysis.matrix import Matrix
from netspec.analysis.verdict import AddressEnd, Answer, PodEnd
from netspec.backends.registry import REGISTRY
from netspec.compiler import CompileResult, compile_spec
from netspec.ir.model import Ir
from netspec.spec.load import loads

A, D, U = Answer.ALLOW, Answer.DENY, Answer.UNDEFINED
WEB, API, BATCH, DNS = (PodEnd(n) for n in ("shop/web", "shop/api", "jobs/batch", "kube-system/coredns"))


def compiled(
    policies: str, cni: str = "cilium", deny: str = "[ingress, egress]", cluster: str = "kind"
) -> CompileResult:
    text = f"""\
apiVersion: netspec.dev/v1alpha1
kind: NetworkSpec
metadata: {{name: shop}}
namespaces:
  - {{name: shop, defaultDeny: {deny}}}
  - {{name: jobs}}
workloads:
  - {{name: web, namespace: shop, labels: {{app: web}}, ports: [{{port: 8080}}]}}
  - {{name: api, namespace: shop, labels: {{app: api}}, ports: [{{port: 8080}}, {{port: 9090}}]}}
  - {{name: batch, namespace: jobs, labels: {{app: batch}}, ports: [{{port: 8080}}]}}
policies:
{indent(policies, "  ")}
stacks:
  dev: {{cluster: {{type: {cluster}}}, cni: {{provider: {cni}}}}}
"""
    return compile_spec(loads(text, "x.yaml"), "dev", REGISTRY)


def meaning(policies: str, deny: str = "[ingress, egress]") -> Ir:
    result = compiled(policies, deny=deny)
    assert result.ok, [d.render() for d in result.diagnostics]
    assert result.ir is not None
    return result.ir


def test_requests_are_judged_where_the_called_is_isolated() -> None:
    ir = meaning("- {name: p, from: shop/web, to: shop/api, ports: [8080], http: [{method: GET}]}")
    (grant,) = ir.grants
    assert (grant.id, grant.direction) == ("shop/p-ingress", "Ingress")
    assert [p.id for p in ir.policies if p.origin == "policies: p"] == ["shop/p-egress"]
    verdict = evaluate(ir.inventory, WEB, API, 8080, "TCP")
    assert verdict.answer is U
    assert verdict.note == "it passes at L4, and policies/shop/p-ingress ingress[0] decides at L7 (http)"
    assert evaluate(ir.inventory, WEB, API, 9090, "TCP").answer is D
    assert evaluate(ir.inventory, BATCH, API, 8080, "TCP").answer is D


def test_they_are_judged_at_the_caller_where_nothing_isolates_the_called() -> None:
    ir = meaning("- {name: p, from: shop/web, to: jobs/batch, http: [{method: GET}]}")
    assert [(g.id, g.direction) for g in ir.grants] == [("shop/p-egress", "Egress")]
    assert evaluate(ir.inventory, WEB, BATCH, 8080, "TCP").answer is U
    only = meaning("- {name: p, from: shop/web, to: shop/api, ports: [8080], http: [{}]}", deny="[egress]")
    assert [(g.id, g.direction) for g in only.grants] == [("shop/p-egress", "Egress")]


def test_a_plain_intent_beside_them_lets_every_request_pass() -> None:
    ir = meaning(
        "- {name: p, from: shop/web, to: shop/api, ports: [8080], http: [{method: GET}]}\n"
        "- {name: q, from: shop/web, to: shop/api, ports: [8080]}"
    )
    assert evaluate(ir.inventory, WEB, API, 8080, "TCP").answer is A


def test_a_name_opens_lookups_and_what_it_may_stand_for() -> None:
    ir = meaning("- {name: p, from: shop/web, to: {dns: '*.example.com'}, ports: [443/TCP]}")
    (grant,) = ir.grants
    assert [(r.name, r.lookups) for r in grant.rules] == [("*.example.com", False), ("", True)]
    assert evaluate(ir.inventory, WEB, DNS, 53, "UDP").answer is A
    assert evaluate(ir.inventory, API, DNS, 53, "UDP").answer is D
    from ipaddress import ip_address

    outside = AddressEnd(ip_address("192.0.2.1"))
    verdict = evaluate(ir.inventory, WEB, outside, 443, "TCP")
    assert verdict.answer is U
    assert "the input does not say whether policies/shop/p-egress egress[0] matches" in verdict.note
    assert evaluate(ir.inventory, WEB, outside, 80, "TCP").answer is D
    assert evaluate(ir.inventory, WEB, BATCH, 443, "TCP").answer is D


def test_entities() -> None:
    from ipaddress import ip_address

    outside = AddressEnd(ip_address("192.0.2.1"))
    world = meaning("- {name: p, from: {entity: world}, to: shop/web}").inventory
    assert [evaluate(world, end, WEB, 8080, "TCP").answer for end in (outside, API)] == [A, D]
    cluster = meaning("- {name: p, from: shop/web, to: {entity: cluster}}").inventory
    assert [evaluate(cluster, WEB, end, 8080, "TCP").answer for end in (BATCH, outside)] == [A, U]
    server = meaning("- {name: p, from: shop/web, to: {entity: kube-apiserver}, ports: [6443/TCP]}").inventory
    assert [evaluate(server, WEB, end, 6443, "TCP").answer for end in (BATCH, outside)] == [D, U]
    host = meaning("- {name: p, from: {entity: host}, to: shop/api, ports: [9090]}").inventory
    assert evaluate(host, outside, API, 9090, "TCP").answer is U


def test_they_close_nothing() -> None:
    """The pods that nothing isolates get no policy, and stay open."""
    ir = meaning("- {name: p, from: jobs/batch, to: {dns: a.example.com}, ports: [443/TCP]}")
    assert ir.grants == ()
    assert evaluate(ir.inventory, BATCH, WEB, 1, "TCP").answer is D
    assert evaluate(ir.inventory, BATCH, DNS, 1, "TCP").answer is A


def test_the_matrix_tells_where_l7_decides() -> None:
    ir = meaning("- {name: p, from: shop/web, to: shop/api, ports: [8080], http: [{method: GET}]}")
    text = "".join(Matrix(ir.inventory).to_json())
    assert '"destination": "shop/api", "undefined": {"TCP": [[8080, 8080]]}, "l7": {"TCP": [[8080, 8080]]}' in text


@pytest.mark.parametrize(
    ("policy", "feature"),
    [
        ("{name: p, from: outside, to: shop/web, http: [{method: GET}]}", "policy-http"),
        ("{name: p, from: shop/web, to: {dns: a.example.com}}", "policy-dns-names"),
        ("{name: p, from: {entity: host}, to: shop/web}", "policy-entities"),
    ],
)
def test_a_cni_without_them_refuses(policy: str, feature: str) -> None:
    (error,) = (d for d in compiled(f"- {policy}", cni="calico").diagnostics if d.code == "NS901")
    assert f"do not support {feature}" in error.message
    assert error.hint == "backends that have it: cilium (cni)"


def test_cilium_without_its_proxy_judges_no_requests_and_no_names() -> None:
    for policy in ("to: {dns: a.example.com}", "to: shop/api, ports: [8080], http: [{}]"):
        result = compiled(f"- {{name: p, from: shop/web, {policy}}}", cni="cilium, l7Proxy: false")
        assert [d.hint for d in result.diagnostics if d.code == "NS901"] == ["set cni.l7Proxy to true"]
    assert compiled("- {name: p, from: {entity: host}, to: shop/web}", cni="cilium, l7Proxy: false").ok


def test_a_diff_tells_where_l7_decides() -> None:
    plain = meaning("- {name: p, from: shop/web, to: shop/api, ports: [8080]}").inventory
    judged = meaning("- {name: p, from: shop/web, to: shop/api, ports: [8080], http: [{method: GET}]}").inventory
    (change,) = Diff(plain, judged).changes()
    assert (change.source, change.destination, change.closes) == ("shop/web", "shop/api", {"TCP": ((8080, 8080),)})
    assert change.after == ({}, {"TCP": ((8080, 8080),)})
    assert change.l7 == ({}, {"TCP": ((8080, 8080),)})


def test_they_are_made_too_where_cilium_is_there_already() -> None:
    result = compiled(
        "- {name: p, from: {entity: host}, to: shop/web}", cluster="existing", cni="cilium, managed: false"
    )
    assert result.ok and result.plan is not None
    (made,) = (n for n in result.plan.nodes if n.id == "ciliumnetworkpolicy:shop/p-ingress")
    assert {"cni-ready", "namespace:shop"} <= set(made.depends_on)
    assert not any(n.id.startswith("release:") for n in result.plan.nodes)
