"""The values of Cilium's chart (install/kubernetes/cilium of github.com/cilium/cilium, 1.19)."""

from typing import Any

from netspec.backends.cni.cilium import vpc
from netspec.backends.cni.cilium.settings import CiliumSettings
from netspec.ir.dns import is_redirected
from netspec.ir.model import Ir
from netspec.target import KernelOption

NAMESPACE = "kube-system"
#: Operators run on different nodes (podAntiAffinity of the chart).
OPERATORS = 2


def manager(ir: Ir, settings: CiliumSettings) -> str:
    """Who gives nodes their share of the pod CIDR, or their addresses."""
    if settings.eni is not None:
        return "eni"
    if settings.vpc_cni is not None:
        return "cluster-pool"
    return settings.ipam or ("kubernetes" if ir.traits.node_shares else "cluster-pool")


def replaces_proxy(ir: Ir) -> bool:
    return ir.network.proxy_mode == "none"


def chains_portmap(ir: Ir, settings: CiliumSettings) -> bool:
    """Beside kube-proxy Cilium leaves ports of nodes that lead to pods to the plugin portmap (Documentation,
    installation/cni-chaining-portmap); in its place it serves them itself."""
    if settings.vpc_cni is not None:  # whose own configuration has that plugin
        return False
    return not replaces_proxy(ir) and any(w.node_ports and not w.host_network for w in ir.workloads)


def values(ir: Ir, settings: CiliumSettings) -> dict[str, Any]:
    """What differs from the chart's own values, or must not be left to them."""
    out: dict[str, Any] = {
        "kubeProxyReplacement": "true" if replaces_proxy(ir) else "false",
        "routingMode": settings.mode,
        "ipam": _ipam(ir, settings),
        "ipv4": {"enabled": any(c.version == 4 for c in ir.network.pod_cidrs)},
        "ipv6": {"enabled": any(c.version == 6 for c in ir.network.pod_cidrs)},
        "hubble": _hubble(settings),
        # A change of the configuration takes effect when agents start again: it rolls them.
        "rollOutCiliumPods": True,
        "operator": {"replicas": min(OPERATORS, ir.traits.nodes), "rollOutPods": True},
    }
    if ir.traits.nodes_wait:  # no node counts until the operator gave it addresses, whatever taints its group has
        out["operator"]["tolerations"] = [{"operator": "Exists"}]
    if replaces_proxy(ir):  # there is nothing yet that would carry the API server's Service
        assert ir.traits.api_server is not None
        out["k8sServiceHost"] = ir.traits.api_server.host
        out["k8sServicePort"] = str(ir.traits.api_server.port)
    if settings.protocol:
        out["tunnelProtocol"] = settings.protocol
    elif vpc.interfaces(settings) is not None:
        out |= vpc.values(ir, settings)
    else:
        out["ipv4NativeRoutingCIDR"] = str(settings.native_routing_cidr)
        out["autoDirectNodeRoutes"] = settings.direct_node_routes is not False
    if settings.encryption != "none":
        out["encryption"] = {"enabled": True, "type": settings.encryption}
    if settings.l7_proxy is not None:
        out["l7Proxy"] = settings.l7_proxy
        out["envoy"] = {"enabled": settings.l7_proxy}
    if settings.mtu is not None:
        # The chart's is the MTU between nodes, of which the agent takes what it adds.
        out["MTU"] = settings.mtu + settings.overhead
    if chains_portmap(ir, settings):
        out["cni"] = {"chainingMode": "portmap"}
    if is_redirected(ir):
        out["localRedirectPolicies"] = {"enabled": True}
    if _speaks_sctp(ir):
        out["sctp"] = {"enabled": True}
    for key, on in (
        ("gatewayAPI", settings.gateway_api),
        ("hostFirewall", settings.host_firewall),
        ("bandwidthManager", settings.bandwidth_manager),
    ):
        if on:
            out[key] = {"enabled": True}
    return out


