"""What runs on the cluster now: nodes, pods and Services, from one kubectl call."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from netspec.diagnostics import Problem
from netspec.ir.model import WORKLOAD_LABEL, Workload
from netspec.ir.selectors import Selector
from netspec.ir.services import DEFAULTS
from netspec.toolchain.programs import last_line, telling_line
from netspec.verify.access import Access

#: On the canary's namespace, and how long it lives at most.
CANARY_LABEL = "netspec.dev/canary"
CANARY_LIFE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Pod:
    """`containers` are the running ones, in the pod's order; ephemeral ones are apart: name -> waiting, running or
    terminated, "" where the kubelet has not said. `host_ports`: port of the node, protocol. `controlled`: something
    made it that would make it again. `unscheduled`: why no node takes it; `failed`: a container of it ended with an
    error and is to be started again."""

    namespace: str
    name: str
    node: str
    address: str
    labels: Mapping[str, str]
    ready: bool
    containers: tuple[str, ...] = ()
    ephemeral: Mapping[str, str] = field(default_factory=dict)
    host_network: bool = False
    host_ports: tuple[tuple[int, str], ...] = ()
    controlled: bool = True
    unscheduled: str = ""
    failed: bool = False

    @property
    def id(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Node:
    """`open`: pods that tolerate nothing can run here."""

    name: str
    address: str
    open: bool
    ready: bool = True


@dataclass(frozen=True, slots=True)
class LiveService:
    """`ports`: (port, protocol) -> node port, 0 where there is none; `names` the same to the port's name, "" for none;
    `targets` to the pods' port. `cluster_ip` is "None" for a headless Service, "" for one that is a name only.
    `others`: of the further fields those that are not at the API's default (netspec/ir/services.py). `balanced`: the
    addresses, or names, that its load balancer gave."""

    cluster_ip: str
    ports: Mapping[tuple[int, str], int]
    names: Mapping[tuple[int, str], str] = field(default_factory=dict)
    type: str = "ClusterIP"
    external_traffic_policy: str = ""
    external_ips: tuple[str, ...] = ()
    selector: Mapping[str, str] = field(default_factory=dict)
    targets: Mapping[tuple[int, str], int | str] = field(default_factory=dict)
    external_name: str = ""
    publish_not_ready: bool = False
    others: Mapping[str, Any] = field(default_factory=dict)
    balanced: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LiveWorkload:
    """What makes pods: `labels` and `ports` (name, number, protocol) are its pods'; `host_ports` port of the node and
    protocol."""

    replicas: int
    ready: int
    labels: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[tuple[str, int, str], ...] = ()
    host_network: bool = False
    host_ports: tuple[tuple[int, str], ...] = ()
    service_name: str = ""
    hostname: str = ""
    subdomain: str = ""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A ready pod behind a port of a Service, from an EndpointSlice; `pod` is "namespace/name", or an address where
    the endpoint is not a pod. `name` is the Service port's, "" for none."""

    name: str
    pod: str
    number: int
    protocol: str


#: Of so many pods that failed the log is read, so many lines.
_ASKED, _LINES = 4, 20
#: What makes pods besides Deployments.
_OTHERS = ("StatefulSet", "DaemonSet", "Job")


@dataclass(frozen=True)
class State:
    nodes: tuple[Node, ...]
    pods: tuple[Pod, ...]
    services: Mapping[str, LiveService]
    deployments: Mapping[str, LiveWorkload]
    stale_canaries: tuple[str, ...] = ()
    endpoints: Mapping[str, tuple[Endpoint, ...]] = field(default_factory=dict)
    #: name -> labels
    namespaces: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    #: (kind, id) -> what makes pods besides Deployments
    others: Mapping[tuple[str, str], LiveWorkload] = field(default_factory=dict)

    def controller(self, kind: str, id_: str) -> LiveWorkload | None:
        return self.deployments.get(id_) if kind == "Deployment" else self.others.get((kind, id_))


