"""Pods and what makes pods, collapsed to one workload per owner, unless the owner's pods differ."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from typing import Any, NamedTuple

from netspec.diagnostics import Path
from netspec.ir.model import ContainerPort, Place, Workload
from netspec.manifests.fields import (
    Bad,
    Object,
    address,
    items,
    labels,
    mapping,
    object_name,
    port_number,
    protocol,
    text,
)
from netspec.manifests.names import hosts, pod_dns

#: Kind -> where its pod template is; None: the object is the pod.
TEMPLATES: dict[str, tuple[str, ...] | None] = {
    "Pod": None,
    "Deployment": ("spec", "template"),
    "ReplicaSet": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
    "ReplicationController": ("spec", "template"),
}
_POD_NAME, _POD_INDEX = "statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index"
_JOB_NAMES = ("job-name", "batch.kubernetes.io/job-name")
#: What a reader knows by its name, whatever owns it; a ReplicaSet's or Job's name is often made up by its owner.
_NAMED_BY_PEOPLE = frozenset(("Deployment", "StatefulSet", "DaemonSet", "CronJob"))
#: Labels that controllers give the pods they make. Pods that differ in these alone are alike, unless a selector asks.
OF_CONTROLLERS = frozenset(
    (
        "pod-template-hash",
        "controller-revision-hash",
        "pod-template-generation",
        _POD_NAME,
        _POD_INDEX,
        "controller-uid",
        "batch.kubernetes.io/controller-uid",
        *_JOB_NAMES,
        "batch.kubernetes.io/job-completion-index",
    )
)
_OTHER_NETWORKS = ("k8s.v1.cni.cncf.io/networks", "v1.multus-cni.io/default-network")
#: So many pods of one StatefulSet are told apart where only its template is known.
_MOST_ORDINALS = 1000
#: A DaemonSet has a pod on every node: more than one, for all that we know.
_SEVERAL = 2


class Owner(NamedTuple):
    namespace: str
    name: str
    kind: str


class Found(NamedTuple):
    """A pod, or a controller with its template, as read. `owner` is its own controller, where it names one;
    `addresses` are the pod's own, where it runs; `ordinals` number the pods of a StatefulSet."""

    key: Owner
    owner: Owner | None
    pod: Workload
    place: Place
    addresses: tuple[IPv4Address | IPv6Address, ...] = ()
    ordinals: range = range(0)
    has_other_networks: bool = False


def found_workload(kind: str, namespace: str, name: str, body: Object, place: Place) -> Found | None:
    """None for a pod that has ended. Raises Bad."""
    template = TEMPLATES[kind]
    metadata = mapping(body.get("metadata"), ("metadata",))
    owner = _owner(namespace, metadata)
    if template is None:
        status = mapping(body.get("status"), ("status",))
        if status.get("phase") in ("Succeeded", "Failed"):
            return None
        pod = _pod(namespace, name, body, (), kind, place)
        own, asks = tuple(_addresses(status)), _asks_for_networks(body)
        return Found(Owner(namespace, name, kind), owner, pod, place, own, has_other_networks=asks)
    inner = body
    for i, part in enumerate(template):
        inner = mapping(inner.get(part), template[: i + 1])
    if not inner:
        raise Bad(template, "is required")
    spec = mapping(body.get("spec"), ("spec",))
    replicas = _replicas(kind, spec)
    pod = replace(_pod(namespace, name, inner, template, kind, place), replicas=replicas)
    ordinals = range(0)
    if kind == "Job" and metadata.get("name") and spec.get("manualSelector") is not True:
        pod = replace(pod, labels={**pod.labels, **dict.fromkeys(_JOB_NAMES, name)})
    elif kind == "StatefulSet":
        first = _count(mapping(spec.get("ordinals"), ("spec", "ordinals")), ("spec", "ordinals", "start"), 0)
        ordinals = range(first, first + min(replicas, _MOST_ORDINALS))
    asks = _asks_for_networks(inner)
    return Found(Owner(namespace, name, kind), owner, pod, place, ordinals=ordinals, has_other_networks=asks)


def _asks_for_networks(pod: Object) -> bool:
    """Whether a pod, or a template, asks for networks beside the cluster's (Network Plumbing Working Group's
    specification: the annotation; older Multus: another network in place of the cluster's)."""
    metadata = pod.get("metadata")
    asked = metadata.get("annotations") if isinstance(metadata, dict) else None
    return isinstance(asked, dict) and any(asked.get(name) not in (None, "", "[]") for name in _OTHER_NETWORKS)


def _addresses(status: Object) -> Iterable[IPv4Address | IPv6Address]:
    listed = [mapping(p, ("status", "podIPs")).get("ip") for p in items(status.get("podIPs"), ("status", "podIPs"))]
    for given in listed or [status.get("podIP")]:
        found = address(given)
        if found is not None:
            yield found


def _replicas(kind: str, spec: Object) -> int:
    if kind == "DaemonSet":
        return _SEVERAL
    return _count(spec, ("spec", "parallelism" if kind == "Job" else "replicas"), 1)


def _count(within: Object, path: tuple[str, ...], default: int) -> int:
    given = within.get(path[-1])
    if given is None:
        return default
    if isinstance(given, bool) or not isinstance(given, int) or given < 0:
        raise Bad(path, "must be a number, and not below 0")
    return given


