"""What excludes what among Cilium's settings, and what they need of the rest. Sources: docs/rules.md."""

from netspec.backends.cni.cilium import vpc
from netspec.backends.cni.cilium.settings import CiliumSettings
from netspec.backends.cni.cilium.values import manager, replaces_proxy
from netspec.diagnostics import Report
from netspec.ir.model import Ir
from netspec.spec.types import network


def check(ir: Ir, settings: CiliumSettings, report: Report) -> None:
    here = ("stacks", ir.stack, "cni")
    if vpc.interfaces(settings) is not None:
        vpc.check(ir, settings, report)
    elif settings.routing == "native":
        _native(ir, settings, report)
    else:
        for field, given in (
            ("nativeRoutingCIDR", settings.native_routing_cidr),
            ("directNodeRoutes", settings.direct_node_routes),
        ):
            if given is not None:
                message = f"{field} is about native routing, and the routing is a tunnel"
                report.error("NS940", (*here, field), message, "set routing: native, or remove it")
    if manager(ir, settings) == "kubernetes" and not ir.traits.node_shares:
        message = f"{ir.providers['cluster']} gives nodes no share of the pod CIDR"
        report.error("NS942", (*here, "ipam"), message, "set ipam: cluster-pool")
    if settings.encryption == "ipsec":
        for field, on in (("hostFirewall", settings.host_firewall), ("bandwidthManager", settings.bandwidth_manager)):
            if on:
                message = f"encryption ipsec excludes {field}"
                report.error("NS943", (*here, field), message, "set encryption: wireguard, or leave it out")
    if settings.gateway_api:
        if settings.l7_proxy is False:
            message = "gatewayAPI needs the proxy that l7Proxy: false leaves out"
            report.error("NS944", (*here, "l7Proxy"), message, "set l7Proxy: true")
        if not replaces_proxy(ir):
            message = "gatewayAPI needs Cilium in place of kube-proxy"
            report.error("NS944", (*here, "gatewayAPI"), message, "set network.proxy.mode: none")
    if settings.hubble_relay and not settings.hubble:
        message = "hubbleRelay asks agents for flows, and hubble: false records none"
        report.error("NS945", (*here, "hubbleRelay"), message, "set hubble: true")
    if replaces_proxy(ir) and ir.traits.api_server is None:
        message = (
            f"without kube-proxy Cilium needs the API server's address, which {ir.providers['cluster']} does not say"
        )
        report.error("NS946", ("network", "proxy", "mode"), message, "keep kube-proxy: mode iptables")


def _native(ir: Ir, settings: CiliumSettings, report: Report) -> None:
    here = ("stacks", ir.stack, "cni")
    if settings.tunnel is not None:
        message = "tunnel is a tunnel's protocol, and the routing is native"
        report.error("NS940", (*here, "tunnel"), message, "set routing: tunnel, or remove it")
    pools = ", ".join(str(c) for c in ir.network.pod_cidrs)
    if settings.native_routing_cidr is None:
        message = "native routing has a nativeRoutingCIDR, within which packets keep their pods' addresses"
        report.error("NS941", (*here, "routing"), message, f"set nativeRoutingCIDR: {pools}, or a range around it")
        return
    whole = network(settings.native_routing_cidr)
    for cidr in ir.network.pod_cidrs:
        if cidr.version != whole.version or not whole.supernet_of(cidr):  # type: ignore[arg-type]
            message = f"nativeRoutingCIDR {whole} does not hold the pod CIDR {cidr}"
            report.error("NS941", (*here, "nativeRoutingCIDR"), message, f"set nativeRoutingCIDR: {pools}")
