"""What an apply changes in who reaches whom: the objects that a stack has applied against those of a new plan.

Both sides are read as manifests, by the same reader, so that what stays the same does not count as a difference. Pods
that netspec does not deploy are in neither: they are taken from the spec, on both sides, because they are there before
and after.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

from netspec.analysis.diff import Diff
from netspec.backends.cni.dialects import DIALECTS
from netspec.ir.model import Inventory, Ir
from netspec.manifests.read import read_texts
from netspec.plan import Plan
from netspec.target import Dialect

Manifest = Mapping[str, Any]


def reachability_change(ir: Ir, plan: Plan, applied: Iterable[Manifest], network: Mapping[str, Any]) -> Diff:
    """From `applied` (Kubernetes objects) to `plan`. `network` is that of the plan that was applied (Plan.network), {}
    where none was to its end."""
    before = network or plan.network
    dialect = ir.traits.dialect if before["cni"] == plan.network["cni"] else DIALECTS.get(before["cni"])
    old = _inventory(ir, applied, before["podCIDRs"], dialect)
    return Diff(old, _inventory(ir, plan.manifests(), plan.network["podCIDRs"], ir.traits.dialect))


def _inventory(ir: Ir, manifests: Iterable[Manifest], ranges: Iterable[str], dialect: Dialect | None) -> Inventory:
    texts = [(f"object {number}", json.dumps(manifest, default=str)) for number, manifest in enumerate(manifests)]
    found = read_texts(texts).inventory
    deployed = {w.id for w in found.workloads}
    others = [w for w in ir.workloads if not w.stand_in and w.id not in deployed]
    # A pod on the host's network is its node to others: the CNI's operator, of which the spec does not speak.
    own = [w for w in found.workloads if not w.host_network]
    return replace(found, workloads=(*own, *others), pod_cidrs=tuple(map(ip_network, ranges)), dialect=dialect)
