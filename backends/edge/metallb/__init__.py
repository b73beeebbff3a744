"""MetalLB: a controller gives LoadBalancer Services their addresses, a speaker on each node announces them."""

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Network

from netspec.backends.edge.metallb.objects import L2, NAME, NAMESPACE, install, pool_ranges, usable
from netspec.backends.edge.metallb.settings import MetallbSettings
from netspec.diagnostics import Path, Report
from netspec.ir.model import IPNetwork, Ir
from netspec.ir.ranges import largest_without
from netspec.plan import Node
from netspec.target import Backend, Balancing, Fact, Feature, Field, Needs, ObjectRead, Range, ReadyRead, Traits

#: A default pool is a /24 where the nodes' network has room for several, else a quarter of it.
_POOL_MASK, _QUARTER = 24, 2


class Metallb(Backend):
    name = "metallb"
    settings = MetallbSettings
    supports = frozenset({Feature.LOAD_BALANCER})

    def traits(self, ir: Ir, settings: MetallbSettings, traits: Traits) -> Traits:
        # Speakers choose among the nodes with a ready endpoint where the policy is Local, in either mode.
        pools = _pools(ir, settings, traits.node_networks)
        balancing = Balancing(self.name, pools, answered=settings.mode == L2)
        return replace(traits, balancing=balancing, node_pods=traits.node_pods + 1)  # a speaker

    def check(self, ir: Ir, settings: MetallbSettings, needs: Needs, report: Report) -> None:
        for namespace in ir.namespaces:
            if namespace.name == NAMESPACE:
                path = (*namespace.place.path, "name")
                report.error("NS902", path, f"{NAMESPACE} is MetalLB's own namespace", "rename it, or remove the entry")
        self._mode(ir, settings, report)
        pools = _networks(ir)
        if not pools:
            hint = "give loadBalancer.addresses"
            report.error("NS831", _path(ir), "MetalLB has no addresses to give: the nodes' network is not known", hint)
            return
        if settings.mode == L2:
            self._in_the_nodes_network(ir, report)
        services = [s for s in ir.services if s.type == "LoadBalancer"]
        room = sum(map(usable, pools))
        if len(services) > room:
            message = f"{len(services)} LoadBalancer Services need an address each; MetalLB has {room}"
            report.error("NS832", _path(ir, settings, "addresses"), message, "more addresses")

    def _mode(self, ir: Ir, settings: MetallbSettings, report: Report) -> None:
        if settings.mode == L2:
            if not ir.traits.shared_link:
                message = "the cluster's nodes are on no common link, where one could answer for other addresses"
                report.error("NS833", _path(ir, settings, "mode"), message, "mode: bgp, or the cluster's own balancer")
            if settings.peers or settings.asn is not None:
                path = _path(ir, settings, "peers" if settings.peers else "asn")
                report.error("NS833", path, "mode l2 has no routers to tell", "mode: bgp, or remove it")
        elif not settings.peers or settings.asn is None:
            missing = "peers" if not settings.peers else "asn"
            hint = "add asn: 64512 and peers: [{address: ..., asn: ...}]"
            report.error("NS833", _path(ir, settings, "mode"), f"mode bgp needs {missing}", hint)

    def _in_the_nodes_network(self, ir: Ir, report: Report) -> None:
        """Neighbours ask by ARP for addresses of their own network alone; and nodes need some of it."""
        assert ir.traits.balancing is not None
        nodes = [found.network for found in ir.traits.node_networks]
        for pool in ir.traits.balancing.addresses:
            inside = any(_within(pool.network, network) for network in nodes)
            if nodes and not inside:
                message = f"{pool.network} is not in the nodes' network {nodes[0]}: no neighbour asks for it"
                report.error("NS831", pool.path, message, "take a part of it, or mode: bgp")
        for network in nodes:
            if largest_without(network, _networks(ir)) is None:
                message = f"MetalLB has all of {network}: nothing is left for the nodes"
                report.error("NS831", _path(ir), message, "give it a part of it")

    def lower(self, ir: Ir, settings: MetallbSettings, needs: Needs) -> tuple[Node, ...]:
        return install(ir, settings, _networks(ir))

    def facts(self, ir: Ir, settings: MetallbSettings) -> tuple[Fact, ...]:
        pool = ObjectRead(
            "ipaddresspools.metallb.io",
            (("addresses", Field("spec.addresses")), ("autoAssign", Field("spec.autoAssign", True))),
            namespace=NAMESPACE,
        )
        advertised = ObjectRead(
            f"{'l2' if settings.mode == L2 else 'bgp'}advertisements.metallb.io",
            (("pools", Field("spec.ipAddressPools")),),
            namespace=NAMESPACE,
        )
        speakers = ObjectRead(
            "daemonsets", (("ready", Field("status.numberReady", 0)),), name="speaker", namespace=NAMESPACE
        )
        return (
            Fact("load-balancer-pool", NAME, {"addresses": pool_ranges(ir, _networks(ir)), "autoAssign": True}, pool),
            Fact("load-balancer-advertised", NAME, {"pools": [NAME]}, advertised),
            Fact("load-balancer-controller", f"{NAMESPACE}/controller", 1, ReadyRead()),
            Fact("load-balancer-speakers", "nodes", {"ready": ir.traits.nodes}, speakers),
        )


def _path(ir: Ir, settings: MetallbSettings | None = None, field: str = "") -> Path:
    """Of the layer, or of one of its fields where the file gives that."""
    layer = ("stacks", ir.stack, "loadBalancer")
    return (*layer, field) if settings is not None and field in settings.model_fields_set else layer


def _pools(ir: Ir, settings: MetallbSettings, nodes: Sequence[Range]) -> tuple[Range, ...]:
    if settings.addresses is not None:
        path = _path(ir, settings, "addresses")
        return tuple(Range(text, (*path, i)) for i, text in enumerate(settings.addresses))
    networks = [found.network for found in nodes if found.network.version == 4]
    return tuple(Range(str(_last_part(network)), _path(ir)) for network in networks[:1])


def _last_part(network: IPNetwork) -> IPNetwork:
    mask = min(max(_POOL_MASK, network.prefixlen + _QUARTER), 32)
    return IPv4Network((int(network.broadcast_address) >> (32 - mask) << (32 - mask), mask))


def _networks(ir: Ir) -> list[IPNetwork]:
    return [found.network for found in ir.traits.balancing.addresses] if ir.traits.balancing else []


def _within(part: IPNetwork, whole: IPNetwork) -> bool:
    return part.version == whole.version and part.overlaps(whole) and part.prefixlen >= whole.prefixlen
