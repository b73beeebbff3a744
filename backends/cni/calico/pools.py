"""Calico's pools: parts of the pod CIDR, by node or by namespace.

A pod takes an address of a pool whose nodeSelector matches its node, unless an annotation of its namespace names the
pools; then those alone, whatever their selector (projectcalico/calico, libcalico-go/lib/ipam, determinePools). So a
pool for namespaces selects no node. Source of the rest: tigera/operator, pkg/controller/ippool (validation.go,
kubeadm.go).
"""

import json
from collections.abc import Mapping
from typing import Any

from netspec.backends.cni.calico.settings import CalicoPool, CalicoSettings, Encapsulation
from netspec.diagnostics import Path, Report
from netspec.ir.model import IPNetwork, Ir, Network
from netspec.spec.types import network
from netspec.target import Limit

POOL = "default-ipv4-ippool"
#: What of a namespace says where its pods' addresses come from.
ANNOTATION = "cni.projectcalico.org/ipv4pools"
ENCAPSULATION: dict[Encapsulation, str] = {
    "vxlan": "VXLAN",
    "vxlanCrossSubnet": "VXLANCrossSubnet",
    "ipip": "IPIP",
    "ipipCrossSubnet": "IPIPCrossSubnet",
    "none": "None",
}


def pools_of(ir_network: Network, settings: CalicoSettings) -> list[CalicoPool]:
    """Those of the stack, or one for the whole pod CIDR; none where the VPC CNI gives out addresses."""
    if settings.vpc_cni is not None:
        return []
    return settings.pools or [CalicoPool(name=POOL, cidr=str(cidr)) for cidr in ir_network.pod_cidrs]


def block_size(pool: CalicoPool, settings: CalicoSettings) -> int:
    return settings.block_size if pool.block_size is None else pool.block_size


def node_selector(labels: Mapping[str, str]) -> str:
    """Calico's expression for labels.

    >>> node_selector({}), node_selector({"zone": "a", "rack": "1"})
    ('all()', "zone == 'a' && rack == '1'")
    """
    return " && ".join(f"{key} == '{value}'" for key, value in labels.items()) or "all()"


def selector_of(pool: CalicoPool) -> str:
    """A pool for namespaces selects no node."""
    return "!all()" if pool.namespaces else node_selector(pool.nodes)


def manifests(ir_network: Network, settings: CalicoSettings) -> list[dict[str, Any]]:
    """Installation's ipPools, with every field that the operator would default."""
    return [
        {
            "name": pool.name,
            "cidr": pool.cidr,
            "encapsulation": ENCAPSULATION[settings.encapsulation],
            "natOutgoing": "Enabled" if pool.nat_outgoing else "Disabled",
            "nodeSelector": selector_of(pool),
            "blockSize": block_size(pool, settings),
            "disableBGPExport": False,
            "disableNewAllocations": False,
            "allowedUses": ["Workload"] if pool.namespaces else ["Workload", "Tunnel"],
        }
        for pool in pools_of(ir_network, settings)
    ]


def annotations(settings: CalicoSettings) -> dict[str, dict[str, str]]:
    """Namespace -> what it must say."""
    found: dict[str, list[str]] = {}
    for pool in settings.pools:
        for name in pool.namespaces:
            found.setdefault(name, []).append(pool.name)
    return {name: {ANNOTATION: json.dumps(pools)} for name, pools in found.items()}


def immutable(settings: CalicoSettings) -> dict[str, Any]:
    """Without Calico's API server the operator makes pools and never changes them."""
    if settings.vpc_cni is not None:
        return {"addresses": "vpc-cni"}
    out: dict[str, Any] = {"blockSize": settings.block_size}
    if settings.encapsulation != "vxlan":  # of which clusters say nothing that were made when it was the only one
        out["encapsulation"] = settings.encapsulation
    if settings.pools:
        out["pools"] = {
            pool.name: [pool.cidr, block_size(pool, settings), selector_of(pool), pool.nat_outgoing]
            for pool in settings.pools
        }
    return out


def capacity(ir: Ir, settings: CalicoSettings) -> tuple[Limit, ...]:
    """Nodes take blocks of a pool, more than one where they need them. What the node CIDRs leave room for, a pool of
    the whole pod CIDR has room for too."""
    at, limits = ("stacks", ir.stack, "cni"), []
    for index, pool in enumerate(pools_of(ir.network, settings)):
        cidr, size = network(pool.cidr), block_size(pool, settings)
        if cidr.version != 4 or pool.nodes or pool.namespaces:
            continue  # how many nodes take from it is not known
        blocks = 2 ** (size - cidr.prefixlen) if size >= cidr.prefixlen else 0
        path: Path = (*at, "pools", index) if settings.pools else (*at, "blockSize")
        message = f"{cidr} has {blocks} Calico blocks of /{size}; {ir.traits.nodes} nodes need one each"
        how = f"{cidr} in blocks of /{size}: 2^({size} - {cidr.prefixlen})"
        lift = "a larger pod CIDR, or a longer blockSize"
        limits.append(Limit(blocks, "NS107", path, message, lift, "nodes with a block", how=how))
    return tuple(limits)


def check(ir: Ir, settings: CalicoSettings, report: Report) -> None:
    """NS923: parts of the pod CIDR that do not overlap, for somebody."""
    declared = {namespace.name for namespace in ir.namespaces if not namespace.system}
    seen: list[tuple[str, IPNetwork]] = []
    for index, pool in enumerate(settings.pools):
        path, cidr = ("stacks", ir.stack, "cni", "pools", index), network(pool.cidr)
        if not any(_within(cidr, whole) for whole in ir.network.pod_cidrs):
            whole = ", ".join(map(str, ir.network.pod_cidrs))
            report.error(
                "NS923", (*path, "cidr"), f"{cidr} is not a part of the pod CIDR {whole}", f"a part of {whole}"
            )
        for name, other in seen:
            if name == pool.name:
                report.error("NS923", (*path, "name"), f"two pools are called {name}", "rename one")
            if cidr.overlaps(other):
                report.error("NS923", (*path, "cidr"), f"{cidr} overlaps pool {name}, {other}", "parts do not overlap")
        if block_size(pool, settings) < cidr.prefixlen:
            message = f"pool {pool.name}, {cidr}, is smaller than a block of /{block_size(pool, settings)}"
            report.error("NS923", (*path, "cidr"), message, "a larger part, or a longer blockSize")
        if pool.nodes and pool.namespaces:
            message = "a pool for namespaces has its addresses on every node"
            report.error("NS923", (*path, "nodes"), message, "give nodes or namespaces, not both")
        for place, name in enumerate(pool.namespaces):
            if name not in declared:
                message = f"the spec does not make the namespace {name}, so it cannot say where its addresses are"
                report.error("NS923", (*path, "namespaces", place), message, "declare it under namespaces")
        seen.append((pool.name, cidr))
    if settings.pools and all(pool.namespaces for pool in settings.pools):
        message = "every pool is for namespaces: pods of others, CoreDNS among them, get no address"
        report.error("NS923", ("stacks", ir.stack, "cni", "pools"), message, "add a pool without namespaces")


def _within(part: IPNetwork, whole: IPNetwork) -> bool:
    return part.version == whole.version and part.overlaps(whole) and part.prefixlen >= whole.prefixlen
