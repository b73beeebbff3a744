"""The matrix: rows, the stable JSON, external peers, reasons; and what a change does to it."""

import json
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

from netspec.analysis.diff import Diff, alike
from netspec.analysis.explain import Explainer
from netspec.analysis.matrix import Focus, Matrix, ports_text
from netspec.analysis.verdict import AddressEnd, PodEnd
from netspec.analysis.why import because
from netspec.backends.cni.dialects import DIALECTS
from netspec.ir.dns import KUBE_DNS
from netspec.ir.model import Inventory
from netspec.manifests.read import read_texts

PODS = """\
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec: {replicas: 2, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c}]}}}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
spec: {containers: [{name: c, ports: [{name: sql, containerPort: 5432}]}]}
"""
TO_DB = "{podSelector: {matchLabels: {app: db}}, ingress: [%s]}"
FROM_WEB = "{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: sql}]}"


def policy(spec: str, name: str = "p") -> str:
    head = f"---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {name}, namespace: shop}}\n"
    return f"{head}spec: {spec}\n"


def inventory(*objects: str, cni: str | None = None) -> Inventory:
    reading = read_texts([("x.yaml", PODS + "".join(objects))])
    assert reading.diagnostics == ()
    return replace(reading.inventory, dialect=DIALECTS.get(cni or ""))


def document(found: Inventory, focus: Focus | None = None) -> dict[str, Any]:
    matrix = Matrix(found)
    loaded: dict[str, Any] = json.loads("".join(matrix.to_json(focus) if focus else matrix.to_json()))
    return loaded


FULL = {"TCP": [[1, 65535]], "UDP": [[1, 65535]], "SCTP": [[1, 65535]]}


def test_the_stable_json() -> None:
    found = document(inventory(policy(TO_DB % FROM_WEB)))
    assert found == {
        "version": "matrix/v1",
        "peers": [
            {"id": "shop/db", "kind": "Pod", "namespace": "shop", "name": "db"},
            {"id": "shop/web", "kind": "Deployment", "namespace": "shop", "name": "web"},
            {
                "id": "external:0",
                "kind": "External",
                "ranges": [["0.0.0.0", "255.255.255.255"], ["::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"]],
            },
        ],
        "connections": [
            {"source": "shop/db", "destination": "shop/web", "allow": FULL},
            {"source": "shop/db", "destination": "external:0", "allow": FULL},
            {"source": "shop/web", "destination": "shop/db", "allow": {"TCP": [[5432, 5432]]}},
            {"source": "shop/web", "destination": "external:0", "allow": FULL},
            {"source": "external:0", "destination": "shop/web", "allow": FULL},
        ],
    }


def test_external_peers_are_cut_where_blocks_cut_and_nowhere_else() -> None:
    block = "{from: [{ipBlock: {cidr: 192.0.2.0/24, except: [192.0.2.64/26]}}]}"
    found = document(inventory(policy(TO_DB % block)))
    peers = {p["id"]: p["ranges"] for p in found["peers"] if p["kind"] == "External"}
    assert peers["external:1"] == [["192.0.2.0", "192.0.2.63"], ["192.0.2.128", "192.0.2.255"]]
    assert peers["external:0"][:3] == [
        ["0.0.0.0", "192.0.1.255"],
        ["192.0.2.64", "192.0.2.127"],
        ["192.0.3.0", "255.255.255.255"],
    ]
    assert len(peers) == 2
    into_db = {c["source"] for c in found["connections"] if c["destination"] == "shop/db"}
    assert into_db == {"external:1"}


def test_what_kubernetes_leaves_open_goes_or_stays_when_the_cni_is_known() -> None:
    block = policy(TO_DB % "{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}")

    def row(cni: str | None) -> dict[str, Any]:
        rows = document(inventory(block, cni=cni))["connections"]
        return next((c for c in rows if (c["source"], c["destination"]) == ("shop/web", "shop/db")), {})

    assert row(None) == {"source": "shop/web", "destination": "shop/db", "undefined": FULL}
    assert row("calico") == {"source": "shop/web", "destination": "shop/db", "allow": FULL}
    assert row("cilium") == {}


