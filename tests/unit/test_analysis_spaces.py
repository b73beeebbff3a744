"""One address of a range for each stretch that some policy tells apart, whatever kind of policy."""

from ipaddress import ip_address, ip_network

from netspec.analysis.spaces import samples
from netspec.ir.model import Inventory, IpBlock, NetworkPolicy, Peer, Rule, TierPolicy, TierRule
from netspec.ir.selectors import Selector

RANGE = ip_network("192.0.2.0/24")


def block(cidr: str, *excluded: str) -> Peer:
    return Peer(ip_block=IpBlock(ip_network(cidr), tuple(map(ip_network, excluded))))


POLICY = NetworkPolicy("shop", "p", Selector(), ("Egress",), egress=(Rule((block("192.0.2.64/26", "192.0.2.80/28"),)),))
TIER = TierPolicy(
    "ClusterNetworkPolicy",
    "t",
    "Admin",
    1,
    Peer(namespaces=Selector()),
    (),
    (TierRule("Deny", (block("192.0.2.200/32"),)),),
)


def found(inventory: Inventory, *without: str) -> list[str]:
    return [str(a) for a in samples(RANGE, inventory, map(ip_network, without))]


def test_a_range_that_nothing_cuts_has_one() -> None:
    assert found(Inventory()) == ["192.0.2.0"]


def test_network_policies_and_tiers_cut() -> None:
    assert found(Inventory(policies=(POLICY,))) == [f"192.0.2.{n}" for n in (0, 64, 80, 96, 128)]
    assert found(Inventory(tiers=(TIER,))) == [f"192.0.2.{n}" for n in (0, 200, 201)]


def test_what_is_left_out_is_left_out_and_cuts() -> None:
    assert found(Inventory(tiers=(TIER,)), "192.0.2.0/25", "2001:db8::/32") == [
        "192.0.2.128",
        "192.0.2.200",
        "192.0.2.201",
    ]
    assert ip_address("192.0.2.200") in samples(ip_network("0.0.0.0/0"), Inventory(tiers=(TIER,)))
