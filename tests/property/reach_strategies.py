"""Random small clusters: few labels, names, ports and blocks, so that they meet often."""

from ipaddress import ip_network

from hypothesis import strategies as st

from netspec.backends.cni.dialects import DIALECTS
from netspec.ir.model import (
    NAME_LABEL,
    ContainerPort,
    Inventory,
    IpBlock,
    Namespace,
    NetworkPolicy,
    Peer,
    PolicyPort,
    Rule,
    TierPolicy,
    TierRule,
    Workload,
)
from netspec.ir.selectors import Requirement, Selector

KEYS, VALUES = ("app", "tier"), ("a", "b", "c")
NAMESPACES = ("one", "two", "three")
PORT_NAMES = ("http", "dns")
BLOCKS = (
    "0.0.0.0/0",
    "10.0.0.0/8",
    "10.244.0.0/16",
    "10.244.0.0/24",
    "192.0.2.0/24",
    "192.0.2.128/25",
    "::/0",
    "2001:db8::/32",
    "fd00:10:244::/56",
)

NODES = (ip_network("192.0.2.129/32"), ip_network("2001:db8::7/128"))

protocols = st.sampled_from(("TCP", "UDP", "SCTP"))
labels = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES), max_size=2)
ports = st.sampled_from((1, 53, 80, 8080, 65535))


@st.composite
def requirements(draw: st.DrawFn, keys: tuple[str, ...] = KEYS, values: tuple[str, ...] = VALUES) -> Requirement:
    operator = draw(st.sampled_from(("In", "NotIn", "Exists", "DoesNotExist")))
    chosen = draw(st.lists(st.sampled_from(values), min_size=1, max_size=2)) if operator in ("In", "NotIn") else []
    return Requirement(draw(st.sampled_from(keys)), operator, tuple(chosen))


pod_selectors = st.builds(
    lambda labels, expressions: Selector(tuple(sorted(labels.items())), tuple(expressions)),
    st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES), max_size=1),
    st.lists(requirements(), max_size=1),
)
namespace_selectors = st.one_of(
    st.just(Selector()),
    st.builds(lambda name: Selector.of({NAME_LABEL: name}), st.sampled_from(NAMESPACES)),
    st.builds(lambda r: Selector((), (r,)), requirements()),
)


@st.composite
def ip_blocks(draw: st.DrawFn) -> IpBlock:
    cidr = ip_network(draw(st.sampled_from(BLOCKS)))
    inside = [n for n in map(ip_network, BLOCKS) if n != cidr and n.version == cidr.version and n.subnet_of(cidr)]
    return IpBlock(cidr, tuple(draw(st.lists(st.sampled_from(inside), max_size=2, unique=True))) if inside else ())


#: One in so many of what a rule has could not be read.
UNREAD = 8


@st.composite
def policy_ports(draw: st.DrawFn, l7: tuple[str, ...] = ("",)) -> PolicyPort:
    """`l7`: what may decide there besides; no NetworkPolicy has that."""
    if draw(st.integers(1, UNREAD)) == UNREAD:
        return PolicyPort(unread=True)
    protocol = draw(protocols)
    port = draw(st.one_of(st.none(), ports, st.sampled_from(PORT_NAMES)))
    end = draw(st.sampled_from((None, 9000))) if isinstance(port, int) and port <= 9000 else None
    return PolicyPort(protocol, port, end, l7=draw(st.sampled_from(l7)))


