"""Sample objects of every kind that the reader knows, and ways to damage them, for the reader's tests."""

import json
import random
from typing import Any

SAMPLES = """\
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: shop}}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
spec:
  replicas: 2
  template:
    metadata:
      labels: {app: web, tier: "front"}
    spec:
      hostNetwork: false
      initContainers:
      - name: proxy
        restartPolicy: Always
        ports: [{containerPort: 15001, name: mesh}]
      containers:
      - name: main
        image: example/web:1
        ports:
        - {name: http, containerPort: 8080, protocol: TCP}
        - containerPort: 9090
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: backup, namespace: shop}
spec:
  jobTemplate:
    spec:
      template:
        metadata: {labels: {app: backup}}
        spec: {containers: [{name: main}]}
---
apiVersion: v1
kind: Pod
metadata:
  name: web-0
  namespace: shop
  labels: {app: web}
  ownerReferences: [{apiVersion: apps/v1, kind: StatefulSet, name: web, controller: true}]
spec: {containers: [{name: main, ports: [{containerPort: 80}]}]}
status: {phase: Running}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: web
  namespace: shop
spec:
  podSelector:
    matchLabels: {app: web}
    matchExpressions:
    - {key: tier, operator: NotIn, values: [back]}
  policyTypes: [Ingress, Egress]
  ingress:
  - from:
    - podSelector: {}
      namespaceSelector:
        matchExpressions: [{key: team, operator: Exists}]
    - ipBlock:
        cidr: 10.0.0.0/8
        except: [10.1.0.0/16]
    ports:
    - port: http
    - {port: 1000, endPort: 2000, protocol: UDP}
  egress:
  - to:
    - ipBlock: {cidr: "2001:db8::/32"}
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: guard}
spec:
  tier: Admin
  priority: 10
  subject: {namespaces: {matchLabels: {team: shop}}}
  ingress:
  - name: monitoring
    action: Accept
    from: [{pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: monitor}}}}]
    protocols: [{tcp: {destinationPort: {number: 9090}}}, {destinationNamedPort: http}]
  egress:
  - action: Deny
    to: [{networks: [192.0.2.0/24]}]
---
apiVersion: policy.networking.k8s.io/v1alpha1
kind: AdminNetworkPolicy
metadata: {name: admin}
spec:
  priority: 5
  subject: {pods: {namespaceSelector: {}, podSelector: {}}}
  egress:
  - action: Pass
    to: [{nodes: {}}]
    ports: [{portNumber: {port: 53, protocol: UDP}}, {portRange: {start: 1, end: 9}}, {namedPort: http}]
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  type: NodePort
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: http, nodePort: 30080}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop}
spec:
  defaultBackend: {service: {name: web, port: {number: 80}}}
  rules:
  - http:
      paths:
      - path: /
        pathType: Prefix
        backend: {service: {name: web, port: {name: http}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: shop}
spec:
  parentRefs: [{name: gateway}]
  rules:
  - backendRefs: [{name: web, port: 80, weight: 1}]
---
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: grant, namespace: shop}
spec:
  from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: other}]
  to: [{group: "", kind: Service}]
---
apiVersion: v1
kind: Node
metadata: {name: node, labels: {role: worker}}
spec: {podCIDRs: [10.244.1.0/24]}
status: {addresses: [{type: InternalIP, address: 192.0.2.10}, {type: Hostname, address: node}]}
---
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Service
  metadata: {name: listed}
  spec: {type: ExternalName, externalName: example.com}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: text}
data:
  script: |
    #!/bin/sh
    echo "a: b" > /tmp/x
  folded: >-
    one
    two
---
anchored: &base {app: web}
kind: Thing
apiVersion: example.com/v1
use: {<<: *base, tier: front}
"""

_TOKENS = (
    *"{}[]:,-#&*!|>'\"%@`?~= \t\n\r\\\0\x7f\u00e9\u2028\ufeff",
    ": ", "- ", "---", "...", "<<: *a", "&a", "*a", "!!binary x", "|\n", ">\n", "  ", "null", "true", "0x1f", "1e9",
    "99999999999999999999", "-1", "0", "65536", "1.5", ".inf", "2024-01-01", "8:30", "''", '""', "[[[[[[[[", "{{{{",
    "podSelector", "matchLabels", "ipBlock", "0.0.0.0/0", "::/0", "300.1.1.1/8", "10.0.0.0/33", "apiVersion", "kind",
    "metadata", "name", "items:", "List",
)  # fmt: skip
_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 80, 70000, 10**30, 1.5, "", "x", "80", "http", "0.0.0.0/0", "a" * 300, [], {}, [None],
    [[]], [{}], {"": None}, {"a": {"b": []}}, {"matchLabels": {"a": 1}}, ["Ingress", 3], {"cidr": "::/0"},
)  # fmt: skip


def damaged_text(dice: random.Random, text: str) -> str:
    """The text with one to six edits of characters, tokens and lines."""
    for _ in range(dice.randint(1, 6)):
        at = dice.randrange(len(text) + 1)
        kind = dice.randrange(6)
        if kind == 0:
            text = text[:at] + text[at + dice.randint(1, 12) :]
        elif kind == 1:
            text = text[:at] + dice.choice(_TOKENS) + text[at:]
        elif kind == 2:
            text = text[:at] + dice.choice(_TOKENS) + text[at + 1 :]
        else:
            lines = text.split("\n")
            i, j = dice.randrange(len(lines)), dice.randrange(len(lines))
            if kind == 3:
                lines[i], lines[j] = lines[j], lines[i]
            elif kind == 4:
                lines.insert(i, lines[j])
            else:
                lines[i] = " " * dice.randint(0, 5) + lines[i].lstrip()
            text = "\n".join(lines)
    return text


def damaged_value(dice: random.Random, value: Any) -> Any:
    """The value with one to four of its parts replaced, removed or renamed."""
    value = json.loads(json.dumps(value))
    for _ in range(dice.randint(1, 4)):
        node = value
        while isinstance(node, dict | list) and node:
            keys = list(node) if isinstance(node, dict) else list(range(len(node)))
            key = dice.choice(keys)
            child = node[key]
            if isinstance(child, dict | list) and child and dice.random() < 0.75:
                node = child
                continue
            kind = dice.randrange(4)
            if kind == 0 and isinstance(node, dict):
                del node[key]
            elif kind == 1 and isinstance(node, dict):
                node[f"{key}s"] = node.pop(key)
            elif kind == 2 and isinstance(node, list):
                node.append(child)
            else:
                node[key] = json.loads(json.dumps(dice.choice(_VALUES)))
            break
    return value