def _owner(namespace: str, metadata: Object) -> Owner | None:
    """The owner that controls the object; others (a ConfigMap, say) only say when it is collected. A node controls its
    static pods, but is not a workload."""
    at: Path = ("metadata", "ownerReferences")
    for reference in items(metadata.get("ownerReferences"), at):
        if isinstance(reference, dict) and reference.get("controller") is True:
            kind = text(reference.get("kind", "Pod"), at)
            return None if kind == "Node" else Owner(namespace, object_name(reference.get("name"), at), kind)
    return None


def _pod(namespace: str, name: str, pod: Object, path: Path, kind: str, place: Place) -> Workload:
    metadata = mapping(pod.get("metadata"), (*path, "metadata"))
    spec = mapping(pod.get("spec"), (*path, "spec"))
    host = spec.get("hostNetwork")
    if host is not None and not isinstance(host, bool):
        raise Bad((*path, "spec", "hostNetwork"), "is neither true nor false")
    return Workload(
        namespace,
        name,
        labels(metadata.get("labels"), (*path, "metadata", "labels")),
        tuple(_ports(spec, (*path, "spec"))),
        host_network=bool(host),
        kind=kind,
        place=place,
        dns=pod_dns(spec),
        hosts=hosts(spec),
    )


def _ports(spec: Object, path: Path) -> Iterable[ContainerPort]:
    """The ports of containers, and of init containers that keep running (restartPolicy Always)."""
    for field in ("initContainers", "containers"):
        for i, value in enumerate(items(spec.get(field), (*path, field))):
            container = mapping(value, (*path, field, i))
            if field == "initContainers" and container.get("restartPolicy") != "Always":
                continue
            for j, item in enumerate(items(container.get("ports"), (*path, field, i, "ports"))):
                at = (*path, field, i, "ports", j)
                declared = mapping(item, at)
                name = declared.get("name")
                yield ContainerPort(
                    port_number(declared.get("containerPort"), (*at, "containerPort")),
                    protocol(declared.get("protocol"), (*at, "protocol"), empty=True),
                    None if name is None or name == "" else text(name, (*at, "name")),
                    _host_port(declared, spec, (*at, "hostPort")),
                )


def _host_port(declared: Object, spec: Object, path: Path) -> int:
    """0 for none; in the node's own network the port itself is there, whether or not it is said again (the API server
    does)."""
    number = port_number(declared["hostPort"], path) if declared.get("hostPort") else 0
    return 0 if spec.get("hostNetwork") else number


def collapse(found: Iterable[Found], named_keys: frozenset[str]) -> tuple[Workload, ...]:
    """One workload per owner, in the order of ids. `named_keys`: the label keys that selectors name.

    Where an owner's pods were read, they say what its pods are like; else its template does. Pods of one owner that
    differ are workloads of their own, named after their first pod: namespace/owner/pod.
    """
    listed = list(found)
    by_key = {f.key: f for f in listed}
    pods: dict[Owner, list[Found]] = defaultdict(list)
    templates: dict[Owner, list[Found]] = defaultdict(list)
    for each in listed:
        (pods if each.key.kind == "Pod" else templates)[_root(each, by_key)].append(each)
    out: dict[str, Workload] = {}
    for root in sorted(pods.keys() | templates.keys()):
        own = [f for f in templates[root] if f.key == root] or templates[root]
        for workload in _of_owner(root, pods[root], own, named_keys):
            if workload.id in out:  # two kinds of one name: the second is told apart by its kind
                workload = replace(workload, name=f"{workload.name}/{root.kind}")
            out[workload.id] = workload
    return tuple(out[key] for key in sorted(out))


def _root(found: Found, by_key: Mapping[Owner, Found]) -> Owner:
    """The owner at the top, as far as it is known. What an operator makes of its own resource keeps its name."""
    key, owner, seen = found.key, found.owner, {found.key}
    while owner is not None and owner not in seen and key.kind not in _NAMED_BY_PEOPLE:
        seen.add(owner)
        key, above = owner, by_key.get(owner)
        owner = above.owner if above else None
    return key


def _of_owner(root: Owner, pods: list[Found], templates: list[Found], named_keys: frozenset[str]) -> list[Workload]:
    groups: dict[Any, list[Found]] = defaultdict(list)
    for each in pods or (p for t in templates for p in _by_ordinal(t, named_keys)):
        groups[_look(each.pod, named_keys)].append(each)
    place = templates[0].place if templates else pods[0].place
    out = []
    for members in groups.values():
        first = min(members, key=lambda f: f.key)
        out.append(
            replace(
                first.pod,
                name=root.name if len(groups) == 1 else f"{root.name}/{first.key.name}",
                kind=root.kind,
                replicas=len(members) if pods else sum(m.pod.replicas for m in members),
                pods=tuple(sorted(m.key.name for m in members)) if pods else (),
                place=place if len(groups) == 1 else first.place,
            )
        )
    return out


def _by_ordinal(found: Found, named_keys: frozenset[str]) -> Iterator[Found]:
    """The pods that a StatefulSet makes, where a selector names the labels that tell them apart; else its template."""
    if not found.ordinals or named_keys.isdisjoint((_POD_NAME, _POD_INDEX)):
        yield found
        return
    for ordinal in found.ordinals:
        name = f"{found.key.name}-{ordinal}"
        labels = {**found.pod.labels, _POD_NAME: name, _POD_INDEX: str(ordinal)}
        yield found._replace(key=found.key._replace(name=name), pod=replace(found.pod, labels=labels, replicas=1))


def _look(pod: Workload, named_keys: frozenset[str]) -> Any:
    """What tells pods of one owner apart."""
    labels = {k: v for k, v in pod.labels.items() if k not in OF_CONTROLLERS or k in named_keys}
    return tuple(sorted(labels.items())), frozenset(pod.ports), pod.host_network
