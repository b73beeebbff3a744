"""Kubernetes objects by kind: which say something about reachability, which are refused, which are only counted."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from ipaddress import ip_network
from itertools import chain, count
from typing import TYPE_CHECKING, Any, NamedTuple

from netspec.diagnostics import Path, printable
from netspec.ir.model import (
    NAME_LABEL,
    EndpointSlice,
    Inventory,
    IPAddress,
    IPNetwork,
    Namespace,
    NetworkPolicy,
    Place,
    Protocol,
    Route,
    Service,
    TierPolicy,
    Unread,
    Workload,
)
from netspec.ir.selectors import Labels, Selector
from netspec.manifests import services
from netspec.manifests.fields import Bad, Missing, Object, address, items, labels, mapping, network, object_name
from netspec.manifests.kinds import (
    CALICO_GROUP,
    CALICO_KINDS,
    CALICO_STORED,
    CILIUM_POLICIES,
    TIER_GROUP,
    Refused,
    Sort,
    holds_pods,
    lists_known,
    sort_of,
)
from netspec.manifests.policies import network_policy, tier_policy
from netspec.manifests.workloads import TEMPLATES, Found, collapse, found_workload

if TYPE_CHECKING:
    from netspec.ir.gateways import Gateway
    from netspec.manifests import cilium, gateways, slices

#: The label of a namespace whose pods have a network of their own (OVN-Kubernetes, user-defined networks).
_PRIMARY_NETWORK = "k8s.ovn.org/primary-user-defined-network"
#: The namespace of an object that names none.
DEFAULT = "default"
#: A pod's address stands for its network of this length, by IP version: pods come and go in it.
_AROUND = {4: 24, 6: 64}
_CLUSTER_WIDE = (
    "Namespace",
    "Node",
    "CiliumClusterwideNetworkPolicy",
    "CiliumCIDRGroup",
    "GlobalNetworkPolicy",
    "Tier",
)
#: The Service that stands for the API server.
_API_SERVER = "default/kubernetes"
#: DaemonSets by which a CNI is known.
_CNI_DAEMONSETS = {"calico-node": "calico", "cilium": "cilium", "aws-node": "vpc-cni"}


class Duplicate(Bad):
    """An object that was declared before."""


class Failure(NamedTuple):
    """An object that turned out bad when all were read."""

    body: Object
    place: Place
    bad: Bad


@dataclass(slots=True)
class Objects:
    """Collects objects one by one; `inventory` is what they amount to, once `conclude` was called. `default`: the
    namespace of those that name none."""

    default: str = DEFAULT
    skipped: Counter[str] = field(default_factory=Counter)
    count: int = 0
    #: What is odd about an object that is used all the same.
    remarks: list[tuple[str, Place]] = field(default_factory=list)
    _seen: dict[tuple[str, str, str, str], Place] = field(default_factory=dict)
    _namespaces: dict[str, Namespace] = field(default_factory=dict)
    _found: list[Found] = field(default_factory=list)
    _services: list[Service] = field(default_factory=list)
    _policies: list[NetworkPolicy] = field(default_factory=list)
    _late: list[tuple[str, str, str, Object, Place]] = field(default_factory=list)
    _ordered: list[tuple[str, str, str, Object, Place]] = field(default_factory=list)
    _tiers: list[TierPolicy] = field(default_factory=list)
    _routes: list[Route] = field(default_factory=list)
    _attachable: list["gateways.Attachable"] = field(default_factory=list)
    _gateways: dict[tuple[str, str], "Gateway"] = field(default_factory=dict)
    _slices: list["slices.Slice"] = field(default_factory=list)
    _grants: set[tuple[str, str, str, str | None]] = field(default_factory=set)
    _nodes: list[tuple[Labels, tuple[IPNetwork, ...]]] = field(default_factory=list)
    _pod_cidrs: set[IPNetwork] = field(default_factory=set)
    _unread: list[Unread] = field(default_factory=list)
    _elsewhere: list[tuple[Object, Place]] = field(default_factory=list)
    _service_labels: dict[str, Labels] = field(default_factory=dict)
    _cidr_groups: dict[str, tuple[Labels, tuple[IPNetwork, ...]]] = field(default_factory=dict)
    _around: "cilium.Surroundings | None" = None

    def add(self, body: Any, place: Place) -> None:
        """Raises Bad for what the API server would not take, Refused, or Duplicate."""
        if not isinstance(body, dict):
            raise Bad((), "is not a Kubernetes object")
        kind, version = body.get("kind"), body.get("apiVersion")
        if not kind or not version or not isinstance(kind, str) or not isinstance(version, str):
            self._without_kind(body)
            return
        if kind.endswith("List") and lists_known(kind):
            near = next((key for key in body if str(key).casefold() == "items"), "items")
            raise Bad(
                ("items",), "is required, and a list", f"did you mean items, not {near}?" * (near != "items") or None
            )
        sort = sort_of(version, kind)
        group = version.rpartition("/")[0]
        if not sort.is_read:
            self._skip(sort, body, kind, place)
            return
        if sort.remark is not None:
            self.remarks.append((sort.remark, place))
        metadata = mapping(body.get("metadata"), ("metadata",))
        cluster_wide = kind in _CLUSTER_WIDE or group == TIER_GROUP
        namespace = object_name(metadata.get("namespace") or self.default, ("metadata", "namespace"))
        kinds = (group.replace("extensions", "apps"), kind, "" if cluster_wide else namespace)
        if not metadata.get("name") and metadata.get("generateName"):
            called = self._generated(kinds, object_name(metadata["generateName"], ("metadata", "generateName")))
        else:
            called = object_name(metadata.get("name"), ("metadata", "name"))
        key = (*kinds, called)
        if key in self._seen:
            raise Duplicate((), f"is declared twice; first at {self._seen[key].position}", "keep one of them")
        if group in (CALICO_GROUP, CALICO_STORED):
            self._ordered.append((kind, "" if cluster_wide else namespace, called, body, place))
        else:
            self._add(kind, namespace, called, body, place)
        self._seen[key] = place
        self.count += 1

    def _generated(self, kinds: tuple[str, str, str], start: str) -> str:
        """The API server makes up a name for each: here the first is called as it starts, others are numbered."""
        names = chain((start,), (f"{start}#{i}" for i in count(2)))
        return next(each for each in names if (*kinds, each) not in self._seen)

    def _without_kind(self, body: Object) -> None:
        """Counts what is not a Kubernetes object at all. What is nearly one the API server does not see: an error."""
        letters = {str(key).casefold(): key for key in body}
        if {"metadata", "spec"} <= letters.keys() or (
            not letters.keys().isdisjoint(("kind", "apiversion"))
            and not letters.keys().isdisjoint(("metadata", "spec"))
        ):
            for part in ("kind", "apiVersion"):
                if not body.get(part) or not isinstance(body[part], str):
                    near = letters.get(part.casefold(), part)
                    raise Bad((part,), "is required", f"did you mean {part}, not {near}?" if near != part else None)
        self.skipped["(no kind)"] += 1

    def _skip(self, sort: Sort, body: Object, kind: str, place: Place) -> None:
        makes = sort.makes
        if sort.is_custom and "pods" not in makes and holds_pods(body):
            makes = ("pods", *makes)
        if not makes:
            self.skipped[printable(kind)] += 1
            return
        metadata = body.get("metadata")
        found = metadata if isinstance(metadata, dict) else {}
        named = (found.get("namespace") or self.default, found.get("name") or "(no name)")
        namespace, name = (printable(part if isinstance(part, str) else "(no name)") for part in named)
        self._unread.append(Unread(printable(kind), namespace, name, makes, place))

    def _add(self, kind: str, namespace: str, name: str, body: Object, place: Place) -> None:
        if kind == "NetworkPolicy":
            base = place.path
            self._policies.append(
                network_policy(namespace, name, body, lambda path: Place((*base, *path), place.position))
            )
        elif kind in TEMPLATES:
            found = found_workload(kind, namespace, name, body, place)
            if found is None:
                self.skipped["Pod (ended)"] += 1
            else:
                self._found.append(found)
                if found.has_other_networks:
                    self._elsewhere.append((body, place))
        elif kind == "Service":
            self._services.append(services.service(namespace, name, body, place))
            if own := mapping(body.get("metadata"), ("metadata",)).get("labels"):
                self._service_labels[f"{namespace}/{name}"] = labels(own, ("metadata", "labels"))
        elif kind == "CiliumCIDRGroup":
            from netspec.manifests.cilium import cidr_group

            self._cidr_groups[name] = cidr_group(body)
        elif kind == "Namespace":
            own = labels(mapping(body.get("metadata"), ("metadata",)).get("labels"), ("metadata", "labels"))
            self._namespaces[name] = Namespace(name, {**own, NAME_LABEL: name}, place=place)
            if _PRIMARY_NETWORK in own:
                self._elsewhere.append((body, place))
        elif kind == "Ingress":
            self._routes.append(services.ingress(namespace, name, body, place))
        elif kind in ("Gateway", "ReferenceGrant", *services.GATEWAY_ROUTES):
            self._add_gateway_api(kind, namespace, name, body, place)
        elif kind in ("EndpointSlice", "Endpoints"):
            from netspec.manifests import slices  # most input does without

            self._slices += slices.read(kind, namespace, name, body)
        elif kind == "Node":
            self._add_node(body)
        else:
            self._late.append((kind, namespace, name, body, place))

    def _add_gateway_api(self, kind: str, namespace: str, name: str, body: Object, place: Place) -> None:
        from netspec.manifests import gateways  # most input does without

        if kind == "Gateway":
            self._gateways[namespace, name] = gateways.gateway(namespace, name, body)
        elif kind == "ReferenceGrant":
            self._grants |= gateways.grants(namespace, body)
        else:
            self._attachable.append(gateways.gateway_route(kind, namespace, name, body, place))

    def _add_node(self, body: Object) -> None:
        own = labels(mapping(body.get("metadata"), ("metadata",)).get("labels"), ("metadata", "labels"))
        spec, status = mapping(body.get("spec"), ("spec",)), mapping(body.get("status"), ("status",))
        cidrs, first = items(spec.get("podCIDRs"), ("spec", "podCIDRs")), spec.get("podCIDR")
        if first and cidrs[:1] != [first]:  # its older name, which wins (kubernetes, pkg/apis/core/v1/conversion.go)
            cidrs = [first]
        self._pod_cidrs |= {network(c, ("spec", "podCIDRs", i)) for i, c in enumerate(cidrs)}
        addresses = []
        for item in items(status.get("addresses"), ("status", "addresses")):
            found = address(mapping(item, ("status", "addresses")).get("address"))
            if found is not None:  # else a host name
                addresses.append(ip_network(found))
        self._nodes.append((own, tuple(addresses)))

    def conclude(self) -> Iterator[Failure]:
        """Reads what needs all objects: yields those that turn out bad."""
        for kind, namespace, name, body, place in self._late:
            found: list[Bad] = []
            try:
                at = partial(_place_in, place)
                if kind in CILIUM_POLICIES:
                    from netspec.manifests.cilium import cilium_policy  # most input does without

                    home = namespace if kind == CILIUM_POLICIES[0] else ""
                    around = self._surroundings()
                    self._tiers += cilium_policy(kind, home, name, body, at, around, found.append)
                else:
                    self._tiers.append(tier_policy(kind, name, body, at, self._node_addresses, found.append))
            except Bad as bad:
                found.append(bad)
            yield from (Failure(body, place, bad) for bad in found)
        self._late.clear()
        if self._ordered:
            from netspec.manifests.calico import read_all  # most input does without

            tiers, bads = read_all(self._ordered, _place_in)
            self._tiers += tiers
            yield from (Failure(*bad) for bad in bads)
            self._ordered.clear()
        if self._elsewhere:  # once, however many they are
            body, place = self._elsewhere[0]
            others = f" and {len(self._elsewhere) - 1} more" if len(self._elsewhere) > 1 else ""
            said = f"{others} ask{'s' * (not others)} for networks beside the cluster's, which are not analysed"
            hint = "what is said holds for the cluster's own network"
            yield Failure(body, place, Refused((), said.lstrip(), hint))

    def _node_addresses(self, selector: Selector) -> tuple[IPNetwork, ...] | None:
        """None where a node has none, or no node was given."""
        found = [addresses for own, addresses in self._nodes if selector.matches(own)]
        return None if not self._nodes or () in found else tuple(a for addresses in found for a in addresses)

    def _surroundings(self) -> "cilium.Surroundings":
        if self._around is None:
            from netspec.manifests import cilium

            numbers: dict[tuple[str | None, Protocol], set[int]] = {}
            for port in (p for f in self._found if not f.pod.host_network for p in f.pod.ports):
                numbers.setdefault((port.name, port.protocol), set()).add(port.port)
            one = {name: min(found) for name, found in numbers.items() if len(found) == 1}
            knows = bool(self._nodes) and all(addresses for _, addresses in self._nodes)
            seen = [
                cilium.ServiceSeen(s.namespace, s.name, self._service_labels.get(s.id, {}), s.selector)
                for s in self._services
            ]
            api_server = {a for s in self._slices if s.service == _API_SERVER for t in s.targets for a in t.addresses}
            self._around = cilium.Surroundings(
                knows,
                seen,
                self._cidr_groups,
                lambda name, protocol: one.get((name, protocol)),
                tuple(sorted(map(ip_network, api_server), key=lambda n: (n.version, n))),
            )
        return self._around

    def inventory(self) -> Inventory:
        """In an order that does not depend on the input's."""
        workloads = self._workloads()
        routes = (*self._routes, *map(self._attached, self._attachable))
        return Inventory(
            tuple(sorted(self._namespaces.values(), key=lambda n: n.name)),
            workloads,
            tuple(sorted(self._services, key=lambda s: s.id)),
            tuple(sorted(self._policies, key=lambda p: p.id)),
            tuple(sorted(self._pod_networks(), key=lambda n: (n.version, n))),
            tiers=tuple(sorted(self._tiers, key=lambda t: (t.tier, t.place_in_tier, t.id))),
            routes=tuple(sorted(routes, key=lambda r: (r.id, r.kind))),
            slices=self._behind(workloads),
            unread=tuple(sorted(self._unread, key=lambda u: (u.namespace, u.name, u.kind, u.makes))),
            node_addresses=tuple(
                sorted({a for _, own in self._nodes for a in own}, key=lambda n: (n.version, n.network_address))
            ),
        )

    def _behind(self, workloads: tuple[Workload, ...]) -> tuple[EndpointSlice, ...]:
        """What EndpointSlices have; an address that one pod has is that pod."""
        if not self._slices:
            return ()
        from netspec.manifests import slices

        pods = {f"{w.namespace}/{pod}": w.id for w in workloads for pod in w.pods}
        at: dict[IPAddress, set[str]] = {}
        for found in self._found:
            for one in found.addresses:
                at.setdefault(one, set()).add(pods.get(f"{found.key.namespace}/{found.key.name}", ""))
        known = {one: next(iter(names)) for one, names in at.items() if len(names) == 1 and "" not in names}
        return slices.resolved(self._slices, {s.id: s for s in self._services}, pods, known)

    def _pod_networks(self) -> set[IPNetwork]:
        """The nodes' ranges, and the networks around the pods' addresses that are in none of them.

        A CNI with address management of its own (Calico, Cilium, AWS) ignores the nodes' ranges: where no pod is in
        one, they tell nothing."""
        lengths = {(n.version, n.prefixlen) for n in self._pod_cidrs}
        addresses = {a for f in self._found if not f.pod.host_network for a in f.addresses}
        strays = {
            a
            for a in addresses
            if not any(
                ip_network((a, length), strict=False) in self._pod_cidrs for v, length in lengths if v == a.version
            )
        }
        around: set[IPNetwork] = {ip_network((a, _AROUND[a.version]), strict=False) for a in strays}
        return around if strays and strays == addresses else self._pod_cidrs | around

    def cni(self) -> str | None:
        """What the cluster runs, told from the DaemonSets of the known CNIs, or from policies that one alone has."""
        names = {f.key.name for f in self._found if f.key.kind == "DaemonSet"}
        kinds = {t.kind for t in self._tiers}
        of_one = "cilium" if not kinds.isdisjoint(CILIUM_POLICIES) else None
        if not kinds.isdisjoint(CALICO_KINDS.values()):
            of_one = "calico"
        return next((cni for name, cni in _CNI_DAEMONSETS.items() if name in names), of_one)

    def _workloads(self) -> tuple[Workload, ...]:
        selectors = [p.pods for p in self._policies]
        selectors += [s.selector for s in self._services if s.selector is not None]
        for policy in self._policies:
            for rule in (*policy.ingress, *policy.egress):
                selectors += [p.pods for p in rule.peers if p.pods is not None]
        for tier in self._tiers:
            peers = [tier.subject, *(p for r in (*tier.ingress, *tier.egress) for p in r.peers)]
            selectors += [p.pods for p in peers if p.pods is not None]
        keys = {k for s in selectors for k, _ in s.match_labels} | {e.key for s in selectors for e in s.expressions}
        return collapse(self._found, frozenset(keys))

    def _attached(self, found: "gateways.Attachable") -> Route:
        """With the backends that it leads to: none where no Gateway takes it, and of another namespace only those that
        a ReferenceGrant there lets it reach."""
        from netspec.manifests import gateways

        route = found.route
        is_taken = gateways.attached(found, self._gateways, self._labels_of)
        if is_taken is False:
            return replace(route, backends=())
        kept = tuple(
            b
            for b in route.backends
            if b.namespace == route.namespace
            or (route.kind, route.namespace, b.namespace, None) in self._grants
            or (route.kind, route.namespace, b.namespace, b.service) in self._grants
        )
        return replace(route, backends=kept, certain=is_taken is True)

    def _labels_of(self, namespace: str) -> Labels | None:
        found = self._namespaces.get(namespace)
        return found.labels if found else None


def _place_in(place: Place, path: Path) -> Place:
    return Place((*place.path, *path), place.position)


def describe(body: Any) -> str:
    """An object's kind and name for a reader, however broken it is."""
    if not isinstance(body, dict):
        return "document"
    kind = body.get("kind")
    metadata = body.get("metadata")
    found = metadata if isinstance(metadata, dict) else {}
    name, namespace = found.get("name"), found.get("namespace")
    shown = f"{namespace}/{name}" if isinstance(namespace, str) else name
    return f"{kind if isinstance(kind, str) else 'object'} {shown if isinstance(shown, str) else '(no name)'}"


def code_of(bad: Bad) -> str:
    """docs/matrix.md lists the codes."""
    if isinstance(bad, Missing):
        return "NM006"
    return "NM004" if isinstance(bad, Refused) else "NM003" if isinstance(bad, Duplicate) else "NM002"