def config(ir: Ir, settings: CiliumSettings) -> dict[str, str]:
    """What the chart makes of them in ConfigMap cilium-config: every setting that the agents read there."""
    out = {
        "routing-mode": settings.mode,
        "ipam": manager(ir, settings),
        "kube-proxy-replacement": "true" if replaces_proxy(ir) else "false",
        "enable-hubble": _word(settings.hubble),
        "enable-k8s-networkpolicy": "true",
    }
    if settings.protocol:
        out["tunnel-protocol"] = settings.protocol
    elif vpc.interfaces(settings) is not None:
        out |= vpc.config(settings)
    else:
        out["ipv4-native-routing-cidr"] = str(settings.native_routing_cidr)
        out["auto-direct-node-routes"] = _word(settings.direct_node_routes is not False)
    if manager(ir, settings) == "cluster-pool" and settings.vpc_cni is None:
        pool = _ipam(ir, settings)["operator"]
        out["cluster-pool-ipv4-cidr"] = " ".join(pool["clusterPoolIPv4PodCIDRList"])
        out["cluster-pool-ipv4-mask-size"] = str(pool["clusterPoolIPv4MaskSize"])
    if settings.encryption != "none":
        out[f"enable-{settings.encryption}"] = "true"
    if settings.l7_proxy is not None:
        out["enable-l7-proxy"] = _word(settings.l7_proxy)
    if chains_portmap(ir, settings):
        out["cni-chaining-mode"] = "portmap"
    if settings.mtu is not None:
        out["mtu"] = str(settings.mtu + settings.overhead)
    for key, on in (
        ("enable-gateway-api", settings.gateway_api),
        ("enable-host-firewall", settings.host_firewall),
        ("enable-bandwidth-manager", settings.bandwidth_manager),
        ("enable-sctp", _speaks_sctp(ir)),
        ("enable-local-redirect-policy", is_redirected(ir)),
    ):
        if on:
            out[key] = "true"
    return out


def kernel(ir: Ir, settings: CiliumSettings) -> tuple[KernelOption, ...]:
    """What only some settings need (Documentation/operations/system_requirements.rst): an agent would end with an error
    of the network, or go on without."""
    wanted = {
        "CONFIG_VXLAN": (settings.protocol == "vxlan", "Cilium's tunnel of VXLAN"),
        "CONFIG_GENEVE": (settings.protocol == "geneve", "Cilium's tunnel of Geneve"),
        "CONFIG_WIREGUARD": (settings.encryption == "wireguard", "Cilium's encryption by WireGuard"),
        "CONFIG_INET_ESP": (settings.encryption == "ipsec", "Cilium's encryption by IPsec"),
        "CONFIG_NET_SCH_FQ": (settings.bandwidth_manager, "Cilium's bandwidth manager"),
        "CONFIG_CGROUP_BPF": (replaces_proxy(ir), "Cilium in the place of kube-proxy"),
    }
    return tuple(KernelOption(option, why) for option, (is_needed, why) in wanted.items() if is_needed)


def _word(on: bool) -> str:
    return "true" if on else "false"


def _ipam(ir: Ir, settings: CiliumSettings) -> dict[str, Any]:
    """The chart's own pool is 10.0.0.0/8, in which nodes and Services may be: it is never left to it."""
    if manager(ir, settings) in ("kubernetes", "eni"):
        return {"mode": manager(ir, settings)}
    pools = [str(c) for c in ir.network.pod_cidrs if c.version == 4]
    share = {"clusterPoolIPv4PodCIDRList": pools, "clusterPoolIPv4MaskSize": ir.network.node_mask}
    return {"mode": "cluster-pool", "operator": share}


def _hubble(settings: CiliumSettings) -> dict[str, Any]:
    """The chart would make new certificates each time it is rendered, which would be a change each time: a job on the
    cluster makes them instead."""
    if not settings.hubble:
        return {"enabled": False}
    certificates = {"auto": {"method": "cronJob"}}
    return {"enabled": True, "tls": certificates, "relay": {"enabled": settings.hubble_relay}}


def _speaks_sctp(ir: Ir) -> bool:
    ports = [p.protocol for policy in ir.policies for rule in (*policy.ingress, *policy.egress) for p in rule.ports]
    ports += [p.protocol for workload in ir.workloads for p in workload.ports]
    return "SCTP" in ports
