"""How many pods a node of a pretended VPC really has room for (`NETSPEC_LIVE_STACK=vpc`): as many as capacity says."""

import json
import time
from collections.abc import Iterator

import pytest
from faulting import worker
from live_cluster import Live

from netspec.catalogue import IMAGES
from netspec.probes import FactProbe

NAME = "netspec-room"
#: Where kind's kubelets have their limit.
CONFIG = "/var/lib/kubelet/config.yaml"
#: What the plugin tells the kubelet when the agent has no address left (cmd/routed-eni-cni-plugin/cni.go).
FULL = "failed to assign an IP address to container"
#: Where kubelets' limit is put, out of the way; and how many pods more than there are addresses for.
MANY, OVER = 110, 8
#: Seconds that the kubelet may take for as many pods.
LIMIT = 240


def room(live: Live) -> int:
    """The addresses for pods that a node has, as `capacity` counts them: what each agent is asked for too."""
    (counted,) = (p.expect for p in live.probes if isinstance(p, FactProbe) and p.fact == "cni-addresses")
    return int(counted)


@pytest.fixture
def crowded(live: Live) -> Iterator[str]:
    """A node whose kubelet takes more pods than there are addresses for, and more pods than that on it."""
    if not live.ir.traits.outputs.get("attached"):
        pytest.skip("the stack's nodes are no pretended instances")
    replicas = room(live) + OVER
    if replicas > MANY:
        pytest.skip(f"not run: a node has {room(live)} addresses, more than a kubelet has pods")
    node = worker(live)
    pod = {
        "nodeSelector": {"kubernetes.io/hostname": node},
        "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": False,
        "containers": [{"name": "pause", "image": IMAGES["agnhost"], "args": ["pause"]}],
    }
    labels = {"app": NAME}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }
    try:
        live.on_node(node, f"cp {CONFIG} {CONFIG}.{NAME} && sed -i 's/^maxPods:.*/maxPods: {MANY}/' {CONFIG}")
        live.on_node(node, "systemctl restart kubelet")
        live.kubectl("apply", "-f", "-", stdin=json.dumps(deployment))
        yield node
    finally:
        live.kubectl("delete", "deployment", NAME, "--ignore-not-found", "--wait=true", limit=180)
        live.on_node(node, f"[ ! -e {CONFIG}.{NAME} ] || mv {CONFIG}.{NAME} {CONFIG}; systemctl restart kubelet")


def _with_addresses(live: Live, node: str) -> set[str]:
    """Of the pods on a node that are in the pod network: their addresses."""
    found = json.loads(live.kubectl("get", "pods", "-A", "--field-selector", f"spec.nodeName={node}", "-o", "json"))
    own = (p for p in found["items"] if not p["spec"].get("hostNetwork"))
    return {p["status"]["podIP"] for p in own if p["status"].get("podIP")}


def test_a_node_is_full_when_capacity_says_so(live: Live, crowded: str) -> None:
    end = time.monotonic() + LIMIT
    while len(_with_addresses(live, crowded)) < room(live) and time.monotonic() < end:
        time.sleep(3)
    time.sleep(10)  # long enough for one more, if there were an address
    assert len(_with_addresses(live, crowded)) == room(live)
    refused = ("--field-selector", "reason=FailedCreatePodSandBox")
    events = live.kubectl("get", "events", "-n", "default", *refused, "-o", "json")
    said = [e["message"] for e in json.loads(events)["items"] if e["involvedObject"]["name"].startswith(NAME)]
    assert said and all(FULL in message for message in said)
