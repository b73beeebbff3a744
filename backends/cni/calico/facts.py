"""What must be true of a running cluster with Calico, for each setting that could be lost on the way."""

from typing import Any

from netspec.backends.cni.calico.bgp import objects
from netspec.backends.cni.calico.modes import bgp_enabled, data_plane, full_mesh
from netspec.backends.cni.calico.pools import block_size, pools_of, selector_of
from netspec.backends.cni.calico.settings import CalicoPool, CalicoSettings, Encapsulation
from netspec.ir.model import Ir
from netspec.target import Fact, Field, NodeRead, ObjectRead

#: The device of the tunnel: felix makes one for VXLAN, and gives the kernel's IP-in-IP device an address.
_TUNNEL = (
    "if [ -e /sys/class/net/vxlan.calico ]; then echo vxlan; "
    "elif ip -4 address show dev tunl0 2>/dev/null | grep -q inet; then echo ipip; else echo none; fi"
)
#: What the node's BGP daemon says of its sessions, over its control socket: lines "name BGP table state since info".
#: Its last line begins with 0000; until then nothing is closed, for it answers nobody who has left, and may be slow.
_ASK = "SYSTEM:'echo show protocols; sed /^0000/q >&2'"
_SHOW = f"socat -T 15 UNIX-CONNECT:/var/run/calico/bird.ctl {_ASK} 2>&1"
_COUNT = '$2 == "BGP" {if ($6 == "Established") n++; else bad = bad ", " $1 " is " ($6 ? $6 : $4)}'
_SESSIONS = f"{_SHOW} | awk '{_COUNT} END {{print n+0, \"established\" bad}}'"
#: Where nodes have different numbers of them.
_ALL = f'{_SHOW} | awk \'{_COUNT} END {{print (n && !bad ? "all" : n+0), "established" bad}}\''
#: Whether the daemon's routes to other nodes' pods are in the kernel, over the nodes' own network.
_ROUTES = "if ip -4 route show proto bird | grep ' via ' | grep -qv 'dev tunl0'; then echo yes; else echo no; fi"
_WIREGUARD = "if [ -e /sys/class/net/wireguard.cali ]; then echo on; else echo off; fi"
#: IPPool's vxlanMode and ipipMode.
_MODES: dict[Encapsulation, tuple[str, str]] = {
    "vxlan": ("Always", "Never"),
    "vxlanCrossSubnet": ("CrossSubnet", "Never"),
    "ipip": ("Never", "Always"),
    "ipipCrossSubnet": ("Never", "CrossSubnet"),
    "none": ("Never", "Never"),
}
#: The label that has a node's name (well-known).
HOSTNAME = "kubernetes.io/hostname"
#: Pods that have no address of a pool, or had one.
_NO_POD = (("spec.hostNetwork", True), ("status.phase", "Succeeded"), ("status.phase", "Failed"))
#: What of a pool is checked, with what the API takes where a field is absent (projectcalico/api IPPoolSpec).
_POOL = (
    ("blockSize", Field("spec.blockSize", 26)),
    ("vxlanMode", Field("spec.vxlanMode", "Never")),
    ("ipipMode", Field("spec.ipipMode", "Never")),
    ("natOutgoing", Field("spec.natOutgoing", False)),
)
_CIDRS = ("cidrs", Field("spec.cidr", every=True))
_POOLS, _ENABLED = "ippools.crd.projectcalico.org", (("spec.disabled", True),)
_FELIX = "felixconfigurations.crd.projectcalico.org"


def facts(ir: Ir, settings: CalicoSettings) -> tuple[Fact, ...]:
    device = settings.encapsulation.removesuffix("CrossSubnet")
    found = [Fact("encapsulation", "nodes", device, NodeRead(_TUNNEL)), *_pools(ir, settings)]
    if settings.wireguard:
        found.append(Fact("wireguard", "nodes", "on", NodeRead(_WIREGUARD)))
    if data_plane(ir, settings) == "ebpf":
        read = ObjectRead(_FELIX, (("bpfEnabled", Field("spec.bpfEnabled", False)),), name="default")
        found.append(Fact("calico-ebpf", "calico", {"bpfEnabled": True}, read))
    return (*found, *_addresses(settings), *_bgp(ir, settings))


