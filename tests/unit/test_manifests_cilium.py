"""The truth table of Cilium's policies, from YAML to a verdict; docs/semantics.md cites every row by its id.

That Cilium says the same is held by tests/property/test_reach_cilium.py, which asks its own code.
"""

import re
from ipaddress import ip_address
from pathlib import Path

import pytest

from netspec.analysis.evaluate import evaluate
from netspec.analysis.explain import Explainer
from netspec.analysis.verdict import AddressEnd, Answer, End, PodEnd
from netspec.backends.cni.dialects import DIALECTS
from netspec.ir.model import Inventory
from netspec.manifests.read import Reading, read_texts

CLUSTER = """\
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: shop}}
---
apiVersion: v1
kind: Namespace
metadata: {name: ops, labels: {team: ops}}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web, tier: front}}
spec: {containers: [{name: main, ports: [{name: http, containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db, topology.kubernetes.io/zone: a}}
spec: {containers: [{name: main, ports: [{name: sql, containerPort: 5432}, {name: http, containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: agent, namespace: ops, labels: {app: agent}}
spec: {containers: [{name: main, ports: [{name: sql, containerPort: 3306}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: node, namespace: ops, labels: {app: web}}
spec: {hostNetwork: true, containers: [{name: main}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop, labels: {what: store}}
spec: {selector: {app: db}, ports: [{port: 1}]}
---
apiVersion: cilium.io/v2
kind: CiliumCIDRGroup
metadata: {name: partners, labels: {role: partner}}
spec: {externalCIDRs: [203.0.113.0/24]}
---
apiVersion: v1
kind: Node
metadata: {name: n1}
status: {addresses: [{type: InternalIP, address: 172.18.0.2}, {type: Hostname, address: n1}]}
"""
WEB, DB, AGENT, NODE = PodEnd("shop/web"), PodEnd("shop/db"), PodEnd("ops/agent"), PodEnd("ops/node")
OUT, PARTNER = AddressEnd(ip_address("192.0.2.7")), AddressEnd(ip_address("203.0.113.9"))
NODE_ADDRESS = AddressEnd(ip_address("172.18.0.2"))
A, D, U = Answer.ALLOW, Answer.DENY, Answer.UNDEFINED
Row = tuple[str, str, End, End, int, Answer]

