"""What one lookup of a pod costs: every query, in order, to whom, who answers it, and which answer ends it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from netspec.ir.dns import KUBE_DNS
from netspec.ir.model import Ir, Workload
from netspec.ir.resolver import ResolvConf, candidates, resolv_conf
from netspec.probes import NAMES_ASKED, NODATA, NXDOMAIN, FactProbe
from netspec.probing.flows import sources
from netspec.probing.names import Lookup, lookups
from netspec.probing.services import reaches_dns

#: A resolver asks for both at once.
TYPES = ("A", "AAAA")
#: Who answers: the cluster's DNS from its own records; resolvers of a stub domain; whoever the node's resolver asks; a
#: server that only the pod knows.
By = Literal["cluster", "stub domain", "upstream", "other server"]
_POD = re.compile(r"(\d{1,3}-\d{1,3}-\d{1,3}-\d{1,3})\.([a-z0-9-]+)\.pod$")


@dataclass(frozen=True, slots=True)
class Query:
    """One name asked for, with both types. `to` is the server that the pod asks, `by` who answers; `found` whether this
    ends the lookup (None: only that server knows, so it is taken as the name is meant); `answer` in words."""

    name: str
    to: str
    by: By
    server: str
    found: bool | None
    answer: str


@dataclass(frozen=True)
class Plan:
    """`queries` are those that are sent: the last one answers, or none does."""

    name: str
    workload: str
    conf: ResolvConf
    queries: tuple[Query, ...]

    @property
    def sent(self) -> int:
        return len(self.queries) * len(TYPES)

    @property
    def wasted(self) -> int:
        """Sent before the name that answers."""
        return self.sent - len(TYPES) if self.is_answered else self.sent

    @property
    def leaving(self) -> int:
        """Sent on, to servers that are not the cluster's."""
        return sum(len(TYPES) for q in self.queries if q.by != "cluster")

    @property
    def is_answered(self) -> bool:
        return bool(self.queries) and self.queries[-1].found is not False


class Lookups:
    """Plans lookups against the records that a spec predicts."""

    def __init__(self, ir: Ir) -> None:
        self._ir = ir

    @cached_property
    def _records(self) -> Mapping[str, list[Lookup]]:
        found: dict[str, list[Lookup]] = {}
        for lookup in lookups(self._ir):
            if not lookup.subject:
                found.setdefault(lookup.name, []).append(lookup)
        return found

    def plan(self, workload: Workload, name: str) -> Plan:
        """A name that is one of the cluster with a search domain of it is not taken for one of the world's."""
        conf = resolv_conf(self._ir.dns, workload)
        listed = [candidate.lower() for candidate in candidates(conf, name)]
        is_inside = any(self._of_cluster(c)[0] for c in listed if self._is_of_zone(c))
        meant = "" if is_inside else name.rstrip(".").lower()
        if self._ir.dns.autopath and conf.nameservers[:1] == (self._ir.dns.address,):
            listed = self._walked(conf, listed)
        sent: list[Query] = []
        for candidate in listed:
            sent.append(self._query(conf, candidate, meant))
            if sent[-1].found is not False:
                break
        return Plan(name, workload.id, conf, tuple(sent))

    def _walked(self, conf: ResolvConf, listed: list[str]) -> list[str]:
        """With autopath the server tries the search list itself, where the pod begins with its first domain (plugin
        autopath): the answer is that of the name which has one."""
        first = conf.searches[0] if conf.searches else ""
        if not first or not listed[0].endswith(f".{first}"):
            return listed
        found = next((c for c in listed if self._is_of_zone(c) and self._of_cluster(c)[0]), None)
        return [found or listed[-1]]

    def _query(self, conf: ResolvConf, name: str, meant: str) -> Query:
        dns = self._ir.dns
        to = conf.nameservers[0] if conf.nameservers else "the node's own servers"
        if to != dns.address:
            found = None if name == meant else False
            return Query(name, to, "other server", to, found, _outside(found, to))
        if name in dict(dns.hosts):
            return Query(name, to, "cluster", "CoreDNS, from its hosts", True, ", ".join(dict(dns.hosts)[name]))
        if other := dict(dns.rewrites).get(name):
            asked = self._query(conf, other, other)
            return replace(asked, name=name, answer=f"as {other}: {asked.answer}")
        if self._is_of_zone(name):
            found, answer = self._of_cluster(name)
            return Query(name, to, "cluster", "CoreDNS, from its own records", found, answer)
        for domain, servers in sorted(dns.stub_domains, key=lambda item: -len(item[0])):
            if name == domain or name.endswith(f".{domain}"):
                found = None if name == meant else False
                server = ", ".join(servers)
                return Query(name, to, "stub domain", server, found, _outside(found, f"{domain}'s server"))
        found = None if name == meant and "." in name else False
        of_node = "the node's resolvers" if dns.node_local else "the resolvers of CoreDNS's node"
        server = ", ".join(dns.upstreams) or of_node
        return Query(name, to, "upstream", server, found, _outside(found, "the world's DNS"))

    def _is_of_zone(self, name: str) -> bool:
        zone = self._ir.dns.cluster_domain
        return name == zone or name.endswith(f".{zone}")

    def _of_cluster(self, name: str) -> tuple[bool, str]:
        """Whether the cluster's DNS has an address of this name."""
        rest = name.removesuffix(f".{self._ir.dns.cluster_domain}")
        if match := _POD.fullmatch(rest):
            namespaces = {n.name for n in self._ir.inventory.namespaces}
            if match[2] in namespaces and self._ir.dns.pods != "disabled":
                return True, match[1].replace("-", ".")
        for lookup in self._records.get(name, ()):
            if lookup.record in ("A", "CNAME") and lookup.expect[0] not in (NXDOMAIN, NODATA):
                return True, ", ".join(map(_said, lookup.expect))
        return False, "NXDOMAIN"


def names_asked(ir: Ir) -> Iterator[FactProbe]:
    """How many names a pod asks for until one answers, of each kind of resolv.conf: counted in the pod. The Service of
    the cluster's DNS, in all ways to write it that are answered without leaving the cluster."""
    service = f"{KUBE_DNS.service}.{KUBE_DNS.namespace}"
    written = (service, f"{service}.svc", f"{service}.svc.{ir.dns.cluster_domain}")
    found = Lookups(ir)
    seen = set()
    for workload in sources(ir):
        conf = resolv_conf(ir.dns, workload)
        kind = (conf.ndots, len(conf.searches), workload.namespace == KUBE_DNS.namespace)
        is_silent = workload.stand_in and all(p.protocol != "UDP" for p in workload.ports)
        if kind in seen or not is_silent or not reaches_dns(ir, workload):
            continue
        plans = [found.plan(workload, name) for name in written]
        counts = {p.name: len(p.queries) for p in plans if p.is_answered and not p.leaving}
        if counts:
            seen.add(kind)
            yield FactProbe(f"fact:{NAMES_ASKED}:{workload.id}", NAMES_ASKED, workload.id, counts)


def _said(symbol: str) -> str:
    """
    >>> _said("service:shop/web"), _said("pods:shop/db"), _said("cname:www.example.com"), _said("address:192.0.2.1")
    ('the cluster IP of shop/web', 'the pods of shop/db', 'alias of www.example.com', '192.0.2.1')
    """
    kind, _, rest = symbol.partition(":")
    words = {"service": "the cluster IP of ", "pods": "the pods of ", "pod": "pod ", "cname": "alias of "}
    return words.get(kind, "") + rest


def _outside(found: bool | None, who: str) -> str:
    return f"what {who} says" if found is None else f"NXDOMAIN, if {who} has no such name"
