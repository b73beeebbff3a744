"""DNS settings of pods that netspec does not deploy: the API server writes them into each such pod as it is made
(MutatingAdmissionPolicy, KEP-3962), where the cluster has that.

A pod whose template has a dnsConfig keeps it: the nearest settings count. Pods that run already are as before.
"""

import json
from collections.abc import Iterable
from typing import Any

from netspec.backends.common.standins import dns_config
from netspec.backends.objects import Manifest, manifest, node
from netspec.ir.model import NAME_LABEL, Ir, Workload
from netspec.ir.resolver import of_others
from netspec.plan import CLUSTER, ManifestNode
from netspec.target import Fact, Field, ObjectRead

GROUP = "admissionregistration.k8s.io"


def admission(ir: Ir) -> tuple[ManifestNode, ...]:
    """One policy and its binding for each workload."""
    if not ir.traits.admission:
        return ()
    made = []
    for workload in of_others(ir):
        policy = node(_policy(ir, workload), CLUSTER)
        made += [policy, node(_binding(ir, workload), policy.id)]
    return tuple(made)


def admission_facts(ir: Ir) -> tuple[Fact, ...]:
    """What they say, as the API server has it."""
    if not ir.traits.admission:
        return ()
    return tuple(
        Fact(
            "dns-admission",
            workload.id,
            {"mutations": _policy(ir, workload)["spec"]["mutations"]},
            ObjectRead(f"mutatingadmissionpolicies.{GROUP}", (("mutations", Field("spec.mutations")),), name(workload)),
        )
        for workload in of_others(ir)
    )


def name(workload: Workload) -> str:
    """A namespace has no dot in its name, so no two workloads share one."""
    return f"netspec-dns.{workload.namespace}.{workload.name}"


def _policy(ir: Ir, workload: Workload) -> Manifest:
    pods = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    spec = {
        "matchConstraints": {
            "resourceRules": [pods],
            "namespaceSelector": {"matchLabels": {NAME_LABEL: workload.namespace}},
            "objectSelector": {"matchLabels": dict(workload.labels)},
        },
        "matchConditions": [{"name": "says-nothing-itself", "expression": "!has(object.spec.dnsConfig)"}],
        # A pod with the kubelet's settings is better than none.
        "failurePolicy": "Ignore",
        "reinvocationPolicy": "Never",
        "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": expression(workload, ir.dns.ndots)}}],
    }
    return manifest(f"{GROUP}/{ir.traits.admission}", "MutatingAdmissionPolicy", name(workload), spec=spec)


def _binding(ir: Ir, workload: Workload) -> Manifest:
    version = f"{GROUP}/{ir.traits.admission}"
    return manifest(version, "MutatingAdmissionPolicyBinding", name(workload), spec={"policyName": name(workload)})


def expression(workload: Workload, ndots: int | None) -> str:
    """In CEL; its literals of text are written as JSON's. (An apply configuration must not touch atomic lists, as those
    of dnsConfig are.)"""
    config = dns_config(workload, ndots)
    options = [_object("Object.spec.dnsConfig.options", option) for option in config.get("options", ())]
    fields: dict[str, str] = {key: json.dumps(config[key]) for key in ("nameservers", "searches") if key in config}
    fields |= {"options": f"[{', '.join(options)}]"} if options else {}
    patches = []
    if fields:
        value = f"Object.spec.dnsConfig{{{_fields(fields.items())}}}"
        patches.append(f'JSONPatch{{op: "add", path: "/spec/dnsConfig", value: {value}}}')
    if workload.dns.policy != "ClusterFirst":
        policy = json.dumps(workload.dns.policy)
        patches.append(f'JSONPatch{{op: "replace", path: "/spec/dnsPolicy", value: {policy}}}')
    return f"[{', '.join(patches)}]"


def _object(kind: str, fields: dict[str, Any]) -> str:
    return f"{kind}{{{_fields((key, json.dumps(value)) for key, value in fields.items())}}}"


def _fields(fields: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{key}: {value}" for key, value in fields)
