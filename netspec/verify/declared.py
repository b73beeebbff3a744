"""Declared things on the cluster against the spec's, field by field, whether or not a flow depends on them."""

from collections.abc import Callable, Iterator, Mapping
from itertools import zip_longest
from typing import Any

from netspec.probes import ANY_NODE_PORT, FactProbe
from netspec.verify.model import Observation, Status
from netspec.verify.state import LiveService, Pod, State

Pods = Mapping[str, tuple[Pod, ...]]


def observe(probe: FactProbe, state: State, pods: Pods) -> Observation:
    """`detail` names each field that differs, and what the spec says; an object that is missing is wrong."""
    seen = FACTS[probe.fact](probe, state, pods)
    if seen is None:
        kind = _KINDS.get(probe.fact) or probe.expect["kind"]
        return Observation(probe, Status.WRONG, None, f"{kind} {probe.subject} is missing", "API server")
    if probe.fact == "pod-labels":
        odd = seen if seen is not probe.expect else {}
        told = "; ".join(f"{pod}: {', '.join(differences(probe.expect, labels))}" for pod, labels in odd.items())
    else:
        told = "; ".join(differences(probe.expect, seen))
    return Observation(probe, Status.WRONG if told else Status.PASS, seen, told, "API server")


def differences(wanted: Mapping[str, Any], seen: Mapping[str, Any]) -> list[str]:
    """One text a field.

    >>> differences({"app": "web", "tier": "x"}, {"app": "api"})
    ["app is 'api', the spec says 'web'", "tier is missing, the spec says 'x'"]
    >>> differences({"labels": {"app": "web"}, "replicas": 1}, {"labels": {"app": None}, "replicas": 1})
    ["labels: app is missing, the spec says 'web'"]
    """
    out = []
    for key in sorted(wanted.keys() | seen.keys()):
        is_, says = seen.get(key, _MISSING), wanted.get(key, _MISSING)
        if isinstance(is_, Mapping) and isinstance(says, Mapping):
            out += [f"{key}: {told}" for told in differences(says, is_)]
        elif is_ != says:
            out.append(f"{key} is {_text(is_)}, the spec says {_text(says)}")
    return out


def places(wanted: object, seen: object, where: str = "") -> Iterator[str]:
    """One text a place in objects of any depth.

    >>> list(places({"routes": [{"port": 80, "weight": 1}]}, {"routes": [{"port": 81, "weight": 1}]}))
    ['routes[0].port is 81, the spec says 80']
    >>> list(places({"a": [1]}, {"a": [1, 2]}))
    ['a[1] is 2, the spec says missing']
    """
    if isinstance(wanted, Mapping) and isinstance(seen, Mapping):
        for key in dict.fromkeys((*wanted, *seen)):
            yield from places(wanted.get(key, _MISSING), seen.get(key, _MISSING), f"{where}.{key}".lstrip("."))
    elif isinstance(wanted, list) and isinstance(seen, list):
        for i, (one, other) in enumerate(zip_longest(wanted, seen, fillvalue=_MISSING)):
            yield from places(one, other, f"{where}[{i}]")
    elif wanted != seen:
        yield f"{where} is {_text(seen)}, the spec says {_text(wanted)}"


_MISSING = object()


def _text(value: object) -> str:
    if value is _MISSING or value is None:
        return "missing"
    return repr(value) if value or value is False or value == 0 else "nothing"


def _namespace(probe: FactProbe, state: State, _: Pods) -> dict[str, Any] | None:
    """The declared labels alone: other labels are not the spec's business, unless they change a connection."""
    labels = state.namespaces.get(probe.subject)
    return None if labels is None else {key: labels[key] for key in probe.expect if key in labels}


def _service(probe: FactProbe, state: State, _: Pods) -> dict[str, Any] | None:
    service = state.services.get(probe.subject)
    return None if service is None else service_fields(service, probe.expect)


def service_fields(service: LiveService, expect: Mapping[str, Any]) -> dict[str, Any]:
    """In the probe's shape (netspec/probing/objects.py). A node port of the API server's choice is any but none; its
    choices of other fields are not the spec's business."""
    wanted = {tuple(key): number for *key, number, _ in expect["ports"]}
    chosen = {"healthCheckNodePort"}
    if service.cluster_ip == "None" and not service.selector:
        chosen.add("ipFamilyPolicy")  # the API server makes it RequireDualStack, whatever families there are
    chosen -= expect["others"].keys()
    ports: list[list[object]] = []
    for (port, protocol), number in service.ports.items():
        key = (service.names.get((port, protocol), ""), port, protocol)
        any_will_do = wanted.get(key) == ANY_NODE_PORT and number
        target = service.targets.get((port, protocol), port)
        ports.append([*key, ANY_NODE_PORT if any_will_do else number, target])
    is_name = service.type == "ExternalName"
    return {
        "type": service.type,
        "headless": service.cluster_ip == "None",
        "selector": {} if is_name else dict(sorted(service.selector.items())),
        "ports": sorted(ports, key=str),
        "externalTrafficPolicy": service.external_traffic_policy,
        "externalIPs": list(service.external_ips),
        "externalName": service.external_name if is_name else "",
        "publishNotReadyAddresses": service.publish_not_ready,
        "others": {key: value for key, value in service.others.items() if key not in chosen},
    }


def _workload(probe: FactProbe, state: State, _: Pods) -> dict[str, Any] | None:
    kind = probe.expect["kind"]
    made_by = state.controller(kind, probe.subject)
    if made_by is None:
        return None
    return {
        "kind": kind,
        "replicas": made_by.replicas,
        "labels": _labels(made_by.labels, probe.expect["labels"]),
        "ports": sorted(map(list, made_by.ports), key=str),
        "hostNetwork": made_by.host_network,
        "hostPorts": sorted(map(list, made_by.host_ports)),
        "serviceName": made_by.service_name,
        "hostname": made_by.hostname,
        "subdomain": made_by.subdomain,
    }


def _pod_labels(probe: FactProbe, _: State, pods: Pods) -> dict[str, Any]:
    """The expected labels where every pod has them, else those of the pods that differ, by pod."""
    seen = {pod.id: _labels(pod.labels, probe.expect) for pod in pods[probe.subject]}
    odd = {pod: labels for pod, labels in seen.items() if labels != probe.expect}
    return odd or probe.expect


def _labels(labels: Mapping[str, str], wanted: Mapping[str, str | None]) -> dict[str, str | None]:
    """Of the labels those that the spec declares, or that one of its selectors looks at."""
    return {key: labels.get(key) for key in wanted}


FACTS: Mapping[str, Callable[[FactProbe, State, Pods], Mapping[str, Any] | None]] = {
    "namespace-labels": _namespace,
    "service-spec": _service,
    "workload-spec": _workload,
    "pod-labels": _pod_labels,
}
#: What is missing; of a workload that is its own kind.
_KINDS = {"namespace-labels": "namespace", "service-spec": "Service"}
