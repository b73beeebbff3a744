"""What is in the spec's namespaces and not in the spec: what opens a way is wrong, the rest is listed."""

from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from verify_support import STATE, ir, pod

from netspec.ir.http import Front, HttpRoute
from netspec.probes import FactProbe
from netspec.verify.access import Access
from netspec.verify.model import Status
from netspec.verify.objects import Objects, read_objects
from netspec.verify.state import Endpoint, LiveService, Pod, State
from netspec.verify.undeclared import Undeclared, find

PROBE = FactProbe("fact:undeclared:shop", "undeclared", "shop", "nothing")
SPEC = ir(policies=())
#: The Services of the spec itself, as the cluster has them.
OWN: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web", "namespace": "shop"},
    "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
}


def service(namespace: str = "shop", selector: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    ports = [{"port": 80, "targetPort": 8080, "nodePort": 31999}]
    body = {"type": "NodePort", "selector": {"app": "web"} if selector is None else selector, "ports": ports} | spec
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x", "namespace": namespace}, "spec": body}


def ingress(service_name: str, namespace: str = "shop") -> dict[str, Any]:
    backend = {"service": {"name": service_name, "port": {"number": 80}}}
    meta = {"name": "in", "namespace": namespace}
    body = {"defaultBackend": backend}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": meta, "spec": body}


def found(*items: dict[str, Any], state: State = STATE, spec: Any = SPEC) -> Undeclared:
    live = {
        f"{i['metadata']['namespace']}/{i['metadata']['name']}": LiveService("10.96.5.5", {(80, "TCP"): 31999})
        for i in items
        if i["kind"] == "Service"
    }
    return find(spec, Objects((OWN, *items)), replace(state, services={**state.services, **live}))


def test_the_specs_own_things_are_none() -> None:
    assert found() == Undeclared()
    assert found().observe(PROBE).status is Status.PASS


@pytest.mark.parametrize(
    ("spec", "way"),
    [
        ({}, "node port 31999"),
        ({"type": "LoadBalancer", "allocateLoadBalancerNodePorts": False}, "a load balancer"),
        ({"type": "ClusterIP", "externalIPs": ["192.0.2.1"]}, "an external IP"),
    ],
)
def test_a_service_that_opens_a_door_is_wrong(spec: dict[str, Any], way: str) -> None:
    seen = found(service(**spec)).observe(PROBE)
    assert seen.status is Status.WRONG
    (told,) = seen.observed
    assert told.startswith("Service shop/x is not in the spec and opens ")
    assert way in told
    assert told.endswith("to shop/web TCP 8080")


@pytest.mark.parametrize(
    "thing",
    [
        service(type="ClusterIP"),
        service(selector={"app": "nobody"}),
        {**service(), "spec": {"type": "ExternalName", "externalName": "example.com"}},
        ingress("nowhere"),
    ],
)
def test_one_that_opens_nothing_is_listed(thing: dict[str, Any]) -> None:
    seen = found(thing).observe(PROBE)
    assert seen.status is Status.PASS
    assert f"{thing['kind']} shop/{thing['metadata']['name']}" in seen.detail


def test_a_door_to_a_pod_that_the_spec_does_not_have_is_wrong() -> None:
    behind = {"shop/x": (Endpoint("", "shop/stranger", 8080, "TCP"),)}
    state = replace(STATE, endpoints=behind, pods=(*STATE.pods, Pod("shop", "stranger", "w1", "10.244.1.7", {}, True)))
    seen = found(service(selector={"app": "nobody"}), state=state).observe(PROBE)
    assert "to shop/stranger, which belongs to no workload of the spec" in seen.observed[0]


def test_an_ingress_to_a_service_of_the_specs_is_wrong_wherever_it_is() -> None:
    assert "Ingress shop/in is not in the spec and opens a way from outside to Service shop/web" in str(
        found(ingress("web")).observe(PROBE).observed
    )
    route = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "r", "namespace": "shop"},
        "spec": {"parentRefs": [{"name": "gw"}], "rules": [{"backendRefs": [{"name": "web", "port": 80}]}]},
    }
    assert "HTTPRoute shop/r" in str(found(route).observe(PROBE).observed)


def test_other_namespaces_are_others_business() -> None:
    assert found(service("theirs"), ingress("web", "theirs")) == Undeclared()


