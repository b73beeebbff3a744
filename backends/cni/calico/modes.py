"""What follows from Calico's modes: bytes on the wire, whose address is seen, what excludes what, what Linux must have.

Sources: projectcalico/calico, felix/dataplane/linux/int_dataplane.go (MTU: the smallest of what is enabled), Calico
documentation (Overlay networking; Configure MTU; eBPF; nftables data plane; Encrypt in-cluster pod traffic).
"""

from collections.abc import Mapping

from netspec.backends.cni.calico.settings import CalicoSettings, DataPlane, Encapsulation
from netspec.catalogue import CALICO_REGISTRY
from netspec.diagnostics import Report
from netspec.ir.model import Ir
from netspec.target import Feature, Forwarded, KernelOption, Traits

#: Headers over IPv4. VXLAN: outer Ethernet 14, IP 20, UDP 8, VXLAN 8. IP in IP: IP 20.
OVERHEAD: dict[Encapsulation, int] = {"vxlan": 50, "vxlanCrossSubnet": 50, "ipip": 20, "ipipCrossSubnet": 20, "none": 0}
#: IP 20, UDP 8, WireGuard 32.
WIREGUARD_OVERHEAD = 60
#: By kube-proxy's mode: who programs the node beside it must do it alike. In ipvs mode it still needs iptables.
BESIDE: dict[str, DataPlane] = {"iptables": "iptables", "ipvs": "iptables", "nftables": "nftables", "none": "ebpf"}
#: Without BGP nobody programs their routes: felix does for VXLAN alone.
ROUTED: frozenset[Encapsulation] = frozenset(("ipip", "ipipCrossSubnet", "none"))

#: The name of the BGPPeer by which all nodes peer with the stack's route reflectors.
REFLECTOR_PEERS = "netspec-route-reflectors"


def data_plane(ir: Ir, settings: CalicoSettings) -> DataPlane:
    return settings.dataplane or BESIDE[ir.network.proxy_mode]


def bgp_enabled(settings: CalicoSettings) -> bool:
    return settings.encapsulation in ROUTED if settings.bgp.enabled is None else settings.bgp.enabled


def registry(settings: CalicoSettings) -> str | None:
    """None: what the operator takes by itself. With BGP it is named: `airgap/` has agents with a BGP daemon there."""
    return settings.registry or (CALICO_REGISTRY if bgp_enabled(settings) else None)


def full_mesh(settings: CalicoSettings) -> bool:
    given = settings.bgp.full_mesh
    return settings.bgp.route_reflectors is None if given is None else given


def overhead(settings: CalicoSettings) -> int:
    """Felix takes the largest header of what is enabled, on every path."""
    return max(OVERHEAD[settings.encapsulation], WIREGUARD_OVERHEAD if settings.wireguard else 0)


def forwarded(ir: Ir, settings: CalicoSettings, traits: Traits) -> Forwarded:
    """The eBPF data plane hands a flow on as it is; else the node's address replaces the caller's, that of the device
    that the packet leaves by."""
    if data_plane(ir, settings) == "ebpf":
        return "caller"
    if settings.wireguard:
        return "node or tunnel"
    if settings.encapsulation.endswith("CrossSubnet"):
        return "node" if len(traits.node_networks) == 1 else "node or tunnel"
    return "node" if settings.encapsulation == "none" else "tunnel"


def lacks(ir: Ir, settings: CalicoSettings) -> Mapping[Feature, str]:
    """The eBPF data plane carries Services and does not know SCTP; the others are the other way round."""
    if data_plane(ir, settings) == "ebpf":
        return {Feature.SCTP: "set cni.dataplane to iptables or nftables: eBPF has no SCTP"}
    return {Feature.PROXY_NONE: "set cni.dataplane to ebpf"}


def kernel(ir: Ir, settings: CalicoSettings) -> tuple[KernelOption, ...]:
    wanted = []
    if settings.encapsulation.startswith("ipip"):
        wanted.append(KernelOption("CONFIG_NET_IPIP", "Calico's encapsulation ipip"))
    if settings.wireguard:
        wanted.append(KernelOption("CONFIG_WIREGUARD", "Calico's wireguard"))
    if data_plane(ir, settings) == "ebpf":
        options = ("CONFIG_BPF_SYSCALL", "CONFIG_CGROUP_BPF", "CONFIG_NET_CLS_BPF")
        wanted += [KernelOption(option, "Calico's eBPF data plane") for option in options]
    return tuple(wanted)


def check_data_plane(ir: Ir, settings: CalicoSettings, report: Report) -> None:
    """NS920: what of data plane and kube-proxy excludes what."""
    at, mode = ("stacks", ir.stack, "cni"), ir.network.proxy_mode
    if mode != "none" and settings.dataplane not in (None, BESIDE[mode]):
        message = f"Calico's data plane {settings.dataplane} does not go with kube-proxy's mode {mode}"
        modes = " or ".join(m for m, plane in BESIDE.items() if plane == settings.dataplane)
        report.error("NS920", (*at, "dataplane"), message, f"set network.proxy.mode to {modes}, or leave it out here")
    if data_plane(ir, settings) == "ebpf" and ir.traits.api_server is None:
        message = "Calico's eBPF data plane wants the API server's address, which this cluster does not tell"
        report.error("NS920", at, message, "run kube-proxy: network.proxy.mode iptables or nftables")


def check_network(ir: Ir, settings: CalicoSettings, report: Report) -> None:
    """What excludes what: NS921 encapsulation and BGP, NS922 ways of routes."""
    at = ("stacks", ir.stack, "cni")
    if settings.encapsulation in ROUTED and not bgp_enabled(settings):
        message = f"without BGP nobody programs the routes of encapsulation {settings.encapsulation}"
        report.error("NS921", (*at, "bgp", "enabled"), message, "leave it out, or take vxlan or vxlanCrossSubnet")
    _routes(settings, (*at, "bgp"), report)


def _routes(settings: CalicoSettings, at: tuple[str, ...], report: Report) -> None:
    bgp, given = settings.bgp, settings.bgp.model_fields_set - {"enabled"}
    if not bgp_enabled(settings):
        if given and settings.encapsulation not in ROUTED:
            message = f"BGP is off with encapsulation {settings.encapsulation}, so this says nothing"
            report.error("NS922", at, message, "set enabled: true")
        return
    if full_mesh(settings) and bgp.route_reflectors is not None:
        message = "with route reflectors there is no full mesh"
        report.error("NS922", (*at, "fullMesh"), message, "leave it out, or take the route reflectors away")
    if not full_mesh(settings) and bgp.route_reflectors is None and not bgp.peers:
        message = "without a full mesh, route reflectors and peers no node learns a route"
        report.error("NS922", (*at, "fullMesh"), message, "leave it out, or give routeReflectors or peers")
    names = [peer.name for peer in bgp.peers]
    for index, name in enumerate(names):
        if name in names[:index]:
            report.error("NS922", (*at, "peers", index, "name"), f"two peers are called {name}", "rename one")
        if name == REFLECTOR_PEERS and bgp.route_reflectors is not None:
            message = f"{name} is what netspec calls the sessions with the route reflectors"
            report.error("NS922", (*at, "peers", index, "name"), message, "rename the peer")
