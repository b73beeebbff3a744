"""A cluster that somebody else made, against the real Pulumi engine and kubernetes plugin."""

import copy
from typing import Any

import pytest

from netspec.deploy.existing import STACK
from tests.engine.conftest import World

pytestmark = pytest.mark.engine

SPEC = """
apiVersion: netspec.dev/v1alpha1
kind: NetworkSpec
metadata: {name: shop}
namespaces: [{name: shop, defaultDeny: [ingress]}]
workloads: [{name: web, namespace: shop, labels: {app: web}, ports: [{port: 8080}], standIn: true}]
services: [{name: web, namespace: shop, selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}]
stacks:
  shop: {cluster: {type: existing}, cni: {provider: calico, managed: false}}
"""
NAMESPACE = "/api/v1/namespaces/shop"
THEIRS = "/api/v1/namespaces/theirs"


def namespace(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "uid": f"uid-of-{name}", "generation": 1, "resourceVersion": "1"},
    }


def test_a_stack_on_it_comes_and_goes_and_leaves_the_rest(world: World) -> None:
    world.write_spec(SPEC)
    world.api.objects[THEIRS] = theirs = namespace("theirs")
    before = copy.deepcopy(theirs)
    made = world.up()
    assert set(made) == {"create"}
    assert world.api.objects[NAMESPACE]["metadata"]["annotations"][STACK] == "shop-shop"
    assert world.up() == {"same": made["create"]}
    assert world.docker["containers"] == {} == world.docker["networks"], "no container engine has part in it"
    status = world.run("status", "--stack", "shop").stdout
    assert "somebody else's, which `down` leaves as it is" in status
    policy = next(path for path in world.api.objects if "networkpolicies" in path)
    world.api.objects[policy]["metadata"]["uid"] = "of-one-that-somebody-made-again"
    world.run("down", "--stack", "shop")
    assert world.api.objects == {THEIRS: before}
    assert f"DELETE {NAMESPACE}" in world.api.requests


def test_nothing_of_somebody_else_s_is_taken_over(world: World) -> None:
    world.write_spec(SPEC)
    world.api.objects[NAMESPACE] = namespace("shop")
    said = world.up(code=2)["stderr"]
    assert "on the cluster already, and not of this stack: Namespace shop" in said
    assert "rename what the spec declares" in said
    assert not [r for r in world.api.requests if r.startswith(("PATCH", "DELETE"))]


def test_a_context_that_leads_elsewhere_by_now_is_an_error(world: World) -> None:
    world.write_spec(SPEC)
    world.up()
    requests = len(world.api.requests)
    world.steer("identity", "uid-2")
    assert "is on another cluster than its context leads to now" in world.up(code=2)["stderr"]
    assert len(world.api.requests) == requests
