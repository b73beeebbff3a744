"""MetalLB in BGP mode on the running cluster, by the objects that a plan has for it, and a router outside:
bgp_router.py in the network of the host beside the cluster, which has no other way to the addresses.

Not run where the running stack has no MetalLB (NETSPEC_LIVE_STACK=edge).
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from faulting import running_beside, undone
from live_cluster import STACK, Live

from netspec.backends.registry import REGISTRY
from netspec.compiler import compile_spec
from netspec.ir.selectors import Selector
from netspec.probes import HttpAsk
from netspec.spec.load import loads
from netspec.verify.client import BROKEN, Client
from netspec.verify.sites import addresses_of, site_of

SPEC = Path(__file__).resolve().parents[2] / "stacks" / "edge.yaml"
ROUTER = Path(__file__).with_name("bgp_router.py")
#: Of a documentation range (RFC 5737): nobody asks for it by ARP.
POOL, NODES_AS, ROUTER_AS = "198.51.100.0/24", 64512, 64513
NAME = "netspec-bgp"
#: Seconds until a session, a route, or the end of one must have come.
SOON = 60.0


@pytest.fixture(scope="module", autouse=True)
def balanced(live: Live) -> None:
    if live.ir.providers.get("loadBalancer") != "metallb":
        pytest.skip("not run: the running stack has no MetalLB")


def objects(live: Live) -> list[dict[str, Any]]:
    """What the plan has for mode bgp, under names of the test's own beside those that are there."""
    spec = yaml.safe_load(SPEC.read_text())
    peer = {"address": addresses_of(f"{live.ir.cluster_name}-outside")[0], "asn": ROUTER_AS}
    balancer = {"provider": "metallb", "mode": "bgp", "asn": NODES_AS, "peers": [peer], "addresses": [POOL]}
    spec["stacks"][STACK]["loadBalancer"] = balancer
    plan = compile_spec(loads(yaml.safe_dump(spec), "edge.yaml"), STACK, REGISTRY).plan
    assert plan is not None
    found = [dict(m) for m in plan.manifests() if m["kind"] in ("IPAddressPool", "BGPAdvertisement", "BGPPeer")]
    assert [m["kind"] for m in found] == ["IPAddressPool", "BGPAdvertisement", "BGPPeer"]
    for made in found:
        made["metadata"] = {**made["metadata"], "name": NAME}
    found[0]["spec"] = {**found[0]["spec"], "autoAssign": False}
    found[1]["spec"] = {"ipAddressPools": [NAME]}
    return found


def service(live: Live, policy: str) -> dict[str, Any]:
    """Before the pods of one that the spec has."""
    like = next(s for s in live.ir.services if s.type == "LoadBalancer" and s.name == "status")
    assert isinstance(like.selector, Selector)
    port = like.ports[0]
    spec = {
        "type": "LoadBalancer",
        "externalTrafficPolicy": policy,
        "selector": dict(like.selector.match_labels),
        "ports": [{"name": "http", "port": port.port, "targetPort": port.target_port}],
    }
    meta = {"name": NAME, "namespace": like.namespace, "annotations": {"metallb.io/address-pool": NAME}}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}


@contextmanager
def router(live: Live, file: Path) -> Iterator[Callable[[], dict[str, Any]]]:
    """In the outside host's network; what it knows."""

    def knows() -> dict[str, Any]:
        return dict(json.loads(file.read_text())) if file.exists() else {"peers": [], "routes": {}}

    with running_beside(
        f"{live.ir.cluster_name}-outside", sys.executable, str(ROUTER), str(ROUTER_AS), "179", str(file)
    ):
        yield knows


def until(check: Callable[[], object], what: str) -> None:
    limit = time.monotonic() + SOON
    while not check():
        assert time.monotonic() < limit, what
        time.sleep(1)


def client_seen(live: Live, address: str, port: int) -> str:
    """The address that a pod sees the outside host by; "" where it is not reached."""
    outside = site_of(live.ir).outside()
    assert outside is not None and outside.stream is not None
    stream = outside.stream
    try:
        with Client(lambda: stream(address, port), False) as client:
            return client.ask(HttpAsk("GET", "a.test", "/clientip")).body.rpartition(":")[0]
    except BROKEN:
        return ""


def addresses(live: Live, selector: str, namespace: str) -> set[str]:
    """Of the nodes of those pods."""
    pods = json.loads(live.kubectl("get", "pods", "-n", namespace, "-l", selector, "-o", "json"))["items"]
    return {pod["status"]["hostIP"] for pod in pods if pod["status"].get("phase") == "Running"}


@pytest.mark.parametrize("policy", ["Local", "Cluster"])
def test_the_nodes_tell_a_router_which_addresses_they_answer_for(live: Live, policy: str, tmp_path: Path) -> None:
    made = [*objects(live), service(live, policy)]
    own = addresses_of(f"{live.ir.cluster_name}-outside")[0]
    spec = made[-1]["spec"]
    selector = ",".join(f"{key}={value}" for key, value in spec["selector"].items())
    namespace = made[-1]["metadata"]["namespace"]
    speakers = addresses(live, "component=speaker", "metallb-system")
    behind = addresses(live, selector, namespace)
    control_plane = addresses_of(f"{live.ir.cluster_name}-control-plane")[0]

    def removed() -> None:
        for thing in reversed(made):
            where = ("-n", thing["metadata"]["namespace"])
            live.kubectl("delete", thing["kind"].lower(), NAME, *where, "--ignore-not-found")

    with undone(removed):
        live.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(made))
        path = "-o=jsonpath={.status.loadBalancer.ingress[0].ip}"
        given = ("get", "service", NAME, "-n", namespace, path)
        until(lambda: live.kubectl(*given), "no address was given")
        address, port = live.kubectl(*given), spec["ports"][0]["port"]
        assert address.startswith("198.51.100.")
        assert client_seen(live, address, port) == "", "there is no way to it before a router says so"
        with router(live, tmp_path / "known.json") as knows:
            until(lambda: set(knows()["peers"]) == speakers, "not every speaker is in session")
            # With Cluster any node does, but for the control plane, which kubeadm labels as excluded.
            wanted = behind if policy == "Local" else speakers - {control_plane}
            until(lambda: set(knows()["routes"].get(f"{address}/32", ())) == wanted, f"no route by {sorted(wanted)}")
            seen = client_seen(live, address, port)
            assert seen and (seen == own) is (policy == "Local")
            live.kubectl("delete", "service", NAME, "-n", namespace)
            until(lambda: f"{address}/32" not in knows()["routes"], "the route is still there")
            assert client_seen(live, address, port) == ""
