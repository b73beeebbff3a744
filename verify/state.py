"""What runs on the cluster now: nodes, pods, Services and settings, from two kubectl calls."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from netspec.diagnostics import Problem
from netspec.ir.model import Workload
from netspec.ir.selectors import Selector
from verify.access import Access, last_line

#: The label that a stand-in's Deployment selects its pods by; its value is the workload's name.
WORKLOAD_LABEL = "netspec.dev/workload"
#: On the canary's namespace, and how long it lives at most.
CANARY_LABEL = "netspec.dev/canary"
CANARY_LIFE = timedelta(minutes=10)
#: The ephemeral container that probes from a pod that is not a stand-in.
PROBE_CONTAINER = "netspec-probe"


@dataclass(frozen=True, slots=True)
class Pod:
    """`containers` are the running ones, in the pod's order; ephemeral ones are apart."""

    namespace: str
    name: str
    node: str
    address: str
    labels: Mapping[str, str]
    ready: bool
    containers: tuple[str, ...] = ()
    ephemeral: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Node:
    """`open`: pods that tolerate nothing can run here."""

    name: str
    address: str
    open: bool


@dataclass(frozen=True, slots=True)
class LiveService:
    """`ports`: (port, protocol) -> node port, 0 where there is none."""

    cluster_ip: str
    ports: Mapping[tuple[int, str], int]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A ready pod behind a port of a Service, from an EndpointSlice; `pod` is "namespace/name", or an address where
    the endpoint is no pod. `name` is the Service port's, "" for none."""

    name: str
    pod: str
    number: int
    protocol: str


@dataclass(frozen=True)
class State:
    nodes: tuple[Node, ...]
    pods: tuple[Pod, ...]
    services: Mapping[str, LiveService]
    ready_replicas: Mapping[str, int]
    stale_canaries: tuple[str, ...] = ()
    endpoints: Mapping[str, tuple[Endpoint, ...]] = field(default_factory=dict)
    settings: "Settings" = field(default_factory=lambda: Settings())

    def pods_of(self, workload: Workload) -> tuple[Pod, ...]:
        """The workload's ready pods that are not being deleted, by name."""
        selector = Selector.of({WORKLOAD_LABEL: workload.name} if workload.stand_in else workload.labels)
        return tuple(
            p for p in self.pods if p.namespace == workload.namespace and p.ready and selector.matches(p.labels)
        )


@dataclass(frozen=True, slots=True)
class Settings:
    """What the cluster is set to. `problem`: why it could not be read."""

    pools: tuple[Mapping[str, Any], ...] = ()
    corefile: str = ""
    problem: str = ""


def read_state(access: Access) -> State:
    kinds = "nodes,namespaces,pods,services,deployments.apps,endpointslices.discovery.k8s.io"
    done = access.kubectl("get", kinds, "-A", "-o", "json")
    if done.returncode:
        raise Problem(
            f"the cluster's API server does not answer: {last_line(done.stderr)}",
            "see `netspec status`; `netspec up` repairs a half-made cluster",
        )
    return parse_state(json.loads(done.stdout)["items"])


def read_settings(access: Access) -> Settings:
    done = access.kubectl("get", "configmaps,ippools.crd.projectcalico.org", "-A", "-o", "json")
    if done.returncode:
        return Settings(problem=last_line(done.stderr))
    items = json.loads(done.stdout)["items"]
    pools = tuple(i["spec"] for i in items if i["kind"] == "IPPool" and not i["spec"].get("disabled"))
    corefiles = [
        i.get("data", {}).get("Corefile", "")
        for i in items
        if i["kind"] == "ConfigMap"
        and (i["metadata"]["namespace"], i["metadata"]["name"]) == ("kube-system", "coredns")
    ]
    return Settings(pools, corefiles[0] if corefiles else "")


