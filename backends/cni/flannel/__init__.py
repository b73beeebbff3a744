"""Flannel: each node's pods have addresses of its share of the pod CIDR. Who enforces policies is a setting.

Sources: flannel 0.28.10, Documentation/{kube-flannel.yml,backends.md} and pkg/backend; Calico's manifests/canal.yaml.
"""

from collections.abc import Mapping
from dataclasses import replace

from netspec.backends.cni.dialects import DIALECTS
from netspec.backends.cni.flannel.agent import agent
from netspec.backends.cni.flannel.daemon import CONFIG, NAMESPACE, daemon, net_conf
from netspec.backends.cni.flannel.settings import FlannelSettings
from netspec.diagnostics import Report
from netspec.ir.model import Ir
from netspec.plan import CNI_READY, NODES, Condition, Node, ReadyNode
from netspec.target import Backend, Fact, Feature, Field, Forwarded, KernelOption, Needs, NodeRead, ObjectRead, Traits

#: VXLAN's headers over IPv4: outer Ethernet 14, IP 20, UDP 8, VXLAN 8; WireGuard as for IPv6 (wireguard_network.go).
OVERHEAD = {"vxlan": 50, "host-gw": 0, "wireguard": 80}
_POLICIES = frozenset({Feature.NETWORK_POLICY, Feature.END_PORT, Feature.NAMED_PORT, Feature.SCTP})
_DEVICE = (
    "if [ -e /sys/class/net/flannel.1 ]; then echo vxlan; "
    "elif [ -e /sys/class/net/flannel-wg ]; then echo wireguard; else echo host-gw; fi"
)


class Flannel(Backend):
    name = "flannel"
    settings = FlannelSettings
    supports = frozenset({*_POLICIES, Feature.HOST_PORT})

    def lacks(self, ir: Ir, settings: FlannelSettings) -> Mapping[Feature, str]:
        if settings.policy is not None:
            return {}
        way = "set cni.policy to calico (Calico's agent beside Flannel) or to netpol (kube-network-policies)"
        return dict.fromkeys(_POLICIES, way)

    def traits(self, ir: Ir, settings: FlannelSettings, traits: Traits) -> Traits:
        return replace(
            traits,
            overhead=OVERHEAD[settings.backend],
            mtu=settings.mtu,
            forwarded=_forwarded(settings, traits),
            dialect=DIALECTS["calico" if settings.policy == "calico" else "kube-network-policies"],
        )

    def needs(self, ir: Ir, settings: FlannelSettings, needs: Needs) -> Needs:
        wanted = []
        if settings.backend == "wireguard":
            wanted.append(KernelOption("CONFIG_WIREGUARD", "Flannel's backend wireguard"))
        if settings.policy == "netpol":
            wanted.append(KernelOption("CONFIG_NFT_QUEUE", "kube-network-policies"))
        # Pods keep their addresses and devices when another backend or agent takes over.
        kept = {"backend": settings.backend, "policy": settings.policy or "none"}
        return replace(
            needs,
            node_cidrs=True,
            kernel=(*needs.kernel, *wanted),
            immutable={**needs.immutable, **kept},
        )

    def check(self, ir: Ir, settings: FlannelSettings, needs: Needs, report: Report) -> None:
        """NS960 to NS962."""
        at = ("stacks", ir.stack, "cni")
        if not ir.traits.node_shares:
            message = "Flannel takes a node's addresses from its share of the pod CIDR, which these nodes do not have"
            report.error("NS960", at, message, "use a CNI with an address management of its own, or another cluster")
        if settings.direct_routing and settings.backend != "vxlan":
            message = f"with backend {settings.backend} there is no tunnel to leave out"
            report.error("NS961", (*at, "directRouting"), message, "remove it, or take backend vxlan")
        if settings.backend == "host-gw" and len(ir.traits.node_networks) > 1:
            message = "host-gw has routes over the other nodes' addresses: they are on one link"
            report.error("NS961", (*at, "backend"), message, "take vxlan, with directRouting if you like")
        for namespace in ir.namespaces:
            if namespace.name == NAMESPACE:
                message = f"{NAMESPACE} is the namespace of Flannel's own pods"
                report.error("NS902", (*namespace.place.path, "name"), message, "rename it, or remove the entry")

    def lower(self, ir: Ir, settings: FlannelSettings, needs: Needs) -> tuple[Node, ...]:
        routes = daemon(ir, settings)
        policies = agent(ir, settings, routes[0].id) if settings.policy == "calico" else ()
        rolled_out = [n.id for n in (*routes, *policies) if n.id.startswith("daemonset:")]
        ready = ReadyNode(
            CNI_READY, (Condition("nodes", "Ready", at_least=ir.traits.nodes),), (*rolled_out, NODES), timeout=600
        )
        return *routes, *policies, ready

    def facts(self, ir: Ir, settings: FlannelSettings) -> tuple[Fact, ...]:
        text = ObjectRead("configmaps", (("net-conf", Field('data."net-conf.json"')),), CONFIG, NAMESPACE)
        return (
            Fact("encapsulation", "nodes", settings.backend, NodeRead(_DEVICE)),
            Fact("flannel-config", "flannel", {"net-conf": net_conf(ir, settings)}, text),
        )


def _forwarded(settings: FlannelSettings, traits: Traits) -> Forwarded:
    """The node's address replaces the caller's, that of the device that the packet leaves by."""
    if settings.direct_routing:
        return "node" if len(traits.node_networks) == 1 else "node or tunnel"
    # flannel-wg has an address of the node's share of the pod CIDR, as flannel.1 has.
    return "node" if settings.backend == "host-gw" else "tunnel"
