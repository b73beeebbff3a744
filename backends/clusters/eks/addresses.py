"""How the VPC's addresses are divided: a private and a public subnet a zone, and one for pods where they are wanted."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Literal

from netspec.backends.clusters.eks.settings import EksSettings
from netspec.diagnostics import Path
from netspec.ir.model import IPNetwork, Ir
from netspec.plan import Ref
from netspec.spec.types import network
from netspec.target import Range

Role = Literal["private", "public", "pods"]
#: Of a VPC's CIDR and of a subnet (AWS docs, "VPC CIDR blocks", "Subnet sizing").
LARGEST, SMALLEST = 16, 28
#: Addresses of a subnet that AWS keeps (AWS docs, "Subnet sizing").
RESERVED = 5


@dataclass(frozen=True, slots=True)
class Subnet:
    """`id`: of one that exists. `index`: its place in the settings, None for one that is worked out."""

    role: Role
    zone: str
    cidr: IPv4Network
    id: str | None = None
    index: int | None = None

    @property
    def node(self) -> str:
        """The plan node of one that is made."""
        return f"subnet-{self.role}-{self.zone}"

    @property
    def reference(self) -> Ref | str:
        return self.id or Ref(self.node, "id")

    @property
    def usable(self) -> int:
        return self.cidr.num_addresses - RESERVED


def subnets(settings: EksSettings, pod_cidrs: Sequence[IPNetwork]) -> tuple[Subnet, ...]:
    """What the settings give, else evenly: the VPC in blocks, of which each zone's private subnet gets one and all
    public ones share the last; the pod CIDR in blocks of a zone each. What does not divide is left out.
    """
    given = [
        Subnet(s.role, s.zone, _ipv4(s.cidr), s.id, i)
        for i, s in enumerate(settings.vpc.subnets)
        if isinstance(network(s.cidr), IPv4Network)
    ]
    zones, found = settings.zones, list(given)
    cidr = network(settings.vpc.cidr)
    if not any(s.role in ("private", "public") for s in given) and isinstance(cidr, IPv4Network):
        bits = len(zones).bit_length()
        blocks = _parts(cidr, bits)
        found += [Subnet("private", zone, block) for zone, block in zip(zones, blocks, strict=False)]
        if settings.vpc.nat != "none" and blocks:
            found += [Subnet("public", z, part) for z, part in zip(zones, _parts(blocks[-1], bits), strict=False)]
    pods = pod_cidrs[0] if pod_cidrs else None
    if settings.vpc.pod_subnets and isinstance(pods, IPv4Network) and not any(s.role == "pods" for s in given):
        blocks = _parts(pods, (len(zones) - 1).bit_length())
        found += [Subnet("pods", zone, block) for zone, block in zip(zones, blocks, strict=False)]
    return tuple(found)


def of(found: Sequence[Subnet], role: Role) -> tuple[Subnet, ...]:
    return tuple(s for s in found if s.role == role)


def pod_ranges(ir: Ir, pods: Sequence[Subnet]) -> tuple[Range, ...]:
    """Where pods that have subnets of their own get their addresses."""
    if pods and all(s.index is None for s in pods):
        return (Range(str(ir.network.pod_cidrs[0]), ("network", "podCIDRs", 0)),)
    return tuple(Range(str(s.cidr), path(ir, s)) for s in pods)


def path(ir: Ir, subnet: Subnet) -> Path:
    """Where a subnet's addresses are given."""
    vpc: Path = ("stacks", ir.stack, "cluster", "vpc")
    if subnet.index is not None:
        return (*vpc, "subnets", subnet.index, "cidr")
    return ("network", "podCIDRs", 0) if subnet.role == "pods" else (*vpc, "cidr")


def _ipv4(text: str) -> IPv4Network:
    found = network(text)
    assert isinstance(found, IPv4Network)
    return found


def _parts(cidr: IPv4Network, bits: int) -> list[IPv4Network]:
    """
    >>> [str(part) for part in _parts(IPv4Network("10.0.0.0/16"), 1)], _parts(IPv4Network("10.0.0.0/28"), 1)
    (['10.0.0.0/17', '10.0.128.0/17'], [])
    """
    return list(cidr.subnets(bits)) if cidr.prefixlen + bits <= SMALLEST else []
