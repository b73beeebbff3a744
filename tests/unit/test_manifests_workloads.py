"""Pods to workloads: owners collapse, pods that differ do not; Services and routes to endpoints."""

import json
from typing import Any

import pytest

from netspec.analysis.matrix import Matrix
from netspec.analysis.services import Endpoints
from netspec.ir.model import Inventory
from netspec.manifests.read import read_texts


def inventory(*objects: dict[str, Any]) -> Inventory:
    reading = read_texts([(f"{i}.json", json.dumps(o)) for i, o in enumerate(objects)])
    assert reading.diagnostics == ()
    return reading.inventory


def made(version: str, kind: str, name: str, spec: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, **metadata}, "spec": spec}


def template(labels: dict[str, str], *ports: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "ports": list(ports)}], **spec}}


def owned(kind: str, name: str) -> dict[str, Any]:
    return {"ownerReferences": [{"apiVersion": "apps/v1", "kind": kind, "name": name, "controller": True}]}


def pod(name: str, labels: dict[str, str], **metadata: Any) -> dict[str, Any]:
    return made("v1", "Pod", name, {"containers": [{"name": "c"}]}, labels=labels, **metadata)


@pytest.mark.parametrize(
    ("version", "kind"),
    [
        ("apps/v1", "Deployment"),
        ("apps/v1", "ReplicaSet"),
        ("apps/v1", "StatefulSet"),
        ("apps/v1", "DaemonSet"),
        ("batch/v1", "Job"),
        ("v1", "ReplicationController"),
    ],
)
def test_every_kind_with_a_template_is_a_workload(version: str, kind: str) -> None:
    found = inventory(made(version, kind, "web", {"template": template({"app": "web"}, {"containerPort": 80})}))
    (workload,) = found.workloads
    assert (workload.id, workload.kind, workload.labels["app"]) == ("default/web", kind, "web")
    assert [p.port for p in workload.ports] == [80]


def test_a_cron_job_is_a_workload() -> None:
    spec = {"jobTemplate": {"spec": {"template": template({"app": "tidy"})}}}
    (workload,) = inventory(made("batch/v1", "CronJob", "tidy", spec)).workloads
    assert (workload.kind, workload.labels) == ("CronJob", {"app": "tidy"})


def test_pods_collapse_to_the_owner_at_the_top() -> None:
    found = inventory(
        made("apps/v1", "Deployment", "web", {"replicas": 2, "template": template({"app": "web"})}),
        made("apps/v1", "ReplicaSet", "web-7d4b", {"template": template({"app": "web"})}, **owned("Deployment", "web")),
        pod("web-7d4b-a", {"app": "web", "pod-template-hash": "7d4b"}, **owned("ReplicaSet", "web-7d4b")),
        pod("web-7d4b-b", {"app": "web", "pod-template-hash": "7d4b"}, **owned("ReplicaSet", "web-7d4b")),
    )
    (workload,) = found.workloads
    assert (workload.id, workload.kind, workload.replicas) == ("default/web", "Deployment", 2)


def test_pods_of_an_owner_that_was_not_read_collapse_to_its_name() -> None:
    found = inventory(
        pod("a", {"app": "x"}, **owned("ReplicaSet", "x-1")), pod("b", {"app": "x"}, **owned("ReplicaSet", "x-1"))
    )
    assert [(w.id, w.kind) for w in found.workloads] == [("default/x-1", "ReplicaSet")]


def test_an_owner_that_does_not_control_is_no_owner() -> None:
    kept = {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "keep"}]}
    assert [w.id for w in inventory(pod("a", {}, **kept), pod("b", {}, **kept)).workloads] == ["default/a", "default/b"]


def test_what_an_operator_makes_keeps_its_name() -> None:
    found = inventory(
        made("apps/v1", "Deployment", "server", {"template": template({"app": "s"})}, **owned("ArgoCD", "argo")),
        made("apps/v1", "StatefulSet", "redis", {"template": template({"app": "r"})}, **owned("ArgoCD", "argo")),
        made("apps/v1", "ReplicaSet", "web-1", {"template": template({"app": "w"})}, **owned("Rollout", "web")),
        made("apps/v1", "ReplicaSet", "web-2", {"template": template({"app": "w"})}, **owned("Rollout", "web")),
    )
    assert [(w.id, w.kind) for w in found.workloads] == [
        ("default/redis", "StatefulSet"),
        ("default/server", "Deployment"),
        ("default/web", "Rollout"),
    ]


def test_pods_of_one_owner_with_different_labels_do_not_collapse() -> None:
    found = inventory(
        pod("x-a", {"app": "x", "role": "leader"}, **owned("StatefulSet", "x")),
        pod("x-b", {"app": "x"}, **owned("StatefulSet", "x")),
        pod("x-c", {"app": "x"}, **owned("StatefulSet", "x")),
    )
    assert [(w.id, w.replicas) for w in found.workloads] == [("default/x/x-a", 1), ("default/x/x-b", 2)]


