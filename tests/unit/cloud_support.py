"""Specs for managed clusters, compiled."""

import json
from collections.abc import Mapping
from typing import Any

from netspec.backends.registry import REGISTRY
from netspec.capacity import needed
from netspec.compiler import CompileResult, compile_spec
from netspec.plan import Plan, ResourceNode
from netspec.spec.load import loads

WEB = {"name": "web", "namespace": "shop", "labels": {"app": "web"}, "ports": [{"port": 80}]}
SPEC: dict[str, Any] = {
    "apiVersion": "netspec.dev/v1alpha1",
    "kind": "NetworkSpec",
    "metadata": {"name": "shop"},
    "namespaces": [{"name": "shop"}],
    "workloads": [WEB],
}
NO_PROXY: dict[str, Any] = {"network": {"proxy": {"mode": "none"}}}


def compiled(cluster: Mapping[str, Any], cni: Mapping[str, Any], **changes: Any) -> CompileResult:
    data = {**SPEC, **changes, "stacks": {"prod": {"cluster": dict(cluster), "cni": dict(cni)}}}
    return compile_spec(loads(json.dumps(data), "cloud.yaml"), "prod", REGISTRY)


def plan_of(result: CompileResult) -> Plan:
    assert result.plan is not None, [d.render() for d in result.diagnostics]
    return result.plan


def resources(result: CompileResult) -> dict[str, ResourceNode]:
    return {n.id: n for n in plan_of(result).nodes if isinstance(n, ResourceNode)}


def said(result: CompileResult) -> list[tuple[str, str]]:
    """Code and path of each finding."""
    return [(d.code, ".".join(map(str, d.path)).removeprefix("stacks.prod.")) for d in result.diagnostics]


def limit(result: CompileResult, what: str) -> tuple[int, int]:
    """Room and need of the limit that is called so."""
    assert result.ir is not None
    (found,) = [found for found in result.limits if found.what == what]
    return found.room, needed(found, result.ir)