DB_IN = "{endpointSelector: {matchLabels: {app: db}}, "
WEB_OUT = "{endpointSelector: {matchLabels: {app: web}}, "
#: In namespace shop.
NAMESPACED: list[Row] = [
    ("cnp-default-deny", DB_IN + "ingress: [{}]}", WEB, DB, 1, D),
    ("cnp-other-direction-open", DB_IN + "ingress: [{}]}", DB, WEB, 1, A),
    ("cnp-own-namespace", DB_IN + "ingress: [{fromEndpoints: [{}]}]}", WEB, DB, 1, A),
    ("cnp-own-namespace", DB_IN + "ingress: [{fromEndpoints: [{}]}]}", AGENT, DB, 1, D),
    ("cnp-own-namespace", DB_IN + "ingress: [{fromEndpoints: [{}]}]}", OUT, DB, 1, D),
    ("cnp-labels", DB_IN + "ingress: [{fromEndpoints: [{matchLabels: {app: web}}]}]}", WEB, DB, 1, A),
    ("cnp-labels", DB_IN + "ingress: [{fromEndpoints: [{matchLabels: {app: api}}]}]}", WEB, DB, 1, D),
    ("cnp-source-prefix", DB_IN + "ingress: [{fromEndpoints: [{matchLabels: {'k8s:app': web}}]}]}", WEB, DB, 1, A),
    ("cnp-source-prefix", DB_IN + "ingress: [{fromEndpoints: [{matchLabels: {'any:app': web}}]}]}", WEB, DB, 1, A),
    (
        "cnp-source-prefix",
        DB_IN + "ingress: [{fromEndpoints: [{matchLabels: {'container:app': web}}]}]}",
        WEB,
        DB,
        1,
        D,
    ),
    (
        "cnp-other-namespace",
        DB_IN + "ingress: [{fromEndpoints: [{matchLabels: {'k8s:io.kubernetes.pod.namespace': ops}}]}]}",
        AGENT,
        DB,
        1,
        A,
    ),
    (
        "cnp-namespace-labels",
        DB_IN + "ingress: [{fromEndpoints: [{matchLabels: {'k8s:io.cilium.k8s.namespace.labels.team': ops}}]}]}",
        AGENT,
        DB,
        1,
        A,
    ),
    (
        "cnp-every-namespace",
        DB_IN
        + "ingress: [{fromEndpoints: [{matchExpressions: [{key: io.kubernetes.pod.namespace, operator: Exists}]}]}]}",
        AGENT,
        DB,
        1,
        A,
    ),
    (
        "cnp-not-in-is-of-pods",
        DB_IN
        + "ingress: [{fromEndpoints: [{matchExpressions: "
        + "[{key: 'k8s:io.kubernetes.pod.namespace', operator: NotIn, values: [kube-system]}]}]}]}",
        OUT,
        DB,
        1,
        D,
    ),
    (
        "cnp-ignored-labels",
        "{endpointSelector: {matchLabels: {app: web}}, "
        "egress: [{toEndpoints: [{matchLabels: {topology.kubernetes.io/zone: a}}]}]}",
        WEB,
        DB,
        1,
        D,
    ),
    (
        "cnp-service-account",
        DB_IN + "ingress: [{fromEndpoints: [{matchLabels: {io.cilium.k8s.policy.serviceaccount: web}}]}]}",
        WEB,
        DB,
        1,
        U,
    ),
    ("cnp-empty-list", DB_IN + "ingress: [{fromEndpoints: []}]}", WEB, DB, 1, D),
    ("cnp-empty-list", DB_IN + "ingress: [{fromEndpoints: [], toPorts: [{ports: [{port: '1'}]}]}]}", WEB, DB, 1, D),
    ("cnp-ports-alone", DB_IN + "ingress: [{toPorts: [{ports: [{port: '1'}]}]}]}", OUT, DB, 1, A),
    ("cnp-ports-alone", DB_IN + "ingress: [{toPorts: [{ports: [{port: '1'}]}]}]}", OUT, DB, 2, D),
    ("cnp-port-rule-empty", DB_IN + "ingress: [{toPorts: [{}]}]}", WEB, DB, 1, D),
    ("cnp-port-zero", DB_IN + "ingress: [{toPorts: [{ports: [{port: '0', protocol: TCP}]}]}]}", WEB, DB, 9, A),
    ("cnp-end-port", DB_IN + "ingress: [{toPorts: [{ports: [{port: '1', endPort: 9}]}]}]}", WEB, DB, 9, A),
    ("cnp-end-port", DB_IN + "ingress: [{toPorts: [{ports: [{port: '5', endPort: 4}]}]}]}", WEB, DB, 4, D),
    ("cnp-protocol", DB_IN + "ingress: [{toPorts: [{ports: [{port: '1', protocol: UDP}]}]}]}", WEB, DB, 1, D),
    ("cnp-protocol", DB_IN + "ingress: [{toPorts: [{ports: [{port: '1', protocol: ANY}]}]}]}", WEB, DB, 1, A),
    ("cnp-named-port", DB_IN + "ingress: [{toPorts: [{ports: [{port: sql}]}]}]}", WEB, DB, 5432, A),
    ("cnp-named-port-egress", WEB_OUT + "egress: [{toPorts: [{ports: [{port: http}]}]}]}", WEB, AGENT, 8080, A),
    ("cnp-named-port-egress", WEB_OUT + "egress: [{toPorts: [{ports: [{port: sql}]}]}]}", WEB, DB, 5432, D),
    ("cnp-icmp", DB_IN + "ingress: [{icmps: [{fields: [{type: 8}]}]}]}", WEB, DB, 1, D),
    ("cnp-deny", DB_IN + "ingress: [{fromEntities: [all]}], ingressDeny: [{fromEntities: [world]}]}", OUT, DB, 1, D),
    ("cnp-deny", DB_IN + "ingress: [{fromEntities: [all]}], ingressDeny: [{fromEntities: [world]}]}", WEB, DB, 1, A),
    ("cnp-deny-empty", DB_IN + "ingress: [{fromEntities: [all]}], ingressDeny: [{}]}", WEB, DB, 1, A),
    ("cnp-deny-alone", DB_IN + "ingressDeny: [{fromEntities: [world]}]}", WEB, DB, 1, D),
    (
        "cnp-no-default-deny",
        DB_IN + "enableDefaultDeny: {ingress: false}, ingressDeny: [{fromEntities: [world]}]}",
        WEB,
        DB,
        1,
        A,
    ),
    (
        "cnp-default-deny-needs-a-rule",
        DB_IN + "enableDefaultDeny: {egress: true}, ingress: [{}]}",
        DB,
        WEB,
        1,
        A,
    ),
    ("cnp-cidr", DB_IN + "ingress: [{fromCIDR: [192.0.2.0/24]}]}", OUT, DB, 1, A),
    ("cnp-cidr-no-pod", WEB_OUT + "egress: [{toCIDR: [0.0.0.0/0]}]}", WEB, DB, 1, D),
    ("cnp-cidr-no-node", WEB_OUT + "egress: [{toCIDR: [0.0.0.0/0]}]}", WEB, NODE_ADDRESS, 1, D),
    (
        "cnp-cidr-except",
        DB_IN + "ingress: [{fromCIDRSet: [{cidr: 0.0.0.0/0, except: [192.0.2.0/24]}]}]}",
        OUT,
        DB,
        1,
        D,
    ),
    ("cnp-cidr-group", DB_IN + "ingress: [{fromCIDRSet: [{cidrGroupRef: partners}]}]}", PARTNER, DB, 1, A),
    (
        "cnp-cidr-group",
        DB_IN + "ingress: [{fromCIDRSet: [{cidrGroupSelector: {matchLabels: {role: partner}}}]}]}",
        PARTNER,
        DB,
        1,
        A,
    ),
    ("cnp-cidr-group", DB_IN + "ingress: [{fromCIDRSet: [{cidrGroupRef: partners}]}]}", OUT, DB, 1, D),
    ("cnp-entity-world", DB_IN + "ingress: [{fromEntities: [world]}]}", OUT, DB, 1, A),
    ("cnp-entity-world", DB_IN + "ingress: [{fromEntities: [world]}]}", WEB, DB, 1, D),
    ("cnp-entity-world", WEB_OUT + "egress: [{toEntities: [world]}]}", WEB, NODE_ADDRESS, 1, D),
    ("cnp-entity-cluster", DB_IN + "ingress: [{fromEntities: [cluster]}]}", AGENT, DB, 1, A),
    ("cnp-entity-cluster", WEB_OUT + "egress: [{toEntities: [cluster]}]}", WEB, NODE, 1, A),
    ("cnp-entity-cluster", WEB_OUT + "egress: [{toEntities: [cluster]}]}", WEB, OUT, 1, D),
    ("cnp-entity-nodes", WEB_OUT + "egress: [{toEntities: [host, remote-node]}]}", WEB, NODE_ADDRESS, 1, A),
    ("cnp-entity-one-node", WEB_OUT + "egress: [{toEntities: [host]}]}", WEB, NODE_ADDRESS, 1, U),
    ("cnp-entity-api-server", WEB_OUT + "egress: [{toEntities: [kube-apiserver]}]}", WEB, NODE_ADDRESS, 1, U),
    ("cnp-entity-api-server", WEB_OUT + "egress: [{toEntities: [kube-apiserver]}]}", WEB, DB, 1, D),
    ("cnp-entity-nobody", DB_IN + "ingress: [{fromEntities: [none, init, health, unmanaged]}]}", WEB, DB, 1, D),
    ("cnp-entity-all", DB_IN + "ingress: [{fromEntities: [all]}]}", OUT, DB, 1, A),
    ("cnp-reserved", DB_IN + "ingress: [{fromEndpoints: [{matchLabels: {'reserved:world': ''}}]}]}", OUT, DB, 1, A),
    ("cnp-reserved", DB_IN + "ingress: [{fromEndpoints: [{matchLabels: {'reserved:world': ''}}]}]}", WEB, DB, 1, D),
    (
        "cnp-service",
        WEB_OUT + "egress: [{toServices: [{k8sService: {serviceName: db, namespace: shop}}]}]}",
        WEB,
        DB,
        7,
        A,
    ),
    (
        "cnp-service",
        WEB_OUT + "egress: [{toServices: [{k8sServiceSelector: {selector: {matchLabels: {what: store}}}}]}]}",
        WEB,
        AGENT,
        1,
        D,
    ),
    (
        "cnp-service-not-given",
        WEB_OUT + "egress: [{toServices: [{k8sService: {serviceName: gone}}]}]}",
        WEB,
        DB,
        1,
        U,
    ),
    ("cnp-names", WEB_OUT + "egress: [{toFQDNs: [{matchName: a.example}]}]}", WEB, OUT, 1, U),
    ("cnp-names", WEB_OUT + "egress: [{toFQDNs: [{matchPattern: '*.example'}]}]}", WEB, DB, 1, D),
    (
        "cnp-l7",
        DB_IN + "ingress: [{toPorts: [{ports: [{port: '80', protocol: TCP}], rules: {http: [{method: GET}]}}]}]}",
        WEB,
        DB,
        80,
        U,
    ),
    (
        "cnp-l7-and-plain",
        DB_IN
        + "ingress: [{toPorts: [{ports: [{port: '80', protocol: TCP}], rules: {http: [{method: GET}]}}]}, "
        + "{toPorts: [{ports: [{port: '80'}]}]}]}",
        WEB,
        DB,
        80,
        A,
    ),
    (
        "cnp-l7-other-port",
        DB_IN + "ingress: [{toPorts: [{ports: [{port: '80', protocol: TCP}], rules: {http: [{method: GET}]}}]}]}",
        WEB,
        DB,
        81,
        D,
    ),
    (
        "cnp-dns",
        WEB_OUT + "egress: [{toPorts: [{ports: [{port: '53'}], rules: {dns: [{matchName: a.example}]}}]}]}",
        WEB,
        DB,
        53,
        U,
    ),
    (
        "cnp-dns-every-name",
        WEB_OUT + "egress: [{toPorts: [{ports: [{port: '53'}], rules: {dns: [{matchPattern: '*'}]}}]}]}",
        WEB,
        DB,
        53,
        A,
    ),
    (
        "cnp-authentication",
        DB_IN
        + "ingress: [{fromEndpoints: [{}], authentication: {mode: required}, toPorts: [{ports: [{port: '1'}]}]}]}",
        WEB,
        DB,
        1,
        U,
    ),
    ("cnp-host-network-no-subject", "{endpointSelector: {}, egress: [{}]}", NODE, WEB, 1, A),
]
#: Of the whole cluster.
CLUSTERWIDE: list[Row] = [
    ("ccnp-every-pod", "{endpointSelector: {}, ingress: [{fromEndpoints: [{}]}]}", AGENT, WEB, 1, A),
    ("ccnp-every-pod", "{endpointSelector: {}, ingress: [{fromEndpoints: [{}]}]}", OUT, WEB, 1, D),
    (
        "ccnp-subject-by-namespace",
        "{endpointSelector: {matchLabels: {'k8s:io.kubernetes.pod.namespace': ops}}, ingress: [{}]}",
        WEB,
        AGENT,
        1,
        D,
    ),
    (
        "ccnp-subject-by-namespace",
        "{endpointSelector: {matchLabels: {'k8s:io.kubernetes.pod.namespace': ops}}, ingress: [{}]}",
        AGENT,
        WEB,
        1,
        A,
    ),
]