def test_a_controllers_label_tells_pods_apart_where_a_selector_names_it() -> None:
    key = "statefulset.kubernetes.io/pod-name"
    pods = [pod(f"db-{i}", {"app": "db", key: f"db-{i}"}, **owned("StatefulSet", "db")) for i in range(2)]
    assert [w.id for w in inventory(*pods).workloads] == ["default/db"]
    service = made("v1", "Service", "first", {"selector": {key: "db-0"}, "ports": [{"port": 1}]})
    assert [w.id for w in inventory(*pods, service).workloads] == ["default/db/db-0", "default/db/db-1"]


def test_a_statefulset_known_by_its_template_has_a_pod_for_each_ordinal_where_a_selector_names_it() -> None:
    db = made("apps/v1", "StatefulSet", "db", {"replicas": 2, "template": template({"app": "db"})})
    (whole,) = inventory(db).workloads
    assert (whole.id, whole.replicas, whole.labels) == ("default/db", 2, {"app": "db"})
    selector = {"statefulset.kubernetes.io/pod-name": "db-0"}
    service = made("v1", "Service", "first", {"selector": selector, "ports": [{"port": 1}]})
    found = inventory(db, service)
    assert [(w.id, w.replicas) for w in found.workloads] == [("default/db/db-0", 1), ("default/db/db-1", 1)]
    assert [e.workload.id for e in Endpoints(found).of_service(found.services[0])] == ["default/db/db-0"]


def test_a_job_with_a_selector_of_its_own_gets_no_labels() -> None:
    (workload,) = inventory(made("batch/v1", "Job", "j", {"manualSelector": True, "template": template({})})).workloads
    assert workload.labels == {}


def test_two_kinds_of_one_name_are_two_peers() -> None:
    found = inventory(
        made("apps/v1", "StatefulSet", "x", {"template": template({"a": "b"})}),
        made("apps/v1", "Deployment", "x", {"template": template({"a": "c"})}),
    )
    assert [(w.id, w.kind) for w in found.workloads] == [
        ("default/x", "Deployment"),
        ("default/x/StatefulSet", "StatefulSet"),
    ]


def test_pods_that_have_ended_and_static_pods() -> None:
    ended = pod("done", {}) | {"status": {"phase": "Succeeded"}}
    static = pod("kube-proxy", {}, **owned("Node", "node-1"))
    assert [(w.id, w.kind) for w in inventory(ended, static).workloads] == [("default/kube-proxy", "Pod")]


def test_host_network_and_sidecar_ports_are_read() -> None:
    sidecar = {"name": "mesh", "restartPolicy": "Always", "ports": [{"containerPort": 15001, "protocol": "UDP"}]}
    setup = {"name": "setup", "ports": [{"containerPort": 1}]}
    spec = template({}, {"containerPort": 80}, hostNetwork=True, initContainers=[setup, sidecar])
    (workload,) = inventory(made("apps/v1", "DaemonSet", "agent", {"template": spec})).workloads
    assert workload.host_network
    assert [(p.port, p.protocol) for p in workload.ports] == [(15001, "UDP"), (80, "TCP")]


def test_pod_ranges_come_from_nodes_and_from_running_pods() -> None:
    def running(name: str, address: str) -> dict[str, Any]:
        return pod(name, {}) | {"status": {"phase": "Running", "podIP": address}}

    def ranges(*objects: dict[str, Any]) -> list[str]:
        return [str(n) for n in inventory(*objects).pod_cidrs]

    node = made("v1", "Node", "n", {"podCIDRs": ["10.1.0.0/16", "2001:db8::/56"]})
    assert ranges(node) == ["10.1.0.0/16", "2001:db8::/56"]
    assert ranges(running("a", "10.1.2.3")) == ["10.1.2.0/24"]
    assert ranges(running("a", "10.1.2.3"), node) == ["10.1.0.0/16", "2001:db8::/56"]
    both = running("a", "10.1.2.3"), running("b", "192.168.1.5")
    assert ranges(*both, node) == ["10.1.0.0/16", "192.168.1.0/24", "2001:db8::/56"]
    assert ranges(running("b", "192.168.1.5"), node) == ["192.168.1.0/24"]


# Services and routes

WEB = made(
    "apps/v1", "Deployment", "web", {"template": template({"app": "web"}, {"name": "http", "containerPort": 8080})}
)
OLD = made("apps/v1", "Deployment", "old", {"template": template({"app": "web"}, {"containerPort": 80})})


def service(**spec: Any) -> dict[str, Any]:
    return made("v1", "Service", "web", spec)


def endpoints(*objects: dict[str, Any]) -> list[tuple[str, int]]:
    found = inventory(*objects)
    return [(e.workload.id, e.number) for e in Endpoints(found).of_service(found.services[0])]


def test_a_flow_to_a_service_is_the_flow_to_its_target_ports() -> None:
    by_name = service(selector={"app": "web"}, ports=[{"port": 80, "targetPort": "http"}])
    assert endpoints(WEB, OLD, by_name) == [("default/web", 8080)]
    by_number = service(selector={"app": "web"}, ports=[{"port": 80, "targetPort": 9}])
    assert endpoints(WEB, OLD, by_number) == [("default/old", 9), ("default/web", 9)]
    default = service(selector={"app": "web"}, ports=[{"port": 80}])
    assert endpoints(WEB, default) == [("default/web", 80)]