def test_a_focus_keeps_the_rows_of_a_workload() -> None:
    found = inventory(policy(TO_DB % FROM_WEB))
    into = document(found, Focus(frozenset(("shop/db",)), "ingress"))["connections"]
    assert [(c["source"], c["destination"]) for c in into] == [("shop/web", "shop/db")]
    out = document(found, Focus(frozenset(("shop/db",)), "egress"))["connections"]
    assert {c["source"] for c in out} == {"shop/db"}


def test_each_row_has_the_rules_behind_it() -> None:
    matrix = Matrix(inventory(policy(TO_DB % FROM_WEB), policy(TO_DB % "{}", "q")))
    peers = [p.id for p in matrix.peers]
    reasons = {(peers[c.source], peers[c.destination]): because(matrix.reach, c) for c in matrix.connections()}
    assert str(reasons["shop/web", "shop/db"]) == "egress: not isolated; ingress: shop/p ingress[0], shop/q ingress[0]"
    assert str(reasons["external:0", "shop/db"]) == "ingress: shop/q ingress[0]"


def reasons(*objects: str, cni: str | None = None) -> dict[tuple[str, str], str]:
    matrix = Matrix(inventory(*objects, cni=cni))
    peers = [p.id for p in matrix.peers]
    return {(peers[c.source], peers[c.destination]): str(because(matrix.reach, c)) for c in matrix.connections()}


def tier(kind: str, name: str, rules: str, priority: str = "") -> str:
    head = f"---\napiVersion: policy.networking.k8s.io/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}}}\n"
    return f"{head}spec: {{{priority}subject: {{namespaces: {{}}}}, {rules}}}\n"


EVERY_POD = "[{namespaces: {}}]"


def test_a_rule_that_never_decides_is_no_reason() -> None:
    found = reasons(
        tier("AdminNetworkPolicy", "first", f"egress: [{{action: Allow, to: {EVERY_POD}}}]", "priority: 1, "),
        tier("AdminNetworkPolicy", "second", f"egress: [{{action: Allow, to: {EVERY_POD}}}]", "priority: 2, "),
        policy(TO_DB % FROM_WEB),
        tier("BaselineAdminNetworkPolicy", "default", f"ingress: [{{action: Allow, from: {EVERY_POD}}}]"),
    )
    first = "egress: AdminNetworkPolicy/first egress[0]"
    assert found["shop/web", "shop/db"] == f"{first}; ingress: shop/p ingress[0]"
    assert found["shop/db", "shop/web"] == f"{first}; ingress: BaselineAdminNetworkPolicy/default ingress[0]"


def test_what_passes_through_an_earlier_tier_is_named_with_what_then_lets_it_in() -> None:
    passing = f"ingress: [{{action: Pass, from: {EVERY_POD}}}, {{action: Allow, from: {EVERY_POD}}}]"
    found = reasons(tier("AdminNetworkPolicy", "t", passing, "priority: 1, "), policy(TO_DB % FROM_WEB))
    assert found["shop/web", "shop/db"].endswith("ingress: AdminNetworkPolicy/t ingress[0], shop/p ingress[0]")


def test_what_only_the_host_network_lets_through_is_no_open_pod() -> None:
    host = (
        "---\napiVersion: v1\nkind: Pod\nmetadata: {name: host, namespace: shop}\nspec: {hostNetwork: true}\n",
        policy("{podSelector: {}}"),
    )
    assert reasons(*host)["shop/host", "shop/db"] == "egress: not isolated; ingress: node"
    assert reasons(*host, cni="calico")["shop/web", "shop/host"] == "egress: not isolated; ingress: node"


