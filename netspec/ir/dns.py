"""Who answers the cluster's lookups: the one place that knows DNS by name.

`KUBE_DNS` is what kubeadm makes and netspec deploys. In a foreign cluster DNS may be somebody else's under another
name (OpenShift's, NodeLocal's, a Helm chart's): `dns_servers` tells it from the objects.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address

from netspec.ir.model import (
    NAME_LABEL,
    ContainerPort,
    Inventory,
    Ir,
    Namespace,
    Protocol,
    Service,
    ServicePort,
    Workload,
)
from netspec.ir.selectors import Labels, Selector

DNS_PORT = 53
#: kubelet's --cluster-domain where nobody sets another.
CLUSTER_DOMAIN = "cluster.local"
#: The link-local address that NodeLocal DNSCache listens on (kubernetes/dns, nodelocaldns.yaml).
NODE_LOCAL_ADDRESS = IPv4Address("169.254.20.10")


@dataclass(frozen=True, slots=True)
class DnsIdentity:
    """A cluster DNS as its maker names it; `port` is what its pods listen on, `autoscaler` what may say how many."""

    namespace: str
    service: str
    workload: str
    labels: Labels
    port: int = DNS_PORT
    kind: str = "Deployment"
    autoscaler: str = "kube-dns-autoscaler"

    @property
    def autoscaler_id(self) -> str:
        return f"{self.namespace}/{self.autoscaler}"

    @property
    def service_id(self) -> str:
        return f"{self.namespace}/{self.service}"

    @property
    def workload_id(self) -> str:
        return f"{self.namespace}/{self.workload}"

    def pods(self, replicas: int, *more: ContainerPort) -> Workload:
        """Its pods, as any policy sees them; `more`: ports besides those for lookups."""
        ports = (ContainerPort(self.port, "UDP", "dns"), ContainerPort(self.port, "TCP", "dns-tcp"), *more)
        return Workload(self.namespace, self.workload, self.labels, ports, replicas, kind=self.kind, system=True)

    def front(self, *more: ServicePort) -> Service:
        """The Service that leads to them."""
        ports = (ServicePort(DNS_PORT, self.port, "UDP", "dns"), ServicePort(DNS_PORT, self.port, "TCP", "dns-tcp"))
        selector = Selector.of(self.labels)
        return Service(self.namespace, self.service, selector=selector, ports=(*ports, *more), system=True)

    def home(self) -> Namespace:
        return Namespace(self.namespace, {NAME_LABEL: self.namespace}, system=True)


#: kubeadm's CoreDNS: the Service and the labels keep the name of what was there before it (kubeadm, dns manifests).
KUBE_DNS = DnsIdentity("kube-system", "kube-dns", "coredns", {"k8s-app": "kube-dns"})
#: openshift/cluster-dns-operator, assets/dns: a DaemonSet on port 5353.
OPENSHIFT_DNS = DnsIdentity(
    "openshift-dns",
    "dns-default",
    "dns-default",
    {"dns.operator.openshift.io/daemonset-dns": "default"},
    5353,
    "DaemonSet",
)
#: NodeLocal DNSCache (kubernetes, cluster/addons/dns/nodelocaldns).
NODE_CACHE = DnsIdentity("kube-system", "kube-dns", "node-local-dns", {"k8s-app": "node-local-dns"}, kind="DaemonSet")
_IDENTITIES = (KUBE_DNS, OPENSHIFT_DNS)
#: Where the cluster's own Services are, whatever they are called (RKE2's is rke2-coredns-rke2-coredns).
_HOMES = frozenset(identity.namespace for identity in _IDENTITIES)
_SERVICES = frozenset(("kube-dns", "coredns", "dns-default"))
_LABELS = (("k8s-app", ("kube-dns", "coredns", "node-local-dns")), ("app.kubernetes.io/name", ("coredns",)))
_UDP: Protocol = "UDP"


@dataclass(frozen=True, slots=True)
class DnsServer:
    """A workload that answers lookups, and the UDP port that its pods do it on."""

    workload: Workload
    port: int


def dns_servers(inventory: Inventory) -> tuple[DnsServer, ...]:
    """The cluster's DNS pods as the inventory shows them; none where it has none.

    In the namespace of a known DNS: what is behind a Service for lookups, whatever it is called (that is what the
    kubelet writes into resolv.conf), and pods with a known DNS's labels (NodeLocal's has no Service of its own). Where
    that is nothing: the same of any namespace, by a Service of a known name or with lookups on UDP and TCP.
    """
    fronts = [s for s in inventory.services if s.selector is not None and _lookups(s)]
    found = _found(inventory.workloads, [s for s in fronts if s.namespace in _HOMES], _HOMES)
    if not found:
        fronts = [s for s in fronts if s.name in _SERVICES or len(_lookups(s)) > 1]
        found = _found(inventory.workloads, fronts, None)
    return tuple(found.values())


def _found(workloads: Iterable[Workload], fronts: list[Service], homes: Collection[str] | None) -> dict[str, DnsServer]:
    """Workload id -> what answers; `homes` None: in any namespace."""
    out: dict[str, DnsServer] = {}
    for workload in workloads:
        if homes is None or workload.namespace in homes:
            numbers = [n for s in fronts if (n := _behind(s, workload)) is not None]
            if not numbers and _is_labelled(workload):
                named = workload.port_named("dns", _UDP)
                numbers = [DNS_PORT if named is None else named]
            if numbers:
                out[workload.id] = DnsServer(workload, numbers[0])
    return out


def is_redirected(ir: Ir) -> bool:
    """Whether pods' lookups go to a cache that is a pod of their node, and not to one at addresses of the node."""
    return bool(ir.dns.node_local) and ir.traits.redirects


def usual_dns() -> tuple[Workload, ...]:
    """What DNS may be where the input does not show it."""
    return tuple(identity.pods(1) for identity in _IDENTITIES)


def service_of_name(name: str, domain: str = CLUSTER_DOMAIN) -> str | None:
    """The id of the Service that a name inside the cluster stands for, be it a pod's own below a headless one.

    >>> service_of_name("db.data.svc.cluster.local."), service_of_name("db-0.db.data.svc.cluster.local")
    ('data/db', 'data/db')
    """
    end = f".svc.{domain}".lower()
    host = name.rstrip(".").lower()
    labels = host.removesuffix(end).split(".") if host.endswith(end) else []
    return f"{labels[-1]}/{labels[-2]}" if len(labels) in (2, 3) and all(labels) else None


def _lookups(service: Service) -> set[Protocol]:
    """The protocols on which it answers at port 53; none that do not hold UDP."""
    protocols = {p.protocol for p in service.ports if p.port == DNS_PORT}
    return protocols if _UDP in protocols else set()


def _behind(service: Service, workload: Workload) -> int | None:
    """The workload's port behind 53/UDP of a Service that selects it."""
    if workload.namespace != service.namespace or service.selector is None:
        return None
    if not service.selector.matches(workload.labels):
        return None
    lookups = (p.number_on(workload) for p in service.ports if (p.port, p.protocol) == (DNS_PORT, _UDP))
    return next((n for n in lookups if n is not None), None)


def _is_labelled(workload: Workload) -> bool:
    labels = workload.labels
    return any(labels.get(key) in values for key, values in _LABELS) or any(
        workload.namespace == known.namespace and known.labels.items() <= labels.items() for known in _IDENTITIES
    )
