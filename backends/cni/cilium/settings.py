"""What a stack may say of Cilium."""

from typing import Annotated, Literal

from pydantic import Field

from netspec.backends.cni.vpc.settings import VpcAddresses
from netspec.spec.model import MayBeThere, Settings
from netspec.spec.types import Cidr


class CiliumEni(Settings):
    """Pods have addresses of the VPC, on network interfaces that Cilium's operator gives to nodes of EKS."""

    prefix_delegation: bool = Field(False, description="Interfaces get blocks of 16 addresses: many more pods a node.")
    pod_subnets_only: bool = Field(
        False, description="Pods have addresses of the pod subnets alone; a node's first interface has none for pods."
    )
    release_excess: bool = Field(False, description="Addresses that no pod uses go back to the subnet.")


class CiliumSettings(MayBeThere):
    """Cilium, installed by its Helm chart. Without kube-proxy (network.proxy.mode: none) it carries Service traffic."""

    routing: Literal["tunnel", "native"] = Field(
        "tunnel", description="How packets cross nodes: in a tunnel, or as they are, by the routes of the nodes."
    )
    tunnel: Literal["vxlan", "geneve"] | None = Field(None, description="The tunnel's protocol. Unset: vxlan.")
    native_routing_cidr: Cidr | None = Field(
        None, alias="nativeRoutingCIDR", description="With native routing, where packets keep their pods' addresses."
    )
    direct_node_routes: bool | None = Field(
        None,
        description="With native routing, whether each node gets routes to the others' pods: the nodes share one "
        "network segment. Unset: yes.",
    )
    ipam: Literal["kubernetes", "cluster-pool"] | None = Field(
        None,
        description="Who gives nodes their share of the pod CIDR: the control plane, or Cilium's operator. Unset: the "
        "control plane where it does.",
    )
    eni: CiliumEni | None = Field(
        None, description="On EKS: pods have addresses of the VPC, which Cilium's operator takes. Unset: of a pool."
    )
    vpc_cni: VpcAddresses | None = Field(
        None, description="On EKS: the VPC CNI gives pods their addresses, and Cilium is chained on it."
    )
    encryption: Literal["none", "wireguard", "ipsec"] = Field(
        "none",
        description="How packets between nodes are encrypted. ipsec takes its keys from the Secret "
        "kube-system/cilium-ipsec-keys, which netspec does not make.",
    )
    hubble: bool = Field(False, description="Whether agents record flows.")
    hubble_relay: bool = Field(False, description="Whether the flows of all nodes can be asked for in one place.")
    l7_proxy: bool | None = Field(
        None, alias="l7Proxy", description="Whether policies may judge HTTP and DNS. Unset: the chart's own, yes."
    )
    gateway_api: bool = Field(
        False, alias="gatewayAPI", description="Whether Cilium serves Gateways; the API's CRDs must be there."
    )
    host_firewall: bool = Field(False, description="Whether policies may select nodes.")
    bandwidth_manager: bool = Field(False, description="Whether annotations of pods limit their bandwidth.")
    mtu: Annotated[int, Field(ge=1280, le=65520)] | None = Field(
        None, description="The MTU of pods' routes. Unset: the interface's, less what encapsulation and encryption add."
    )

    @property
    def mode(self) -> str:
        """Addresses of the VPC are delivered as they are."""
        return "native" if self.eni is not None or self.vpc_cni is not None else self.routing

    @property
    def protocol(self) -> str:
        """The tunnel's, "" without one."""
        return (self.tunnel or "vxlan") if self.mode == "tunnel" else ""

    @property
    def overhead(self) -> int:
        """Bytes that a packet between nodes gets longer, as the agent counts them (pkg/mtu/mtu.go of 1.19)."""
        return (50 if self.protocol else 0) + {"none": 0, "wireguard": 95, "ipsec": 77}[self.encryption]
