"""Ranges of addresses: those that pods had better not have, and what is left of one beside others."""

from collections.abc import Iterable
from ipaddress import IPv4Network

from netspec.ir.model import IPNetwork

#: Docker's default address of docker0 (Docker docs, "Bridge network driver").
DOCKER_BRIDGE = IPv4Network("172.17.0.0/16")
HINT = "take a private range: 10.0.0.0/8, 172.16.0.0/12 except 172.17.0.0/16, 192.168.0.0/16, 100.64.0.0/10"


def unusual(cidr: IPNetwork) -> str | None:
    """What is unusual about a range for pods, as the end of a sentence; IPv6 pods may well have public addresses.

    >>> unusual(IPv4Network("11.0.0.0/16"))
    'is public: pods do not reach the hosts of the internet that have these addresses'
    """
    if not isinstance(cidr, IPv4Network):
        return None
    if cidr.overlaps(DOCKER_BRIDGE):
        return "is that of Docker's default bridge: where a node runs Docker, its containers have these addresses"
    if cidr.is_global:
        return "is public: pods do not reach the hosts of the internet that have these addresses"
    return None


def largest_without(whole: IPNetwork, taken: Iterable[IPNetwork]) -> IPNetwork | None:
    """The largest part of a network, the first of that size, that has no address of `taken`.

    >>> largest_without(IPv4Network("172.30.0.0/16"), [IPv4Network("172.30.255.0/24")])
    IPv4Network('172.30.0.0/17')
    """
    parts: list[IPNetwork] = [whole]
    for other in (t for t in taken if t.version == whole.version):
        parts = [rest for part in parts for rest in _apart(part, other)]
    return min(parts, key=lambda p: (p.prefixlen, int(p.network_address)), default=None)


def _apart(part: IPNetwork, other: IPNetwork) -> list[IPNetwork]:
    if not part.overlaps(other):
        return [part]
    if part.prefixlen >= other.prefixlen:
        return []
    return list(part.address_exclude(other))  # type: ignore[arg-type]