def test_a_block_is_no_reason_where_the_cni_matches_no_pod_with_it() -> None:
    blocks = (
        policy(TO_DB % "{from: [{ipBlock: {cidr: 0.0.0.0/0}}, {podSelector: {}}]}"),
        policy(TO_DB % "{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}", "q"),
    )
    assert reasons(*blocks, cni="cilium")["shop/web", "shop/db"] == "egress: not isolated; ingress: shop/p ingress[0]"


def test_ports_for_a_reader() -> None:
    assert ports_text({}) == ""
    assert ports_text({"UDP": ((53, 53), (100, 200))}) == "UDP 53,100-200"
    assert ports_text(dict.fromkeys(("TCP", "UDP", "SCTP"), ((1, 65535),))) == "all"  # type: ignore[misc]


# What a change does


def changes(old: Inventory, new: Inventory) -> list[tuple[str, str, str, str, str]]:
    found = Diff(old, new).changes()
    return [(c.kind, c.source, c.destination, ports_text(c.opens), ports_text(c.closes)) for c in found]


def test_a_change_of_text_alone_is_no_difference() -> None:
    old = inventory(policy(TO_DB % FROM_WEB))
    by_number = FROM_WEB.replace("sql", "5432")
    assert changes(old, inventory(policy(TO_DB % by_number, "renamed"))) == []


def test_flows_that_open_close_and_change() -> None:
    named = inventory(policy(TO_DB % FROM_WEB))
    wider = inventory(policy(TO_DB % FROM_WEB.replace("port: sql", "port: 5430, endPort: 5432")))
    pair = ("shop/web", "shop/db")
    closed = inventory(policy("{podSelector: {matchLabels: {app: db}}}"))
    assert changes(closed, named) == [("opened", *pair, "TCP 5432", "")]
    assert changes(named, closed) == [("closed", *pair, "", "TCP 5432")]
    assert changes(named, wider) == [("changed", *pair, "TCP 5430-5431", "")]
    assert [c.widens for c in Diff(named, closed).changes()] == [False]
    assert [c.widens for c in Diff(named, wider).changes()] == [True]


def test_what_one_side_does_not_say_of_the_cluster_is_as_the_other_has_it() -> None:
    """A spec brings CoreDNS, the pods' range and a CNI; manifests that are silent about them do not take them away."""
    dns = KUBE_DNS.pods(2)
    silent = inventory(policy(TO_DB % "{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}"))
    said = replace(
        silent, workloads=(*silent.workloads, dns), namespaces=(KUBE_DNS.home(),), dialect=DIALECTS["calico"]
    )
    said = replace(said, pod_cidrs=(ip_network("192.168.0.0/16"),))
    assert {c[1] for c in changes(silent, said)} >= {dns.id, "shop/web"}
    assert changes(*alike(silent, said)) == changes(*alike(said, silent)) == []
    # What a side does say is its own: another range, another DNS.
    other = replace(silent, pod_cidrs=(ip_network("10.0.0.0/8"),), dialect=DIALECTS["calico"])
    moved = ("opened", "shop/web", "shop/db", "all", "")
    assert moved in changes(*alike(said, other))
    own = replace(dns, labels={"app": "db"}, system=False)
    (closed, _) = alike(replace(silent, workloads=(*silent.workloads, own)), said)
    assert [w for w in closed.workloads if w.id == dns.id] == [own]


def test_pods_that_a_spec_declares_are_not_taken_for_the_clusters() -> None:
    old = inventory(policy(TO_DB % FROM_WEB))
    new = replace(old, workloads=tuple(w for w in old.workloads if w.name != "web"))
    assert ("closed", "shop/web", "shop/db", "", "TCP 5432") in changes(*alike(old, new))


