"""A small cluster, and what runs a command on it."""

import csv
import io
import json
import re
from collections.abc import Callable

CLUSTER = """\
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
spec: {containers: [{name: c, ports: [{name: sql, containerPort: 5432}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {selector: {app: db}, ports: [{port: 1, targetPort: sql}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: "db", namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: web}}}]
    ports: [{port: sql}]
"""

Run = Callable[..., tuple[int, str, str]]


def rows_of(output: str, text: str, key: str) -> int:
    """How many rows an output holds. `key` is the JSON's list."""
    match output:
        case "csv":
            return len(list(csv.reader(io.StringIO(text)))) - 1
        case "md":
            return len(text.splitlines()) - 2
        case "json":
            return len(json.loads(text)[key])
        case "dot":
            return len(re.findall(r'^  ".*" -> ".*" \[', text, re.M))
        case "svg":
            return sum(map(int, re.findall(r'data-rows="(\d+)"', text)))  # a line may stand for several
        case "html":
            data = re.search(r'<script id="data" type="application/json">(.*?)</script>', text, re.S)
            assert data is not None
            return len(json.loads(data[1])["rows"])
    return len(text.splitlines()) - 1
