"""What every part of the IR is made of."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Literal

from netspec.diagnostics import Path, Position

Protocol = Literal["TCP", "UDP", "SCTP"]
Direction = Literal["Ingress", "Egress"]
IPNetwork = IPv4Network | IPv6Network
IPAddress = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Place:
    """Where an object was declared: its path in a spec, and its position in a file."""

    path: Path = ()
    position: Position | None = None
