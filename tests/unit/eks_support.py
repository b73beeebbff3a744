"""Specs for EKS, compiled."""

import copy
from collections.abc import Mapping
from typing import Any

import yaml

from netspec.backends.registry import REGISTRY
from netspec.compiler import CompileResult, compile_spec
from netspec.plan import Plan, ResourceNode, needs_of, providers
from netspec.spec.load import loads

CLUSTER: dict[str, Any] = {
    "type": "eks",
    "region": "eu-west-1",
    "zones": ["eu-west-1a", "eu-west-1b"],
    "version": "1.35",
    "addons": {
        "vpc-cni": "v1.21.1-eksbuild.3",
        "kube-proxy": "v1.35.0-eksbuild.2",
        "coredns": "v1.13.2-eksbuild.1",
        "eks-pod-identity-agent": "v1.3.10-eksbuild.2",
    },
    "admins": ["arn:aws:iam::123456789012:role/netspec"],
    "nodeGroups": [{"name": "general", "min": 2, "max": 4}],
}
VPC_CNI = {"provider": "vpc-cni"}
VXLAN = {"provider": "calico", "encapsulation": "vxlan"}
SPEC: dict[str, Any] = {
    "apiVersion": "netspec.dev/v1alpha1",
    "kind": "NetworkSpec",
    "metadata": {"name": "shop"},
    "namespaces": [{"name": "shop"}],
    "workloads": [{"name": "web", "namespace": "shop", "labels": {"app": "web"}, "ports": [{"port": 80}]}],
}


def cluster(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(CLUSTER), **changes}


def group(**changes: Any) -> list[dict[str, Any]]:
    return [{"name": "general", "min": 2, "max": 4, **changes}]


def compiled(cluster: Mapping[str, Any] = CLUSTER, cni: Mapping[str, Any] = VPC_CNI, **changes: Any) -> CompileResult:
    data = {**SPEC, **changes, "stacks": {"prod": {"cluster": dict(cluster), "cni": dict(cni)}}}
    return compile_spec(loads(yaml.safe_dump(data, sort_keys=False), "eks.yaml"), "prod", REGISTRY)


def plan_of(result: CompileResult) -> Plan:
    assert result.plan is not None, [d.render() for d in result.diagnostics]
    return result.plan


def resources(plan: Plan) -> dict[str, ResourceNode]:
    return {n.id: n for n in plan.nodes if isinstance(n, ResourceNode)}


def before(plan: Plan) -> dict[str, set[str]]:
    """Everything that comes before a node, and so is still there when it is deleted."""
    standing, out = providers(plan.nodes), dict[str, set[str]]()
    for node in plan.nodes:
        needs = {standing[need] for need in needs_of(node)}
        out[node.id] = needs.union(*(out[need] for need in needs))
    return out


def said(result: CompileResult) -> list[tuple[str, str]]:
    """Code and path of each finding."""
    return [(d.code, ".".join(map(str, d.path)).removeprefix("stacks.prod.")) for d in result.diagnostics]