def reading(kind: str, spec: str, more: str = "", namespace: str = "shop") -> Reading:
    meta = f"{{name: p, namespace: {namespace}}}" if kind == "CiliumNetworkPolicy" else "{name: p}"
    policy = f"---\napiVersion: cilium.io/v2\nkind: {kind}\nmetadata: {meta}\n{spec}\n"
    return read_texts([("cluster.yaml", f"{CLUSTER}{policy}{more}")])


def cilium(found: Reading) -> Inventory:
    from dataclasses import replace

    assert found.cni == "cilium"
    return replace(found.inventory, dialect=DIALECTS[found.cni])


ROWS = [
    *(("CiliumNetworkPolicy", r) for r in NAMESPACED),
    *(("CiliumClusterwideNetworkPolicy", r) for r in CLUSTERWIDE),
]


@pytest.mark.parametrize(("kind", "row"), ROWS, ids=[f"{r[0]}-{i}" for i, (_, r) in enumerate(ROWS)])
def test_truth_table(kind: str, row: Row) -> None:
    _, spec, source, destination, port, answer = row
    found = reading(kind, f"spec: {spec}")
    assert [d.render() for d in found.diagnostics if d.severity.value == "error"] == []
    assert evaluate(cilium(found), source, destination, port, "TCP").answer is answer
    # `specs` says the same, rule by rule.
    again = reading(kind, f"specs: [{spec}]")
    assert evaluate(cilium(again), source, destination, port, "TCP").answer is answer
    # And so does the walk.
    explained = Explainer(cilium(found)).explain(source, destination, port, "TCP")
    assert explained.answer(port, "TCP") == answer.value


