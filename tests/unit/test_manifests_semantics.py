"""From YAML to a verdict: what is absent, empty or defaulted in a manifest means what the API says.

docs/semantics.md cites every row by its id.
"""

import re
from ipaddress import ip_address
from pathlib import Path

import pytest
import test_analysis_evaluate
import test_analysis_tiers

from netspec.analysis.evaluate import evaluate
from netspec.analysis.verdict import AddressEnd, Answer, End, PodEnd
from netspec.ir.model import Protocol
from netspec.manifests.read import read_texts

CLUSTER = """\
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: shop}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  template:
    metadata: {labels: {app: web}}
    spec:
      initContainers:
      - {name: mesh, restartPolicy: Always, ports: [{name: mesh, containerPort: 15001}]}
      - {name: setup, ports: [{name: setup, containerPort: 9999}]}
      containers: [{name: main, ports: [{name: http, containerPort: 8080}]}]
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
spec: {containers: [{name: main}]}
---
apiVersion: v1
kind: Pod
metadata: {name: stray, labels: {app: stray}}
spec: {containers: [{name: main}]}
---
apiVersion: v1
kind: Pod
metadata: {name: guest, namespace: undeclared, labels: {app: web}}
spec: {containers: [{name: main}]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: migrate, namespace: shop}
spec: {template: {spec: {containers: [{name: main}]}}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: store, namespace: shop}
spec: {replicas: 2, ordinals: {start: 3}, template: {spec: {containers: [{name: main}]}}}
"""
WEB, DB, STRAY, GUEST = (PodEnd(w) for w in ("shop/web", "shop/db", "default/stray", "undeclared/guest"))
JOB, STORE_3, STORE_4 = (PodEnd(f"shop/{name}") for name in ("migrate", "store/store-3", "store/store-4"))
OUTSIDE = AddressEnd(ip_address("203.0.113.9"))
A, D, U = Answer.ALLOW, Answer.DENY, Answer.UNDEFINED

Row = tuple[str, str, End, End, int, Protocol, Answer]