def pods_by_workload(
    pods: Sequence[Pod], workloads: Sequence[Workload], *, ready_only: bool = True
) -> dict[str, tuple[Pod, ...]]:
    """Workload id -> its ready pods that are not being deleted, by name; those that run, where the spec says that they
    never become ready.

    A pod is of one workload: a stand-in's by the label that its Deployment selects by, another one's by the labels of
    the workload that says most of it, so that a pod of {app, tier} is not asked for one of {app}.
    """
    found: dict[str, list[Pod]] = {w.id: [] for w in workloads}
    stand_ins = {(w.namespace, w.name): w for w in workloads if w.stand_in}
    foreign = sorted((w for w in workloads if not w.stand_in), key=lambda w: (-len(w.labels), w.id))
    selectors = [(w, Selector.of(w.labels)) for w in foreign]
    for pod in sorted(pods, key=lambda p: p.id):
        owner = stand_ins.get((pod.namespace, pod.labels.get(WORKLOAD_LABEL, ""))) or next(
            (w for w, selector in selectors if w.namespace == pod.namespace and selector.matches(pod.labels)), None
        )
        if owner and (pod.ready or not ready_only or (not owner.ready and pod.address and pod.containers)):
            found[owner.id].append(pod)
    return {workload: tuple(theirs) for workload, theirs in found.items()}


def read_words(access: Access, state: State) -> dict[str, str]:
    """Pod -> what it says of its end, of pods that a container has failed in; of the first few, for many fail alike."""
    failed = [p for p in state.pods if p.failed and not p.ready][:_ASKED]
    out = {}
    for pod in failed:
        words = ("logs", pod.name, "--namespace", pod.namespace, "--all-containers", f"--tail={_LINES}")
        done = access.kubectl(*words)
        out[pod.id] = telling_line(done.stdout) if done.returncode == 0 else ""
    return out


def read_state(access: Access) -> State:
    kinds = "nodes,namespaces,pods,services,endpointslices.discovery.k8s.io,"
    kinds += "deployments.apps,statefulsets.apps,daemonsets.apps,jobs.batch"
    done = access.kubectl("get", kinds, "-A", "-o", "json")
    if done.returncode:
        raise Problem(
            f"the cluster's API server does not answer: {last_line(done.stderr)}",
            "see `netspec status`; `netspec up` repairs a half-made cluster",
        )
    return parse_state(json.loads(done.stdout)["items"])


def parse_state(items: list[dict[str, Any]]) -> State:
    by_kind: dict[str, list[dict[str, Any]]] = {}
    for item in items:
        by_kind.setdefault(item["kind"], []).append(item)
    return State(
        nodes=tuple(sorted(map(_node, by_kind.get("Node", [])), key=lambda n: n.name)),
        pods=tuple(sorted((p for p in map(_pod, by_kind.get("Pod", [])) if p), key=lambda p: p.id)),
        services={_id(i): _service(i) for i in by_kind.get("Service", [])},
        deployments={_id(i): _controller(i) for i in by_kind.get("Deployment", [])},
        others={(kind, _id(i)): _controller(i) for kind in _OTHERS for i in by_kind.get(kind, [])},
        stale_canaries=tuple(
            i["metadata"]["name"] for i in by_kind.get("Namespace", []) if _is_stale_canary(i) and not _is_ending(i)
        ),
        endpoints=_endpoints(by_kind.get("EndpointSlice", [])),
        namespaces={i["metadata"]["name"]: i["metadata"].get("labels", {}) for i in by_kind.get("Namespace", [])},
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
        _is_ready(item),
    )


def _is_ready(item: Mapping[str, Any]) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in item.get("status", {}).get("conditions", []))


