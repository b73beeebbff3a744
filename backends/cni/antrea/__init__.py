"""Antrea, by its Helm chart. Sources: antrea-io/antrea, build/charts/antrea/values.yaml, cmd/antrea-agent/options.go,
pkg/agent/config/node_config.go (bytes of each encapsulation)."""

from dataclasses import replace
from typing import Any

from netspec.backends.cni.antrea.settings import AntreaSettings
from netspec.backends.cni.dialects import DIALECTS
from netspec.backends.objects import release
from netspec.catalogue import ANTREA, IMAGES
from netspec.diagnostics import Report
from netspec.ir.model import Ir
from netspec.plan import CLUSTER, CNI_READY, NODES, Condition, Node, ReadyNode
from netspec.target import Backend, Fact, Feature, Field, Forwarded, KernelOption, Needs, ObjectRead, Traits

NAMESPACE = "kube-system"
REPOSITORY = "https://charts.antrea.io"
OVERHEAD = {"geneve": 50, "vxlan": 50, "gre": 38}
WIREGUARD_OVERHEAD = 80
_TUNNELS = {"geneve": "CONFIG_GENEVE", "vxlan": "CONFIG_VXLAN", "gre": "CONFIG_NET_IPGRE"}
_ENCAPSULATES = ("encap", "hybrid")


class Antrea(Backend):
    name = "antrea"
    settings = AntreaSettings
    supports = frozenset(
        {
            Feature.NETWORK_POLICY,
            Feature.END_PORT,
            Feature.NAMED_PORT,
            Feature.SCTP,
            Feature.HOST_PORT,
            Feature.PROXY_NONE,
        }
    )

    def traits(self, ir: Ir, settings: AntreaSettings, traits: Traits) -> Traits:
        return replace(
            traits,
            overhead=_overhead(settings),
            mtu=settings.mtu,
            forwarded=_forwarded(ir, settings),
            dialect=DIALECTS["antrea"],
        )

    def needs(self, ir: Ir, settings: AntreaSettings, needs: Needs) -> Needs:
        wanted = [KernelOption("CONFIG_OPENVSWITCH", "Antrea")]
        if settings.encap_mode in _ENCAPSULATES:
            tunnel = settings.tunnel or "geneve"
            wanted.append(KernelOption(_TUNNELS[tunnel], f"Antrea's tunnel {tunnel}"))
        if settings.encryption == "wireGuard":
            wanted.append(KernelOption("CONFIG_WIREGUARD", "Antrea's encryption"))
        return replace(
            needs,
            kube_proxy=ir.network.proxy_mode != "none",
            node_cidrs=True,
            kernel=(*needs.kernel, *wanted),
            immutable={**needs.immutable, "encapMode": settings.encap_mode},
        )

    def check(self, ir: Ir, settings: AntreaSettings, needs: Needs, report: Report) -> None:
        """NS960, NS964."""
        at = ("stacks", ir.stack, "cni")
        if not ir.traits.node_shares:
            message = "Antrea takes a node's addresses from its share of the pod CIDR, which these nodes do not have"
            report.error("NS960", at, message, "use a CNI with an address management of its own, or another cluster")
        if settings.encap_mode == "networkPolicyOnly":
            message = "with networkPolicyOnly another CNI gives pods their addresses, and a stack has one cni"
            report.error("NS964", (*at, "encapMode"), message, "take encap, hybrid or noEncap")
        if settings.tunnel and settings.encap_mode not in _ENCAPSULATES:
            message = f"with {settings.encap_mode} there is no tunnel"
            report.error("NS964", (*at, "tunnel"), message, "remove it, or take encap or hybrid")
        if settings.encryption != "none" and settings.encap_mode != "encap":
            message = f"Antrea encrypts with encapMode encap only, not with {settings.encap_mode}"
            report.error("NS964", (*at, "encryption"), message, "take encap, or leave it out")
        if settings.no_snat and settings.encap_mode != "noEncap":
            report.error("NS964", (*at, "noSNAT"), "noSNAT is for encapMode noEncap", "take noEncap, or leave it out")
        if ir.network.proxy_mode == "none" and _api_server(ir) is None:
            message = "in kube-proxy's place Antrea wants the API server's address, which this cluster does not tell"
            report.error("NS964", at, message, "run kube-proxy")

    def lower(self, ir: Ir, settings: AntreaSettings, needs: Needs) -> tuple[Node, ...]:
        installed = release(
            "antrea", NAMESPACE, "antrea", ANTREA.official, values(ir, settings), CLUSTER, repository=REPOSITORY
        )
        ready = ReadyNode(
            CNI_READY,
            (
                Condition("deployments/antrea-controller", "Available", NAMESPACE),
                Condition("nodes", "Ready", at_least=ir.traits.nodes),
            ),
            (installed.id, NODES),
            timeout=600,
        )
        return installed, ready

    def images(self, ir: Ir, settings: AntreaSettings) -> tuple[str, ...]:
        return IMAGES["antrea-agent"], IMAGES["antrea-controller"]

    def facts(self, ir: Ir, settings: AntreaSettings) -> tuple[Fact, ...]:
        agents = ObjectRead(
            "daemonsets.apps", (("unavailable", Field("status.numberUnavailable", 0)),), "antrea-agent", NAMESPACE
        )
        shares = ObjectRead("antreaagentinfos.crd.antrea.io", (("version", Field("version")),))
        return (
            Fact("antrea-agents", "antrea", {"unavailable": 0}, agents),
            Fact("antrea-version", "antrea", {"version": f"v{ANTREA.official}"}, shares),
        )


def values(ir: Ir, settings: AntreaSettings) -> dict[str, Any]:
    """The chart's values, each that a setting decides; images by tag."""
    found: dict[str, Any] = {
        "trafficEncapMode": settings.encap_mode,
        "trafficEncryptionMode": settings.encryption,
        "noSNAT": settings.no_snat,
        "agentImage": {"tag": f"v{ANTREA.official}", "pullPolicy": "IfNotPresent"},
        "controllerImage": {"tag": f"v{ANTREA.official}", "pullPolicy": "IfNotPresent"},
    }
    if settings.encap_mode in _ENCAPSULATES:
        found["tunnelType"] = settings.tunnel or "geneve"
    if settings.mtu is not None:
        found["defaultMTU"] = settings.mtu
    if ir.network.proxy_mode == "none":
        found |= {"antreaProxy": {"proxyAll": True}, "kubeAPIServerOverride": _api_server(ir)}
    return found


def _api_server(ir: Ir) -> str | None:
    """As a URL; None where it is known only once the cluster is there, or not at all."""
    there = ir.traits.api_server
    return f"https://{there.host}:{there.port}" if there is not None and isinstance(there.host, str) else None


def _overhead(settings: AntreaSettings) -> int:
    """WireGuard takes the tunnel's place (NetworkConfig.NeedsTunnelToPeer)."""
    if settings.encryption == "wireGuard":
        return WIREGUARD_OVERHEAD
    return OVERHEAD[settings.tunnel or "geneve"] if settings.encap_mode in _ENCAPSULATES else 0


def _forwarded(ir: Ir, settings: AntreaSettings) -> Forwarded:
    if ir.network.proxy_mode == "none" or settings.encap_mode == "hybrid":
        return "node or tunnel"
    return "tunnel" if settings.encap_mode == "encap" else "node"
