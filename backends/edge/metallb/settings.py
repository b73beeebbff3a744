"""What a stack may say of MetalLB."""

from typing import Annotated, Literal

from pydantic import Field

from netspec.spec.model import Model, Settings
from netspec.spec.types import Address, Cidr, PortNumber

#: An AS number of four octets (RFC 6793).
Asn = Annotated[int, Field(ge=1, le=4294967295)]


class BgpPeer(Model):
    """A router that the nodes tell which addresses they answer for."""

    address: Address = Field(description="Its address.")
    asn: Asn = Field(description="Its AS number.")
    port: PortNumber = Field(179, description="Where it listens.")
    multihop: bool = Field(False, description="It is more than one hop away (eBGP).")


class MetallbSettings(Settings):
    """MetalLB: nodes answer for the addresses of LoadBalancer Services."""

    mode: Literal["l2", "bgp"] = Field(
        "l2", description="How neighbours learn which node answers: l2 by ARP, bgp by the peers' routes."
    )
    addresses: Annotated[list[Cidr], Field(min_length=1)] | None = Field(
        None, description="What Services get their addresses from. Unset: the last part of the nodes' network."
    )
    asn: Asn | None = Field(None, description="The nodes' AS number, for mode bgp.")
    peers: list[BgpPeer] = Field(default_factory=list, description="The routers, for mode bgp.")
