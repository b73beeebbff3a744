"""What a stack may say of Calico."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, WithJsonSchema

from netspec.backends.cni.calico.policy_settings import CalicoPolicy, CalicoTier
from netspec.backends.cni.vpc.settings import VpcAddresses
from netspec.spec.model import MayBeThere, Settings
from netspec.spec.types import Address, Cidr, Labels, Name, ObjectName, problem

#: How packets cross nodes: IPPool's modes, as the operator's Installation has them.
Encapsulation = Literal["vxlan", "vxlanCrossSubnet", "ipip", "ipipCrossSubnet", "none"]
#: What programs policies into a node, and with eBPF Services too.
DataPlane = Literal["iptables", "nftables", "ebpf"]


def _block_size(value: int) -> int:
    if not 20 <= value <= 32:
        raise problem("NS112", f"{value} is not a block size", "the prefix length of a block is 20 to 32")
    return value


#: IPPool blockSize for IPv4.
BlockSize = Annotated[
    int,
    AfterValidator(_block_size),
    WithJsonSchema({"title": "20 to 32", "type": "integer", "minimum": 20, "maximum": 32}),
]
#: RFC 6793; 0 is reserved (RFC 7607).
AsNumber = Annotated[int, Field(ge=1, le=4294967295)]


class CalicoPeer(Settings):
    """A BGP speaker outside the cluster that nodes exchange routes with."""

    name: ObjectName = Field(description="The BGPPeer's name.")
    address: Address = Field(description="Its address.")
    as_number: AsNumber = Field(description="Its autonomous system.")
    nodes: Labels = Field(default_factory=dict, description="The nodes that peer with it, by label. Unset: all.")


class CalicoReflectors(Settings):
    """Nodes that pass routes on between all others, in place of the full mesh."""

    cluster_id: Annotated[Address, Field(alias="clusterID")] = Field(
        "244.0.0.1", description="Their cluster ID, an address that nobody has."
    )
    nodes: list[ObjectName] = Field(min_length=1, max_length=100, description="The names of the nodes.")


class CalicoBgp(Settings):
    """The routes that Calico's nodes exchange."""

    enabled: bool | None = Field(None, description="Unset: where the encapsulation needs it (ipip, none).")
    as_number: AsNumber = Field(64512, description="The nodes' autonomous system.")
    full_mesh: bool | None = Field(None, description="Every node with every other. Unset: without route reflectors.")
    advertise_services: bool = Field(False, description="Peers learn the way to the cluster IPs.")
    route_reflectors: CalicoReflectors | None = Field(None, description="Instead of the full mesh.")
    peers: list[CalicoPeer] = Field(default_factory=list, max_length=100, description="Speakers outside the cluster.")


class CalicoPool(Settings):
    """A part of the pod CIDR, and whose pods have their addresses in it."""

    name: ObjectName = Field(description="The IPPool's name.")
    cidr: Cidr = Field(description="Its addresses.")
    nodes: Labels = Field(default_factory=dict, description="For pods on the nodes with these labels. Unset: all.")
    namespaces: list[Name] = Field(
        default_factory=list, max_length=200, description="For the pods of these namespaces, and of no other."
    )
    block_size: BlockSize | None = Field(None, description="Unset: the stack's.")
    nat_outgoing: bool = Field(True, description="Packets that leave the cluster have the node's address.")


class CalicoSettings(MayBeThere):
    """Calico, installed by its operator."""

    vpc_cni: VpcAddresses | None = Field(
        None, description="On EKS: the VPC CNI gives pods their addresses, and Calico enforces policies alone."
    )
    encapsulation: Encapsulation = Field(
        "vxlan", description="How packets cross nodes; CrossSubnet: only between nodes of different subnets."
    )
    dataplane: DataPlane | None = Field(
        None, description="What programs the nodes. Unset: as kube-proxy; ebpf wants network.proxy.mode none."
    )
    registry: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]*(:[0-9]+)?$")] | None = Field(
        None, description="The registry that Calico's images come from, under their own names. Unset: the operator's."
    )
    wireguard: bool = Field(False, description="Packets between nodes are encrypted.")
    bgp: CalicoBgp = Field(default_factory=CalicoBgp, description="Routes between nodes, and with others.")
    pools: list[CalicoPool] = Field(
        default_factory=list, max_length=25, description="Parts of the pod CIDR. Unset: one pool, all of it."
    )
    tiers: list[CalicoTier] = Field(default_factory=list, max_length=50, description="Tiers of its own policies.")
    policies: list[CalicoPolicy] = Field(
        default_factory=list, max_length=500, description="Policies of Calico's own: ordered, and rules that deny."
    )
    block_size: BlockSize = Field(26, description="The prefix length of the blocks that nodes take from the pool.")
    mtu: Annotated[int, Field(ge=576, le=65535)] | None = Field(
        None, description="The pods' MTU. Unset: the interface's, less the encapsulation's header."
    )