unread_peers = st.builds(Peer, unread=st.sampled_from(("nodes", "api-server", "names", "anything")))
#: Of policies that know whom an address belongs to.
knowing_peers = st.one_of(
    st.builds(Peer, entity=st.sampled_from(("all", "cluster", "world", "nodes", "proxy")), unsure=st.booleans()),
    st.builds(Peer, ip_block=ip_blocks(), outside=st.just(True), unsure=st.booleans()),
)
peers = st.one_of(
    unread_peers,
    st.builds(Peer, pods=pod_selectors),
    st.builds(Peer, namespaces=namespace_selectors),
    st.builds(Peer, pods=pod_selectors, namespaces=namespace_selectors),
    st.builds(Peer, ip_block=ip_blocks()),
)
rules = st.builds(
    lambda peers, ports: Rule(tuple(peers), tuple(ports)),
    st.lists(peers, max_size=2),
    st.lists(policy_ports(), max_size=2),
)
policies = st.builds(
    lambda namespace, pods, types, ingress, egress: NetworkPolicy(
        namespace, "p", pods, tuple(types), tuple(ingress), tuple(egress)
    ),
    st.sampled_from(NAMESPACES),
    pod_selectors,
    st.sampled_from((("Ingress",), ("Egress",), ("Ingress", "Egress"))),
    st.lists(rules, max_size=2),
    st.lists(rules, max_size=2),
)
cluster_peers = st.one_of(
    st.builds(Peer, namespaces=namespace_selectors),
    st.builds(Peer, pods=pod_selectors, namespaces=namespace_selectors, unsure=st.sampled_from((False, False, True))),
)


def tier_rules(with_networks: bool) -> st.SearchStrategy[TierRule]:
    networks = st.builds(lambda n: Peer(ip_block=IpBlock(ip_network(n))), st.sampled_from(BLOCKS))
    return st.builds(
        lambda action, peers, ports: TierRule(action, tuple(peers), tuple(ports)),
        st.sampled_from(("Accept", "Deny", "Pass", "Accept", "Deny", "Pass", "Unread")),
        st.lists(
            st.one_of(cluster_peers, unread_peers, knowing_peers, *((networks,) if with_networks else ())), max_size=2
        ),
        st.lists(policy_ports(("", "", "http")), max_size=1),
    )


tiers = st.builds(
    lambda name, tier, priority, group, subject, ingress, egress: TierPolicy(
        "ClusterNetworkPolicy",
        name,
        tier,
        priority,
        subject,
        tuple(ingress),
        tuple(egress),
        group=group if tier == "Admin" else 0,
    ),
    st.sampled_from(("t1", "t2", "t3")),
    st.sampled_from(("Admin", "Baseline")),
    st.sampled_from((1, 1, 2)),
    st.sampled_from((0, 0, 1)),
    st.one_of(cluster_peers, cluster_peers, cluster_peers, st.just(Peer(unread="anything"))),
    st.lists(tier_rules(False), max_size=3),
    st.lists(tier_rules(True), max_size=3),
)
container_ports = st.builds(ContainerPort, ports, protocols, st.sampled_from((None, *PORT_NAMES)))


@st.composite
def inventories(draw: st.DrawFn, max_policies: int = 4, with_tiers: bool = True) -> Inventory:
    declared = draw(st.lists(st.sampled_from(NAMESPACES), unique=True, max_size=2))
    namespaces = tuple(Namespace(n, {NAME_LABEL: n, **draw(labels)}) for n in declared)
    workloads = tuple(
        Workload(
            draw(st.sampled_from(NAMESPACES)),
            f"w{i}",
            draw(labels),
            tuple(draw(st.lists(container_ports, max_size=2))),
            replicas=draw(st.sampled_from((1, 2))),
            host_network=draw(st.integers(0, 9)) == 0,
        )
        for i in range(draw(st.integers(1, 4)))
    )
    found = draw(st.lists(policies, max_size=max_policies))
    named = tuple(
        NetworkPolicy(p.namespace, f"p{i}", p.pods, p.types, p.ingress, p.egress) for i, p in enumerate(found)
    )
    cidrs = draw(st.sampled_from(((), ("10.244.0.0/16",), ("10.244.0.0/16", "fd00:10:244::/56"))))
    return Inventory(
        namespaces,
        workloads,
        (),
        named,
        tuple(ip_network(c) for c in cidrs),
        draw(st.sampled_from((None, None, *(DIALECTS[name] for name in ("calico", "cilium"))))),
        tuple(draw(st.lists(tiers, max_size=2))) if with_tiers else (),
        node_addresses=draw(st.sampled_from(((), NODES))),
    )
