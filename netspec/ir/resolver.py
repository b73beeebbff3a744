"""How a pod's resolver works: what is in its resolv.conf, and which names it asks for, in which order."""

from collections.abc import Iterator
from dataclasses import dataclass

from netspec.ir.model import Dns, Ir, Workload
from netspec.ir.pods import PodDns

#: The kubelet's own value, for pods whose dnsConfig says nothing (pkg/kubelet/network/dns, defaultDNSOptions).
KUBELET_NDOTS = 5
#: A resolver's, where resolv.conf says nothing (resolv.conf(5)).
RESOLVER_NDOTS = 1


@dataclass(frozen=True, slots=True)
class ResolvConf:
    """`options` are all of them, ndots too. `of_node`: the node's own search domains, and for dnsPolicy Default its
    name servers, follow; the spec does not know them."""

    nameservers: tuple[str, ...]
    searches: tuple[str, ...]
    options: tuple[tuple[str, str], ...]
    of_node: bool = True

    @property
    def ndots(self) -> int:
        value = dict(self.options).get("ndots", "")
        return int(value) if value.isdigit() else RESOLVER_NDOTS


def resolv_conf(dns: Dns, workload: Workload) -> ResolvConf:
    """What the kubelet writes (pkg/kubelet/network/dns, GetPodDNS): the policy's part, then that of dnsConfig; options
    of one name replace each other."""
    own = workload.dns
    nameservers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: dict[str, str] = {}
    if own.policy == "ClusterFirst":
        zone = dns.cluster_domain
        nameservers = (dns.address,)
        searches = (f"{workload.namespace}.svc.{zone}", f"svc.{zone}", zone)
        options["ndots"] = str(KUBELET_NDOTS)
    if dns.ndots is not None:
        options["ndots"] = str(dns.ndots)
    options |= dict(own.options)
    return ResolvConf(
        tuple(dict.fromkeys((*nameservers, *own.nameservers))),
        tuple(dict.fromkeys((*searches, *own.searches))),
        tuple(options.items()),
        own.policy != "None",
    )


def of_others(ir: Ir) -> list[Workload]:
    """The workloads that the spec gives DNS settings for and that netspec does not deploy: settings are fields of a
    pod, so somebody else has to write them."""
    return [w for w in ir.workloads if not w.stand_in and _is_given(ir, w)]


def is_reached(ir: Ir, workload: Workload) -> bool:
    """Whether its pods have the spec's DNS settings: netspec deploys them, or the API server writes them in."""
    return workload.stand_in or (bool(ir.traits.admission) and _is_given(ir, workload))


def _is_given(ir: Ir, workload: Workload) -> bool:
    """Whether the spec says anything of how its pods look up names."""
    return not workload.system and (ir.dns.ndots is not None or workload.dns != PodDns())


def candidates(conf: ResolvConf, name: str) -> Iterator[str]:
    """The names that a resolver asks for until one answers, without their last dots (resolv.conf(5), `ndots`): a name
    that ends in a dot alone; one with enough dots first as it stands, any other last.

    >>> conf = ResolvConf((), ("shop.svc.cluster.local", "svc.cluster.local"), (("ndots", "2"),))
    >>> list(candidates(conf, "db.data"))
    ['db.data.shop.svc.cluster.local', 'db.data.svc.cluster.local', 'db.data']
    >>> list(candidates(conf, "www.example.com"))[0], list(candidates(conf, "db."))
    ('www.example.com', ['db'])
    """
    if name.endswith("."):
        yield name.rstrip(".")
        return
    first = name.count(".") >= conf.ndots
    if first:
        yield name
    yield from (f"{name}.{search}" for search in conf.searches)
    if not first:
        yield name