def test_services_without_endpoints() -> None:
    assert endpoints(WEB, service(ports=[{"port": 80}])) == []
    assert endpoints(WEB, service(type="ExternalName", externalName="x.example", selector={"app": "web"})) == []
    scaled = made("apps/v1", "Deployment", "web", {"replicas": 0, "template": template({"app": "web"})})
    assert endpoints(scaled, service(selector={"app": "web"}, ports=[{"port": 80}])) == []
    headless = service(clusterIP="None", selector={"app": "web"}, ports=[{"port": 80, "targetPort": "http"}])
    assert endpoints(WEB, headless) == [("default/web", 8080)]


def entered(*objects: dict[str, Any]) -> dict[str, Any]:
    """What the ingress peer reaches: destination -> the row."""
    document = json.loads("".join(Matrix(inventory(*objects)).to_json()))
    return {c["destination"]: c for c in document["connections"] if c["source"] == "ingress"}


INGRESS = made(
    "networking.k8s.io/v1",
    "Ingress",
    "web",
    {"rules": [{"http": {"paths": [{"backend": {"service": {"name": "web", "port": {"number": 80}}}}]}}]},
)
SERVICE = service(selector={"app": "web"}, ports=[{"name": "main", "port": 80, "targetPort": "http"}])


def test_an_ingress_lets_the_outside_in_to_its_backends() -> None:
    assert entered(WEB, SERVICE, INGRESS)["default/web"]["allow"] == {"TCP": [[8080, 8080]]}


def gateway_route(
    rule: dict[str, Any], *parents: dict[str, Any], kind: str = "HTTPRoute", **metadata: Any
) -> dict[str, Any]:
    spec = {"parentRefs": list(parents or [{"name": "gateway"}]), "rules": [rule]}
    return made("gateway.networking.k8s.io/v1", kind, "r", spec, **metadata)


@pytest.mark.parametrize(("kind", "protocol"), [("HTTPRoute", "TCP"), ("GRPCRoute", "TCP"), ("UDPRoute", "UDP")])
def test_gateway_routes_let_the_outside_in(kind: str, protocol: str) -> None:
    route = gateway_route({"backendRefs": [{"name": "web", "port": 80}]}, kind=kind)
    target = service(selector={"app": "web"}, ports=[{"port": 80, "targetPort": 5, "protocol": protocol}])
    listeners = [{"name": "a", "port": 80, "protocol": "UDP" if protocol == "UDP" else "HTTP"}]
    gateway = made("gateway.networking.k8s.io/v1", "Gateway", "gateway", {"listeners": listeners})
    assert entered(WEB, target, route, gateway)["default/web"]["allow"] == {protocol: [[5, 5]]}


def test_a_route_without_a_gateway_leads_nothing_in() -> None:
    rule = {"backendRefs": [{"name": "web", "port": 80}]}
    mesh, gateway = {"kind": "Service", "name": "web"}, {"kind": "Gateway", "name": "edge"}
    loose = gateway_route(rule)
    del loose["spec"]["parentRefs"]
    assert entered(WEB, SERVICE, loose) == {}
    assert entered(WEB, SERVICE, gateway_route(rule, mesh)) == {}
    assert "default/web" in entered(WEB, SERVICE, gateway_route(rule, mesh, gateway))


def test_mirrored_requests_are_let_in() -> None:
    mirror = {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "web", "port": 80}}}
    other = {"name": "other", "port": 80, "filters": [mirror]}
    assert "default/web" in entered(WEB, SERVICE, gateway_route({"backendRefs": [], "filters": [mirror]}))
    assert "default/web" in entered(WEB, SERVICE, gateway_route({"backendRefs": [other]}))
    assert entered(WEB, SERVICE, gateway_route({"backendRefs": [other | {"weight": 0}]})) == {}


def test_a_route_into_another_namespace_needs_a_grant() -> None:
    reference = {"name": "web", "namespace": "default", "port": 80}
    route = gateway_route({"backendRefs": [reference]}, namespace="edge")
    grant = made(
        "gateway.networking.k8s.io/v1beta1",
        "ReferenceGrant",
        "g",
        {
            "from": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "edge"}],
            "to": [{"group": "", "kind": "Service", "name": "web"}],
        },
    )
    assert entered(WEB, SERVICE, route) == {}
    assert "default/web" in entered(WEB, SERVICE, route, grant)


def test_a_policy_that_lets_some_pods_in_leaves_the_proxy_open() -> None:
    """The proxy's own labels are not known."""
    spec = {"podSelector": {}, "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"edge": "yes"}}}]}]}
    policy = made("networking.k8s.io/v1", "NetworkPolicy", "edge", spec)
    home = made("v1", "Namespace", "default", {})
    row = entered(WEB, SERVICE, INGRESS, policy, home)["default/web"]
    assert "allow" not in row
    assert row["undefined"] == {"TCP": [[8080, 8080]]}
    closed = made("networking.k8s.io/v1", "NetworkPolicy", "deny", {"podSelector": {}})
    assert entered(WEB, SERVICE, INGRESS, closed) == {}