@pytest.mark.parametrize(
    ("change", "way"),
    [
        ({"host_ports": ((8111, "TCP"),)}, "host port 8111/TCP on node w1"),
        ({"host_network": True}, "its ports on node w1, in the node's own network, where no policy is enforced"),
        ({"host_ports": ((8111, "TCP"),), "ready": False}, "host port 8111/TCP"),
    ],
)
def test_a_pod_on_its_nodes_address_is_wrong_whoever_it_is(change: dict[str, Any], way: str) -> None:
    for one in (replace(pod("web", 1), **change), replace(Pod("shop", "x", "w1", "10.0.0.1", {}, True), **change)):
        seen = found(state=replace(STATE, pods=(one,))).observe(PROBE)
        assert (seen.status, way in str(seen.observed)) == (Status.WRONG, True)


def test_a_workload_that_the_spec_puts_on_the_host_may_be_there() -> None:
    spec = ir(workloads=tuple(replace(w, host_network=w.name == "web") for w in SPEC.workloads), policies=())
    state = replace(STATE, pods=(replace(pod("web", 1), host_network=True),))
    assert found(state=state, spec=spec) == Undeclared()


def test_a_stranger_that_opens_nothing_is_listed() -> None:
    seen = found(state=replace(STATE, pods=(*STATE.pods, Pod("shop", "x", "w1", "10.0.0.1", {}, True)))).observe(PROBE)
    assert (seen.status, seen.detail) == (Status.PASS, "not the spec's, and opens nothing: pod shop/x")


def test_what_could_not_be_read_is_a_failed_check() -> None:
    seen = find(SPEC, Objects(problem="refused"), STATE).observe(PROBE)
    assert (seen.status, seen.detail) == (Status.CHECK_FAILED, "refused")


def test_each_has_the_command_that_removes_it() -> None:
    (door,) = [t for t in found(ingress("web")).things if t.opens]
    assert door.finding("dev").command == (
        "netspec exec --stack dev -- kubectl delete ingress.networking.k8s.io in --namespace shop"
    )


def test_a_route_in_somebodys_own_language_is_wrong() -> None:
    route = {
        "apiVersion": "route.openshift.io/v1",
        "kind": "Route",
        "metadata": {"name": "r", "namespace": "shop"},
        "spec": {"to": {"kind": "Service", "name": "web"}},
    }
    (door,) = found(route).things
    assert str(door) == "Route shop/r is not in the spec and opens a way in, as its kind says, which is not analysed"
    assert door.finding("dev").command.endswith("kubectl delete route.route.openshift.io r --namespace shop")


def test_what_a_route_of_the_spec_became_is_declared_and_nothing_else_of_its_kind() -> None:
    front = Front(SPEC.workloads[0], SPEC.services[0], "http", "https", kind="IngressRoute", suffixes=("", ".http"))
    route = HttpRoute("shop", "door", (), ())
    spec = replace(SPEC, http=(route,), traits=replace(SPEC.traits, front=front))

    def of(name: str, kind: str = "IngressRoute") -> Undeclared:
        meta = {"name": name, "namespace": "shop"}
        return found({"apiVersion": "traefik.io/v1alpha1", "kind": kind, "metadata": meta, "spec": {}}, spec=spec)

    assert of("door") == of("door.http") == Undeclared()
    assert [t.what for t in of("door.other").things] == ["IngressRoute shop/door.other"]
    assert [t.what for t in of("door", "IngressRouteTCP").things] == ["IngressRouteTCP shop/door"]
    # The controller reads its own kind: an Ingress of the route's name is somebody else's.
    own_ingress = ingress("web") | {"metadata": {"name": "door", "namespace": "shop"}}
    assert [t.what for t in found(own_ingress, spec=spec).things] == ["Ingress shop/door"]


def test_the_kinds_that_a_cluster_serves_are_read() -> None:
    served = """\
configmaps                 cm           v1                              true   ConfigMap
pods                       po           v1                              true   Pod
services                   svc          v1                              true   Service
httproutes                              gateway.networking.k8s.io/v1    true   HTTPRoute
routes                                  route.openshift.io/v1           true   Route
ciliumnetworkpolicies      cnp,ciliumnp cilium.io/v2                    true   CiliumNetworkPolicy
ingresses                  ing          networking.k8s.io/v1            true   Ingress
"""

    class Cluster(Access):
        def kubectl(self, *args: str, stdin: str = "", limit: float = 0) -> "CompletedProcess[str]":
            asked.append(args)
            return CompletedProcess(args, 0, served if args[0] == "api-resources" else '{"items": []}', "")

    asked: list[tuple[str, ...]] = []
    assert read_objects(Cluster(Path("none"))) == Objects()
    assert sorted(asked[1][1].split(",")) == [
        "ciliumnetworkpolicies.cilium.io",
        "httproutes.gateway.networking.k8s.io",
        "ingresses.networking.k8s.io",
        "routes.route.openshift.io",
        "services",
    ]
