"""Faults of the way to the front door's address, where MetalLB gives it: its speaker, and the proxy's node."""

from collections.abc import Iterator
from contextlib import contextmanager

from faulting import WAIT, Expected, fault, on_node, patched, rolled_out, settled, split, undone
from faults_edge import front_of
from live_cluster import Live


def _speakers(live: Live) -> str:
    read = next(p.read for p in live.probes if p.id == "fact:load-balancer-speakers:nodes")
    return f"{read.namespace}/{read.name}"  # type: ignore[union-attr]


@fault("the load balancer's speaker on the proxy's node gone")
def speaker_gone(live: Live) -> Iterator[Expected]:
    """No other may answer for the proxy's address, which is for its own node alone; for others' addresses one does."""
    with _elsewhere(live, _speakers(live), _proxy_s_node(live)):
        yield Expected(
            [f"load-balancer-speakers of nodes is not as the spec has it: ready is {live.ir.traits.nodes - 1}"]
        )


def _proxy_s_node(live: Live) -> str:
    workload = front_of(live).workload
    selector = ",".join(f"{key}={value}" for key, value in workload.labels.items())
    where = ("-n", workload.namespace, "-l", selector, "-o", "jsonpath={.items[0].spec.nodeName}")
    return live.kubectl("get", "pods", *where).strip()


@contextmanager
def _elsewhere(live: Live, daemonset: str, node: str) -> Iterator[None]:
    """Its pods on every node but one."""
    namespace, name = split(daemonset)
    others = {"key": "kubernetes.io/hostname", "operator": "NotIn", "values": [node]}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [others]}]}
    there = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
    try:
        patched(live, "daemonset", daemonset, {"spec": {"template": {"spec": {"affinity": there}}}})
        on_it = ("-l", f"component={name}", f"--field-selector=spec.nodeName={node}")
        live.kubectl("wait", "--for=delete", "pods", "-n", namespace, *on_it, WAIT, limit=130)
        settled(live, daemonset)
        yield
    finally:
        patched(live, "daemonset", daemonset, {"spec": {"template": {"spec": {"affinity": None}}}})
        settled(live, daemonset)


@fault("the proxy's node off the network")
def node_gone(live: Live) -> Iterator[Expected]:
    """Its pods run on, and nobody hears of them."""
    node, workload = _proxy_s_node(live), front_of(live).workload
    route = "/run/netspec-fault"
    cut = f"ip route show default >{route} && ip link set eth0 down"
    back = f"ip link set eth0 up && ip route replace $(cat {route})"

    def heard_again() -> None:
        live.kubectl("wait", f"node/{node}", "--for=condition=Ready", WAIT, limit=130)
        rolled_out(live, workload.id)
        settled(live, _speakers(live))

    with undone(heard_again), on_node(live, node, cut, back):
        live.kubectl("wait", f"node/{node}", "--for=condition=Ready=Unknown", WAIT, limit=130)
        yield Expected([f"node {node} is not ready"])
