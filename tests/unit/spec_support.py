"""Small specs for tests: YAML of the sections that matter, the rest filled in."""

from pathlib import Path
from typing import Any

import yaml

from netspec.backends.registry import REGISTRY
from netspec.diagnostics import Report
from netspec.ir.model import Ir
from netspec.passes import resolve_and_check
from netspec.spec.load import loads
from netspec.spec.stacks import parts_of

ROOT = Path(__file__).parent.parent.parent

#: Three pods in `shop`, one in `far`; nothing isolates any of them.
BASE = """
apiVersion: netspec.dev/v1alpha1
kind: NetworkSpec
metadata: {name: sample}
namespaces:
  - {name: shop}
  - {name: far}
workloads:
  - {name: web, namespace: shop, labels: {app: web}, ports: [{name: http, port: 8080}]}
  - {name: api, namespace: shop, labels: {app: api}, ports: [{name: http, port: 8080}, {name: admin, port: 9090}]}
  - {name: db, namespace: shop, labels: {app: db}, ports: [{name: sql, port: 5432}]}
  - {name: client, namespace: far, labels: {app: client}}
services:
  - {name: api, namespace: shop, selector: {app: api}, ports: [{port: 80, targetPort: http}]}
stacks:
  dev: {cluster: {type: kind}, cni: {provider: calico}}
"""


def document(changes: str) -> dict[str, Any]:
    """BASE with sections replaced; a namespace that BASE has is replaced by its name."""
    base: dict[str, Any] = yaml.safe_load(BASE)
    given: dict[str, Any] = yaml.safe_load(changes) or {}
    named = {n["name"] for n in given.get("namespaces", [])}
    kept = [n for n in base["namespaces"] if n["name"] not in named]
    return base | given | {"namespaces": [*given.get("namespaces", []), *kept]}


def compiled(changes: str | dict[str, Any]) -> Ir:
    """The IR of BASE with changes, which must have no errors."""
    data = document(changes) if isinstance(changes, str) else changes
    loaded = loads(yaml.safe_dump(data), "sample.yaml")
    assert loaded.spec is not None and not loaded.report.has_errors, loaded.report.sorted()
    report = Report(loaded.source.locate)
    ir = resolve_and_check(loaded, "dev", parts_of(loaded, "dev", REGISTRY)[0], report)
    assert ir is not None
    assert not report.has_errors, [d.render() for d in report.sorted()]
    return ir
