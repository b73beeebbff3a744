"""What an apply changes in who reaches whom: the objects that a stack has applied against those of a new plan.

Both sides are read as manifests, by the same reader, so that what stays the same is no difference. Pods that netspec
does not deploy are in neither: they are taken from the spec, on both sides, for they are there before and after.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

from netspec.analysis.diff import Diff
from netspec.ir.model import Inventory, Ir
from netspec.manifests.read import read_texts
from netspec.plan import KindClusterNode, Plan

Manifest = Mapping[str, Any]


def reachability_change(
    ir: Ir, plan: Plan, applied: Iterable[Manifest], config: Mapping[str, Any] | None, cni: str | None
) -> Diff:
    """From `applied` (Kubernetes objects) to `plan`. `config` (kind's Cluster object) and `cni` are those of the
    cluster that the objects are on; None where there is none."""
    planned = next(n for n in plan.nodes if isinstance(n, KindClusterNode)).config
    old = _inventory(ir, applied, config or planned, cni or ir.cni.provider)
    return Diff(old, _inventory(ir, plan.manifests(), planned, ir.cni.provider))


def _inventory(ir: Ir, manifests: Iterable[Manifest], config: Mapping[str, Any], cni: str) -> Inventory:
    texts = [(f"object {number}", json.dumps(manifest)) for number, manifest in enumerate(manifests)]
    found = read_texts(texts, cni).inventory
    deployed = {w.id for w in found.workloads}
    others = [w for w in ir.workloads if not w.stand_in and w.id not in deployed]
    # A pod on the host's network is its node to others: the CNI's operator, of which the spec does not speak.
    own = [w for w in found.workloads if not w.host_network]
    ranges = config["networking"]["podSubnet"].split(",")
    return replace(found, workloads=(*own, *others), pod_cidrs=tuple(map(ip_network, ranges)))