#: (id, the spec of a NetworkPolicy in namespace shop, source, destination, port, protocol, answer)
TABLE: list[Row] = [
    ("spec-empty", "{podSelector: {}}", DB, WEB, 1, "TCP", D),
    ("pod-selector-absent", "{policyTypes: [Ingress]}", DB, WEB, 1, "TCP", D),
    ("types-default-ingress", "{podSelector: {}}", WEB, OUTSIDE, 1, "TCP", A),
    ("types-default-egress", "{podSelector: {}, egress: [{to: [{podSelector: {}}]}]}", WEB, OUTSIDE, 1, "TCP", D),
    ("types-default-egress-empty", "{podSelector: {}, egress: []}", WEB, OUTSIDE, 1, "TCP", A),
    ("types-empty-is-absent", "{podSelector: {}, policyTypes: []}", DB, WEB, 1, "TCP", D),
    ("types-egress-alone", "{podSelector: {}, policyTypes: [Egress]}", STRAY, WEB, 1, "TCP", A),
    ("types-egress-denies", "{podSelector: {}, policyTypes: [Egress]}", WEB, DB, 1, "TCP", D),
    ("ingress-empty-list", "{podSelector: {}, ingress: []}", DB, WEB, 1, "TCP", D),
    ("ingress-null", "{podSelector: {}, ingress: null}", DB, WEB, 1, "TCP", D),
    ("ingress-empty-rule", "{podSelector: {}, ingress: [{}]}", OUTSIDE, WEB, 1, "SCTP", A),
    ("from-absent", "{podSelector: {}, ingress: [{ports: [{port: 80}]}]}", OUTSIDE, WEB, 80, "TCP", A),
    ("from-empty-list", "{podSelector: {}, ingress: [{from: []}]}", OUTSIDE, WEB, 1, "TCP", A),
    ("from-null", "{podSelector: {}, ingress: [{from: null}]}", OUTSIDE, WEB, 1, "TCP", A),
    ("pod-selector-empty", "{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}", DB, WEB, 1, "TCP", A),
    ("pod-selector-empty-is-own", "{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}", STRAY, WEB, 1, "TCP", D),
    (
        "namespace-selector-empty",
        "{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}",
        STRAY,
        WEB,
        1,
        "TCP",
        A,
    ),
    (
        "one-peer-is-and",
        "{podSelector: {}, ingress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: {app: db}}}]}]}",
        STRAY,
        WEB,
        1,
        "TCP",
        D,
    ),
    (
        "two-peers-are-or",
        "{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}, {podSelector: {matchLabels: {app: db}}}]}]}",
        STRAY,
        WEB,
        1,
        "TCP",
        A,
    ),
    (
        "name-label-set-by-itself",
        "{podSelector: {}, ingress: [{from: [{namespaceSelector: "
        "{matchLabels: {kubernetes.io/metadata.name: undeclared}}}]}]}",
        GUEST,
        WEB,
        1,
        "TCP",
        A,
    ),
    (
        "no-namespace-is-default",
        "{podSelector: {}, ingress: [{from: [{namespaceSelector: "
        "{matchLabels: {kubernetes.io/metadata.name: default}}}]}]}",
        STRAY,
        WEB,
        1,
        "TCP",
        A,
    ),
    ("ports-absent", "{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}", DB, WEB, 9, "UDP", A),
    ("ports-empty-list", "{podSelector: {}, ingress: [{ports: []}]}", DB, WEB, 9, "SCTP", A),
    ("protocol-default", "{podSelector: {}, ingress: [{ports: [{port: 80}]}]}", DB, WEB, 80, "UDP", D),
    ("port-absent-is-all", "{podSelector: {}, ingress: [{ports: [{protocol: UDP}]}]}", DB, WEB, 65535, "UDP", A),
    ("port-entry-empty", "{podSelector: {}, ingress: [{ports: [{}]}]}", DB, WEB, 1, "TCP", A),
    ("port-entry-empty-is-tcp", "{podSelector: {}, ingress: [{ports: [{}]}]}", DB, WEB, 1, "UDP", D),
    ("named-port-here", "{podSelector: {}, ingress: [{ports: [{port: http}]}]}", DB, WEB, 8080, "TCP", A),
    ("named-port-sidecar", "{podSelector: {}, ingress: [{ports: [{port: mesh}]}]}", DB, WEB, 15001, "TCP", A),
    ("named-port-init", "{podSelector: {}, ingress: [{ports: [{port: setup}]}]}", DB, WEB, 9999, "TCP", D),
    ("end-port-inclusive", "{podSelector: {}, ingress: [{ports: [{port: 80, endPort: 90}]}]}", DB, WEB, 90, "TCP", A),
    (
        "block-host-bits",
        "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 203.0.113.77/24}}]}]}",
        OUTSIDE,
        WEB,
        1,
        "TCP",
        A,
    ),
    (
        "block-pods-left-open",
        "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}",
        DB,
        WEB,
        1,
        "TCP",
        U,
    ),
    (
        "block-public-is-no-pod",
        "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 203.0.113.0/24}}]}]}",
        DB,
        WEB,
        1,
        "TCP",
        D,
    ),
    (
        "job-name-label",
        "{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {job-name: migrate}}}]}]}",
        JOB,
        WEB,
        1,
        "TCP",
        A,
    ),
    (
        "job-name-label",
        "{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {batch.kubernetes.io/job-name: migrate}}}]}]}",
        JOB,
        WEB,
        1,
        "TCP",
        A,
    ),
    (
        "job-name-label",
        "{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {job-name: migrate}}}]}]}",
        DB,
        WEB,
        1,
        "TCP",
        D,
    ),
    (
        "statefulset-pod-name",
        "{podSelector: {}, ingress: [{from: [{podSelector: "
        "{matchLabels: {statefulset.kubernetes.io/pod-name: store-3}}}]}]}",
        STORE_3,
        WEB,
        1,
        "TCP",
        A,
    ),
    (
        "statefulset-pod-name",
        "{podSelector: {}, ingress: [{from: [{podSelector: "
        "{matchLabels: {statefulset.kubernetes.io/pod-name: store-3}}}]}]}",
        STORE_4,
        WEB,
        1,
        "TCP",
        D,
    ),
    (
        "statefulset-pod-index",
        "{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {apps.kubernetes.io/pod-index: '4'}}}]}]}",
        STORE_4,
        WEB,
        1,
        "TCP",
        A,
    ),
]


@pytest.mark.parametrize("row", TABLE, ids=[row[0] for row in TABLE])
def test_truth_table(row: Row) -> None:
    _, spec, source, destination, port, protocol, answer = row
    head = "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: shop}\n"
    reading = read_texts([("cluster.yaml", f"{CLUSTER}{head}spec: {spec}\n")])
    assert reading.diagnostics == ()
    assert evaluate(reading.inventory, source, destination, port, protocol).answer is answer


def test_every_row_is_cited() -> None:
    text = (Path(__file__).parents[2] / "docs" / "semantics.md").read_text()
    cited = set(re.findall(r"`([a-z0-9-]+)`", text))
    rows = [*TABLE, *test_analysis_evaluate.TRUTH_TABLE, *test_analysis_tiers.TRUTH_TABLE]
    assert {row[0] for row in rows} - cited == set()