def _pod(item: Mapping[str, Any]) -> Pod | None:
    status, spec = item.get("status", {}), item["spec"]
    if _is_ending(item) or status.get("phase") in ("Succeeded", "Failed"):
        return None
    declared = {c["name"]: "" for c in spec.get("ephemeralContainers", [])}
    return Pod(
        item["metadata"]["namespace"],
        item["metadata"]["name"],
        spec.get("nodeName", ""),
        status.get("podIP", ""),
        item["metadata"].get("labels", {}),
        _is_ready(item) and bool(status.get("podIP")),
        tuple(s["name"] for s in status.get("containerStatuses", []) if "running" in s.get("state", {})),
        declared
        | {s["name"]: next(iter(s.get("state", {})), "") for s in status.get("ephemeralContainerStatuses", [])},
        bool(spec.get("hostNetwork")),
        tuple(
            (port["hostPort"], port.get("protocol", "TCP"))
            for container in (*spec.get("initContainers", ()), *spec.get("containers", ()))
            for port in container.get("ports", ())
            if port.get("hostPort")
        ),
        any(ref.get("controller") for ref in item["metadata"].get("ownerReferences", ())),
        next((c.get("message", "") for c in status.get("conditions", ()) if _is_unscheduled(c)), ""),
        any(map(_has_failed, (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())))),
    )


def _is_unscheduled(condition: Mapping[str, str]) -> bool:
    return condition["type"] == "PodScheduled" and condition["status"] == "False"


def _has_failed(container: Mapping[str, Any]) -> bool:
    """Not running, after it ended with an error."""
    ends = [container.get(key, {}).get("terminated", {}).get("exitCode", 0) for key in ("state", "lastState")]
    return any(ends) and "running" not in container.get("state", {})


def _service(item: Mapping[str, Any]) -> LiveService:
    spec, given = item["spec"], item.get("status", {}).get("loadBalancer", {}).get("ingress") or ()
    ports = {(p["port"], p.get("protocol", "TCP")): p for p in spec.get("ports", [])}
    spoken = {f"{n}/{protocol}": p["appProtocol"] for (n, protocol), p in ports.items() if p.get("appProtocol")}
    return LiveService(
        spec.get("clusterIP", ""),
        {key: port.get("nodePort", 0) for key, port in ports.items()},
        {key: port.get("name", "") for key, port in ports.items()},
        spec.get("type", "ClusterIP"),
        spec.get("externalTrafficPolicy", ""),
        tuple(spec.get("externalIPs", ())),
        spec.get("selector", {}),
        {key: port.get("targetPort", port["port"]) for key, port in ports.items()},
        spec.get("externalName", ""),
        spec.get("publishNotReadyAddresses", False),
        {key: spec[key] for key, default in DEFAULTS.items() if spec.get(key, default) != default}
        | ({"appProtocol": spoken} if spoken else {}),
        tuple(entry.get("ip") or entry.get("hostname", "") for entry in given),
    )


def _controller(item: Mapping[str, Any]) -> LiveWorkload:
    """A Deployment, StatefulSet, DaemonSet or Job. A container that ends before the others serves nothing."""
    spec, status = item["spec"], item.get("status", {})
    pod = spec["template"]["spec"]
    sidecars = [c for c in pod.get("initContainers", ()) if c.get("restartPolicy") == "Always"]
    ports = [p for container in (*sidecars, *pod.get("containers", ())) for p in container.get("ports", ())]
    wanted = spec.get("parallelism" if item["kind"] == "Job" else "replicas", 1)
    ready = status.get("readyReplicas", 0)
    if item["kind"] == "DaemonSet":
        wanted, ready = status.get("desiredNumberScheduled", 0), status.get("numberReady", 0)
    on_host = bool(pod.get("hostNetwork"))
    return LiveWorkload(
        wanted,
        ready,
        spec["template"]["metadata"].get("labels", {}),
        tuple((p.get("name", ""), p["containerPort"], p.get("protocol", "TCP")) for p in ports),
        on_host,
        tuple((p["hostPort"], p.get("protocol", "TCP")) for p in ports if p.get("hostPort") and not on_host),
        spec.get("serviceName", ""),
        pod.get("hostname", ""),
        pod.get("subdomain", ""),
    )
