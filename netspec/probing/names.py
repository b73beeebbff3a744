"""Lookups: every record that the cluster's DNS must have, and names of each form that it must not.

The names and answers are those of the Kubernetes DNS specification (kubernetes/dns, specification.md) as CoreDNS's
kubernetes plugin has them; `{address}`, `{dashed}` and `{reverse}` stand for an address that only the cluster knows.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from netspec.analysis.services import Endpoints
from netspec.analysis.verdict import AddressEnd
from netspec.ir.dns import dns_servers, service_of_name
from netspec.ir.model import Ir, Service, Workload
from netspec.probes import NODATA, NXDOMAIN, DnsProbe, Record
from netspec.probing.flows import sources
from netspec.probing.services import backends, dns_name, reaches_dns

#: A label that nothing of the spec has.
NOBODY = "netspec-nobody"


class Lookup(NamedTuple):
    """One name to ask for. `kind`: a row of `KINDS`. `subject`: whose address the name has ("pod:<workload>": its first
    pod; "service:<id>"), "" for none."""

    kind: str
    name: str
    record: Record
    expect: tuple[str, ...]
    subject: str = ""


#: Kind -> (what, the form of its name), for docs/names.md.
KINDS: dict[str, tuple[str, str]] = {
    "service": ("a Service's cluster IP", "SERVICE.NAMESPACE.svc.ZONE"),
    "service-ipv6": ("the same in IPv6, of which a cluster of IPv4 has none", "SERVICE.NAMESPACE.svc.ZONE"),
    "service-reverse": ("the name of a cluster IP", "the address backwards, in-addr.arpa"),
    "headless": ("the pods behind a headless Service", "SERVICE.NAMESPACE.svc.ZONE"),
    "port": ("a named port of a Service, or of each pod behind it", "_PORT._PROTOCOL.SERVICE.NAMESPACE.svc.ZONE"),
    "pod": ("a pod by its address", "A-B-C-D.NAMESPACE.pod.ZONE"),
    "pod-below-service": (
        "a pod by its address, below a Service that leads to it",
        "A-B-C-D.SERVICE.NAMESPACE.svc.ZONE",
    ),
    "pod-reverse": ("the names that a pod's address has below Services", "the address backwards, in-addr.arpa"),
    "stateful-pod": ("each pod of a StatefulSet", "NAME-0.SERVICE.NAMESPACE.svc.ZONE"),
    "host-name": ("pods by hostname and subdomain", "HOSTNAME.SUBDOMAIN.NAMESPACE.svc.ZONE"),
    "given": ("addresses that the spec puts behind a headless Service", "SERVICE.NAMESPACE.svc.ZONE"),
    "given-host-name": ("an address given with a name", "HOSTNAME.SERVICE.NAMESPACE.svc.ZONE"),
    "external-name": ("what an ExternalName Service is an alias of", "SERVICE.NAMESPACE.svc.ZONE"),
    "external-name-followed": (
        "the address at the end, where that is a Service of the cluster",
        "SERVICE.NAMESPACE...",
    ),
    "hosts": ("a name that the DNS server answers itself (`dns.hosts`)", "as given"),
    "rewritten": ("a name that stands for a Service's (`dns.rewrites`)", "as given"),
    "no-service": ("no Service has the name", f"{NOBODY}.NAMESPACE.svc.ZONE"),
    "no-namespace": ("no namespace has the name", f"SERVICE.{NOBODY}.svc.ZONE"),
    "no-port": ("no port of the Service has the name", f"_{NOBODY}._tcp.SERVICE.NAMESPACE.svc.ZONE"),
    "no-pod": ("the name is not an address", f"{NOBODY}.NAMESPACE.pod.ZONE"),
    "no-endpoint": ("nothing behind the Service has the name", f"{NOBODY}.SERVICE.NAMESPACE.svc.ZONE"),
    "no-stateful-pod": ("the StatefulSet has fewer pods", "NAME-COUNT.SERVICE.NAMESPACE.svc.ZONE"),
    "none-ready": ("a headless Service of which no pod is ready", "SERVICE.NAMESPACE.svc.ZONE"),
}


def dns(ir: Ir) -> Iterator[DnsProbe]:
    """Every lookup, each asked by one of the workloads that reach DNS, and every such workload asks.

    The records do not depend on who asks; who reaches DNS at all is a flow like any other (`pairs`, `services`).
    """
    askers = [w for w in sources(ir) if reaches_dns(ir, w)]
    found = list(lookups(ir)) if askers else []
    for i in range(max(len(found), len(askers)) if found else 0):
        wanted, asker = found[i % len(found)], askers[i % len(askers)].id
        about = f"@{wanted.subject}" if wanted.subject else ""
        id_ = f"dns:{asker}:{wanted.record}:{wanted.name}{about}"
        yield DnsProbe(id_, asker, wanted.name, wanted.record, wanted.expect, wanted.subject)


def lookups(ir: Ir) -> Iterator[Lookup]:
    """In the order of Services, then of workloads, each once."""
    names = _Names(ir)
    seen = set()
    for lookup in (*names.of_services(), *names.of_workloads(), *names.absent()):
        at = (lookup.name, lookup.record, lookup.subject)
        if at not in seen:
            seen.add(at)
            yield lookup


class _Names:
    def __init__(self, ir: Ir) -> None:
        self._ir = ir
        self._endpoints = Endpoints(ir.inventory)
        self._services = sorted(ir.inventory.services, key=lambda s: s.id)
        servers = {s.workload.id for s in dns_servers(ir.inventory)}
        self._workloads = sorted((w for w in sources(ir) if w.id not in servers), key=lambda w: w.id)

    def of_services(self) -> Iterator[Lookup]:
        for service in self._services:
            name = dns_name(self._ir, service)
            if service.type == "ExternalName":
                yield from self._alias(service, name)
            elif service.headless:
                yield from self._headless(service, name)
            else:
                yield Lookup("service", name, "A", (f"service:{service.id}",))
                yield Lookup("service-reverse", "{reverse}", "PTR", (f"name:{name}",), f"service:{service.id}")
            yield from self._ports(service, name)
            yield from self._given_names(service, name)
        yield from self._of_server()
        for service in self._first_of_namespaces(lambda s: s.has_cluster_ip):
            yield Lookup("service-ipv6", dns_name(self._ir, service), "AAAA", (NODATA,))

    def _of_server(self) -> Iterator[Lookup]:
        """Names that the spec gives the server itself, as far as they end in the cluster."""
        dns = self._ir.dns
        for name, addresses in dns.hosts:
            yield Lookup("hosts", name, "A", tuple(sorted(f"address:{a}" for a in addresses)))
        for name, other in dns.rewrites:
            service = self._endpoints.find(service_of_name(other, dns.cluster_domain) or "")
            if service is not None and service.has_cluster_ip and dns_name(self._ir, service) == other:
                yield Lookup("rewritten", name, "A", (f"service:{service.id}",))

    def _alias(self, service: Service, name: str) -> Iterator[Lookup]:
        """The last Service that it stands for is looked up on the way, through other aliases if need be."""
        yield Lookup("external-name", name, "CNAME", (f"cname:{(service.external_name or '').rstrip('.')}",))
        end = self._endpoints.followed(service)
        if end is None or end is service:
            return
        if expect := self._behind(end) if end.headless else (f"service:{end.id}",):
            yield Lookup("external-name-followed", name, "A", expect)

    def _headless(self, service: Service, name: str) -> Iterator[Lookup]:
        if behind := self._behind(service):
            yield Lookup("given" if service.selector is None else "headless", name, "A", behind)
        elif service.selector is not None:
            yield Lookup("none-ready", name, "A", (NXDOMAIN,))

    def _behind(self, service: Service) -> tuple[str, ...]:
        """What the name of a headless Service stands for."""
        ends = self._endpoints.addresses(service)
        return tuple(
            sorted(f"address:{e.address}" if isinstance(e, AddressEnd) else f"pods:{e.workload}" for e in ends)
        )

    def _ports(self, service: Service, name: str) -> Iterator[Lookup]:
        for port in (p for p in service.ports if p.name is not None and service.type != "ExternalName"):
            numbers = [port.port]
            if service.headless:
                numbers = sorted({e.number for e in self._endpoints.of_port(service, port)})
            if numbers:
                query = f"_{port.name}._{port.protocol.lower()}.{name}"
                yield Lookup("port", query, "SRV", tuple(f"srv:{number}:{name}" for number in numbers))

    def _given_names(self, service: Service, name: str) -> Iterator[Lookup]:
        for part in self._endpoints.slices(service):
            for hostname in sorted({hostname for _, hostname in part.hostnames}):
                addresses = sorted(f"address:{a}" for a, own in part.hostnames if own == hostname)
                yield Lookup("given-host-name", f"{hostname}.{name}", "A", tuple(addresses))

    def of_workloads(self) -> Iterator[Lookup]:
        """A pod's address as a name: of the first workload of each namespace. Host names: of every one."""
        zone = self._ir.dns.cluster_domain
        by_address = {} if self._ir.dns.pods == "disabled" else {w.namespace: w for w in reversed(self._workloads)}
        for workload in by_address.values():
            name = f"{{dashed}}.{workload.namespace}.pod.{zone}"
            yield Lookup("pod", name, "A", ("address:{address}",), f"pod:{workload.id}")
        for workload in self._workloads:
            leading = [s for s in self._services if self._leads_to(s, workload)]
            below = [f"name:{_host_of(workload, s)}.{dns_name(self._ir, s)}" for s in leading]
            if leading and workload.stand_in:
                yield Lookup("pod-reverse", "{reverse}", "PTR", tuple(sorted(below)), f"pod:{workload.id}")
            plain = [s for s in leading if _host_of(workload, s) == "{dashed}"]
            for service in plain[:1]:
                name = f"{{dashed}}.{dns_name(self._ir, service)}"
                yield Lookup("pod-below-service", name, "A", ("address:{address}",), f"pod:{workload.id}")
            yield from self._own_names(workload, leading)

    def _own_names(self, workload: Workload, leading: Iterable[Service]) -> Iterator[Lookup]:
        for service in leading:
            name = dns_name(self._ir, service)
            if workload.kind == "StatefulSet" and service.name == workload.service_name and workload.stand_in:
                for ordinal in range(workload.replicas):
                    pod = f"{workload.name}-{ordinal}"
                    yield Lookup("stateful-pod", f"{pod}.{name}", "A", (f"pod:{workload.namespace}/{pod}",))
                absent = f"{workload.name}-{workload.replicas}.{name}"
                yield Lookup("no-stateful-pod", absent, "A", (NXDOMAIN,))
            elif workload.hostname and service.name == workload.subdomain:
                yield Lookup("host-name", f"{workload.hostname}.{name}", "A", (f"pods:{workload.id}",))

    def _leads_to(self, service: Service, workload: Workload) -> bool:
        if service.type == "ExternalName" or service.namespace != workload.namespace:
            return False
        if not service.ports:
            return any(w.id == workload.id for w in self._endpoints.selected(service)) and (
                workload.ready or service.publish_not_ready
            )
        return any(w.id == workload.id for port in service.ports for w, _ in backends(self._endpoints, service, port))

    def absent(self) -> Iterator[Lookup]:
        """One name of each form that nothing has, in each namespace with Services."""
        zone = self._ir.dns.cluster_domain
        for service in self._first_of_namespaces(lambda s: not s.system):
            name, nothing = dns_name(self._ir, service), (NXDOMAIN,)
            yield Lookup("no-service", f"{NOBODY}.{service.namespace}.svc.{zone}", "A", nothing)
            yield Lookup("no-port", f"_{NOBODY}._tcp.{name}", "SRV", nothing)
            yield Lookup("no-endpoint", f"{NOBODY}.{name}", "A", nothing)
            yield Lookup("no-pod", f"{NOBODY}.{service.namespace}.pod.{zone}", "A", nothing)
            yield Lookup("no-namespace", f"{service.name}.{NOBODY}.svc.{zone}", "A", nothing)

    def _first_of_namespaces(self, wanted: Callable[[Service], bool]) -> list[Service]:
        first = {s.namespace: s for s in reversed(self._services) if wanted(s)}
        return [first[namespace] for namespace in sorted(first)]


def _host_of(workload: Workload, service: Service) -> str:
    """What a pod is called below a Service: the host name where its subdomain is that Service, else its address."""
    if workload.kind == "StatefulSet" and workload.service_name == service.name:
        return "{pod}"
    return workload.hostname if workload.hostname and workload.subdomain == service.name else "{dashed}"