def parse_state(items: list[dict[str, Any]]) -> State:
    by_kind: dict[str, list[dict[str, Any]]] = {}
    for item in items:
        by_kind.setdefault(item["kind"], []).append(item)
    return State(
        nodes=tuple(sorted(map(_node, by_kind.get("Node", [])), key=lambda n: n.name)),
        pods=tuple(sorted((p for p in map(_pod, by_kind.get("Pod", [])) if p), key=lambda p: p.id)),
        services={_id(i): _service(i["spec"]) for i in by_kind.get("Service", [])},
        ready_replicas={_id(i): i.get("status", {}).get("readyReplicas", 0) for i in by_kind.get("Deployment", [])},
        stale_canaries=tuple(
            i["metadata"]["name"] for i in by_kind.get("Namespace", []) if _is_stale_canary(i) and not _is_ending(i)
        ),
        endpoints=_endpoints(by_kind.get("EndpointSlice", [])),
    )


def _endpoints(slices: list[dict[str, Any]]) -> dict[str, tuple[Endpoint, ...]]:
    """Service id -> what is behind its ports. A condition that is absent means ready (discovery.k8s.io/v1)."""
    out: dict[str, tuple[Endpoint, ...]] = {}
    for item in slices:
        meta = item["metadata"]
        service = f"{meta['namespace']}/{meta.get('labels', {}).get('kubernetes.io/service-name', '')}"
        ready = [e for e in item.get("endpoints") or () if (e.get("conditions") or {}).get("ready") is not False]
        out[service] = out.get(service, ()) + tuple(
            Endpoint(
                port.get("name") or "", _endpoint_id(e, meta["namespace"]), port.get("port") or 0, port["protocol"]
            )
            for port in item.get("ports") or ()
            for e in ready
        )
    return out


def _endpoint_id(endpoint: Mapping[str, Any], namespace: str) -> str:
    target = endpoint.get("targetRef") or {}
    return f"{namespace}/{target['name']}" if target.get("kind") == "Pod" else str(endpoint["addresses"][0])


def _id(item: Mapping[str, Any]) -> str:
    return f"{item['metadata']['namespace']}/{item['metadata']['name']}"


def _is_ending(item: Mapping[str, Any]) -> bool:
    return "deletionTimestamp" in item["metadata"]


def _is_stale_canary(item: Mapping[str, Any]) -> bool:
    """Left by a run that was killed; a younger one may be another run's that is still going on."""
    if CANARY_LABEL not in item["metadata"].get("labels", {}):
        return False
    made = datetime.fromisoformat(item["metadata"]["creationTimestamp"])
    return datetime.now(UTC) - made > CANARY_LIFE


def _node(item: Mapping[str, Any]) -> Node:
    addresses = [a["address"] for a in item["status"].get("addresses", []) if a["type"] == "InternalIP"]
    taints = [t["effect"] for t in item["spec"].get("taints", [])]
    return Node(
        item["metadata"]["name"],
        addresses[0] if addresses else "",
        not any(t in ("NoSchedule", "NoExecute") for t in taints),
    )


def _pod(item: Mapping[str, Any]) -> Pod | None:
    status, spec = item.get("status", {}), item["spec"]
    if _is_ending(item) or status.get("phase") in ("Succeeded", "Failed"):
        return None
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", []))
    return Pod(
        item["metadata"]["namespace"],
        item["metadata"]["name"],
        spec.get("nodeName", ""),
        status.get("podIP", ""),
        item["metadata"].get("labels", {}),
        ready and bool(status.get("podIP")),
        _running(status.get("containerStatuses", [])),
        _running(status.get("ephemeralContainerStatuses", [])),
    )


def _running(statuses: list[dict[str, Any]]) -> tuple[str, ...]:
    return tuple(s["name"] for s in statuses if "running" in s.get("state", {}))


def _service(spec: Mapping[str, Any]) -> LiveService:
    return LiveService(
        spec.get("clusterIP", ""),
        {(p["port"], p.get("protocol", "TCP")): p.get("nodePort", 0) for p in spec.get("ports", [])},
    )
