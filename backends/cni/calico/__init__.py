"""Calico. Its pool is the pod CIDR; nodes take blocks of it."""

from dataclasses import replace

from netspec.backends.cni.calico.operator import OWN_NAMESPACES, operator
from netspec.backends.cni.calico.settings import CalicoSettings
from netspec.backends.cni.dialects import DIALECTS
from netspec.diagnostics import Report
from netspec.ir.model import Ir
from netspec.plan import Node
from netspec.target import Backend, Fact, Feature, Field, Limit, Needs, NodeRead, ObjectRead, Traits

#: VXLAN's headers over IPv4: outer Ethernet 14, IP 20, UDP 8, VXLAN 8.
VXLAN_OVERHEAD = 50
#: The device that felix makes for the tunnel.
_TUNNEL = "if [ -e /sys/class/net/vxlan.calico ]; then echo vxlan; else echo none; fi"
#: What of a pool is checked, with what the API takes where a field is absent (projectcalico/api IPPoolSpec).
_POOL = (
    ("cidrs", Field("spec.cidr", every=True)),
    ("blockSize", Field("spec.blockSize", 26)),
    ("vxlanMode", Field("spec.vxlanMode", "Never")),
    ("ipipMode", Field("spec.ipipMode", "Never")),
    ("natOutgoing", Field("spec.natOutgoing", False)),
)


class Calico(Backend):
    name = "calico"
    settings = CalicoSettings
    supports = frozenset({Feature.NETWORK_POLICY, Feature.END_PORT, Feature.NAMED_PORT, Feature.SCTP})

    def traits(self, ir: Ir, settings: CalicoSettings, traits: Traits) -> Traits:
        return replace(
            traits,
            overhead=VXLAN_OVERHEAD,
            mtu=settings.mtu,
            forwarded="tunnel",
            dialect=DIALECTS["calico"],
        )

    def needs(self, ir: Ir, settings: CalicoSettings, needs: Needs) -> Needs:
        # The operator refuses to change a pool's blocks once pods have addresses from it.
        return replace(needs, immutable={**needs.immutable, "blockSize": settings.block_size})

    def check(self, ir: Ir, settings: CalicoSettings, needs: Needs, report: Report) -> None:
        """NS902: the operator makes, labels and deletes its own namespaces."""
        for namespace in ir.namespaces:
            if namespace.name in OWN_NAMESPACES:
                path = (*namespace.place.path, "name")
                message = f"{namespace.name} is a namespace of Calico's operator"
                report.error("NS902", path, message, "rename it, or remove the entry")

    def capacity(self, ir: Ir, settings: CalicoSettings) -> tuple[Limit, ...]:
        """Nodes take blocks of the pool, more than one where they need them. What the node CIDRs leave room for, the
        pool has room for too."""
        path, limits = ("stacks", ir.stack, "cni", "blockSize"), []
        for cidr in (c for c in ir.network.pod_cidrs if c.version == 4):
            blocks = 2 ** (settings.block_size - cidr.prefixlen) if settings.block_size >= cidr.prefixlen else 0
            message = f"{cidr} has {blocks} Calico blocks of /{settings.block_size}"
            message += f"; {ir.traits.nodes} nodes need one each"
            limits.append(Limit(blocks, "NS107", path, message, "a larger pod CIDR, or a longer blockSize"))
        return tuple(limits)

    def lower(self, ir: Ir, settings: CalicoSettings, needs: Needs) -> tuple[Node, ...]:
        return operator(ir, settings)

    def facts(self, ir: Ir, settings: CalicoSettings) -> tuple[Fact, ...]:
        pool = {
            "cidrs": [str(cidr) for cidr in ir.network.pod_cidrs],
            "blockSize": settings.block_size,
            "vxlanMode": "Always",
            "ipipMode": "Never",
            "natOutgoing": True,
        }
        pools = ObjectRead("ippools.crd.projectcalico.org", _POOL, without=(("spec.disabled", True),))
        return (
            Fact("encapsulation", "nodes", settings.encapsulation, NodeRead(_TUNNEL)),
            Fact("calico-pool", "calico", pool, pools),
        )