def test_every_row_is_cited() -> None:
    text = (Path(__file__).parents[2] / "docs" / "semantics.md").read_text()
    cited = set(re.findall(r"`([a-z0-9-]+)`", text))
    assert {row[0] for _, row in ROWS} - cited == set()


NP = "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: np, namespace: shop}\nspec: "


def test_network_policies_and_ciliums_add_up() -> None:
    allow = NP + "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{namespaceSelector: {}}]}]}\n"
    found = cilium(reading("CiliumNetworkPolicy", f"spec: {DB_IN}ingress: [{{fromEntities: [world]}}]}}", allow))
    assert [evaluate(found, end, DB, 1, "TCP").answer for end in (WEB, AGENT, OUT)] == [A, A, A]
    denied = cilium(reading("CiliumNetworkPolicy", f"spec: {DB_IN}ingressDeny: [{{fromEndpoints: [{{}}]}}]}}", allow))
    assert [evaluate(denied, end, DB, 1, "TCP").answer for end in (WEB, AGENT, OUT)] == [D, A, D]


def test_a_rule_that_asks_for_no_default_deny_opens_what_network_policies_close() -> None:
    close = NP + "{podSelector: {}}\n"
    spec = f"spec: {DB_IN}enableDefaultDeny: {{ingress: false}}, ingress: [{{fromEntities: [world]}}]}}"
    found = cilium(reading("CiliumNetworkPolicy", spec, close))
    assert [evaluate(found, end, DB, 1, "TCP").answer for end in (WEB, OUT)] == [D, A]