def test_a_difference_outside_names_the_ranges_that_differ() -> None:
    old = inventory(policy(TO_DB % "{from: [{ipBlock: {cidr: 192.0.2.0/24}}]}"))
    new = inventory(policy(TO_DB % "{from: [{ipBlock: {cidr: 192.0.2.0/25}}]}"))
    diff = Diff(old, new)
    (change,) = diff.changes()
    ranges = {p.id: p.ranges for p in diff.peers}
    assert change.kind == "closed"
    assert ranges[change.source] == (("192.0.2.128", "192.0.2.255"),)


def test_a_new_workload_opens_its_flows() -> None:
    old = inventory()
    new = inventory("---\napiVersion: v1\nkind: Pod\nmetadata: {name: cache, namespace: shop}\nspec: {}\n")
    assert {(kind, s, d) for kind, s, d, *_ in changes(old, new)} == {
        ("opened", "shop/cache", "shop/db"),
        ("opened", "shop/cache", "shop/web"),
        ("opened", "shop/cache", "external:0"),
        ("opened", "shop/db", "shop/cache"),
        ("opened", "shop/web", "shop/cache"),
        ("opened", "external:0", "shop/cache"),
    }


#: Speaks of IPv6, and selects nothing that is there.
ELSEWHERE = """\
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: other, namespace: elsewhere}
spec: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: "2001:db8::/32"}}]}]}
"""
FROM_IPV4 = policy(TO_DB % "{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}")


def test_a_policy_on_no_pod_changes_nothing_though_it_speaks_of_another_ip_version() -> None:
    old, new = inventory(FROM_IPV4, cni="calico"), inventory(FROM_IPV4, ELSEWHERE, cni="calico")
    assert changes(old, new) == changes(new, old) == []


# Why


def test_an_explanation_says_what_the_matrix_says_though_another_policy_speaks_of_ipv6() -> None:
    found = inventory(FROM_IPV4, ELSEWHERE, cni="calico")
    rows = document(found)["connections"]
    assert {"source": "shop/web", "destination": "shop/db", "undefined": FULL} in rows
    explained = Explainer(found).explain(PodEnd("shop/web"), PodEnd("shop/db"))
    assert (explained.allow, explained.undefined) == ({}, dict.fromkeys(FULL, ((1, 65535),)))


def test_a_denial_is_walked_through() -> None:
    explainer = Explainer(inventory(policy(TO_DB % FROM_WEB)))
    found = explainer.explain(PodEnd("shop/web"), PodEnd("shop/db"), 80, "TCP")
    assert found.answer(80, "TCP") == "deny"
    assert [(s.direction, s.policy, s.rule, s.outcome) for s in found.steps] == [
        ("Egress", "", None, "open"),
        ("Ingress", "shop/p", None, "isolates"),
        ("Ingress", "shop/p", 0, "no match"),
    ]
    assert "80/TCP is not sql/TCP (5432 there)" in found.steps[-1].reason


def test_every_reason_why_a_rule_does_not_match() -> None:
    spec = TO_DB % (
        "{from: [{podSelector: {matchLabels: {app: x}}}, {namespaceSelector: {matchLabels: {team: ops}}}, "
        "{ipBlock: {cidr: 192.0.2.0/24}}]}"
    )
    reason = Explainer(inventory(policy(spec))).explain(PodEnd("shop/web"), PodEnd("shop/db")).steps[-1].reason
    assert "podSelector {app=x} does not match shop/web (app=web)" in reason
    assert "namespaceSelector {team=ops} does not match namespace shop" in reason
    assert "ipBlock 192.0.2.0/24 is not where pods are" in reason


def test_two_replicas_and_addresses_are_ends_too() -> None:
    explainer = Explainer(inventory(policy("{podSelector: {matchLabels: {app: web}}}")))
    assert explainer.explain(PodEnd("shop/web"), PodEnd("shop/web")).allow == {}
    assert explainer.explain(PodEnd("shop/db"), PodEnd("shop/db")).allow == dict.fromkeys(FULL, ((1, 65535),))
    from ipaddress import ip_address

    assert explainer.explain(AddressEnd(ip_address("2001:db8::1")), PodEnd("shop/web")).allow == {}