def _pools(ir: Ir, settings: CalicoSettings) -> list[Fact]:
    pools = pools_of(ir.network, settings)
    if not pools:
        return []
    cidrs = {"cidrs": sorted(pool.cidr for pool in pools)}
    if not settings.pools:
        read = ObjectRead(_POOLS, (_CIDRS, *_POOL), without=_ENABLED)
        return [Fact("calico-pool", "calico", cidrs | _of_pool(pools[0], settings), read)]
    selector = ("nodeSelector", Field("spec.nodeSelector", "all()"))
    every = Fact("calico-pools", "calico", cidrs, ObjectRead(_POOLS, (_CIDRS,), without=_ENABLED))
    return [
        every,
        *(
            Fact(
                "calico-pool",
                pool.name,
                _of_pool(pool, settings) | {"nodeSelector": selector_of(pool)},
                ObjectRead(_POOLS, (*_POOL, selector), name=pool.name),
            )
            for pool in pools
        ),
    ]


def _addresses(settings: CalicoSettings) -> list[Fact]:
    """That pods have their addresses in the pools that are theirs. Of nodes only those are told apart that the spec
    has the name of."""
    found = []
    for name in sorted({name for pool in settings.pools for name in pool.namespaces}):
        own = tuple(pool.cidr for pool in settings.pools if name in pool.namespaces)
        read = ObjectRead("pods", (("elsewhere", Field("status.podIP", outside=own)),), namespace=name, without=_NO_POD)
        found.append(Fact("pool-of-namespace", name, {"elsewhere": []}, read))
    for node in sorted({pool.nodes[HOSTNAME] for pool in settings.pools if set(pool.nodes) == {HOSTNAME}}):
        # Pods of namespaces with pools of their own are on every node.
        own = tuple(pool.cidr for pool in settings.pools if pool.nodes.get(HOSTNAME, node) == node)
        fields = (("elsewhere", Field("status.podIP", outside=own)),)
        read = ObjectRead("pods", fields, without=_NO_POD, where=(("spec.nodeName", node),))
        found.append(Fact("pool-of-node", node, {"elsewhere": []}, read))
    return found


def _of_pool(pool: CalicoPool, settings: CalicoSettings) -> dict[str, Any]:
    vxlan, ipip = _MODES[settings.encapsulation]
    size = block_size(pool, settings)
    return {"blockSize": size, "vxlanMode": vxlan, "ipipMode": ipip, "natOutgoing": pool.nat_outgoing}


def _bgp(ir: Ir, settings: CalicoSettings) -> list[Fact]:
    if not bgp_enabled(settings):
        return []
    made = [node.manifest for node in objects(ir, settings)]
    found = []
    for manifest in made:
        kind, name, spec = manifest["kind"], manifest["metadata"]["name"], dict(manifest.get("spec", {}))
        if kind != "Node":
            fields = tuple((key, Field(f"spec.{key}")) for key in spec)
            read = ObjectRead(f"{kind.lower()}s.crd.projectcalico.org", fields, name=name)
            found.append(Fact(f"calico-{kind.lower()}", name, spec, read))
    return [*found, *_routes(ir, settings)]


def _routes(ir: Ir, settings: CalicoSettings) -> list[Fact]:
    """What the nodes' daemons say: that every session is there, and how many where each node has as many."""
    if ir.traits.nodes < 2:
        return []
    found = []
    everybodys = not any(peer.nodes for peer in settings.bgp.peers)
    if full_mesh(settings) and everybodys and all(group.most == group.count for group in ir.traits.groups):
        count = ir.traits.nodes - 1 + len(settings.bgp.peers)
        found.append(Fact("bgp-sessions", "nodes", f"{count} established", NodeRead(_SESSIONS)))
    elif full_mesh(settings) or settings.bgp.route_reflectors or everybodys:
        found.append(Fact("bgp-sessions", "nodes", "all established", NodeRead(_ALL)))
    if settings.encapsulation == "none" and (full_mesh(settings) or settings.bgp.route_reflectors):
        found.append(Fact("bgp-routes", "nodes", "yes", NodeRead(_ROUTES)))
    return found
