"""Ranges of addresses that pods had better not have."""

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
