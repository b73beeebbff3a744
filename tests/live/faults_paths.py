"""Faults of DNS, of nodes, and of the paths between them."""

from collections.abc import Iterator
from contextlib import contextmanager

from faulting import NAME, Expected, cluster_ip, fault, kept, on_node, patched, rolled_out, settled, undone, worker
from live_cluster import Live

from netspec.probes import DnsProbe
from netspec.probing.services import dns_name
from netspec.verify.model import Answer


@fault("a wrong DNS record")
def wrong_dns_record(live: Live) -> Iterator[Expected]:
    service = cluster_ip(live)
    name = dns_name(live.ir, service)
    restart = ("delete", "pods", "-n", "kube-system", "-l", "k8s-app=kube-dns", "--wait")

    def reloaded() -> None:
        live.kubectl(*restart)
        rolled_out(live, "kube-system/coredns")

    with undone(reloaded), kept(live, "configmap", "coredns", "-n", "kube-system") as config:
        lie = f"    hosts {{\n        192.0.2.1 {name}\n        fallthrough\n    }}\n    ready\n"
        corefile = config["data"]["Corefile"].replace("    ready\n", lie, 1)
        patched(live, "configmap", "kube-system/coredns", {"data": {"Corefile": corefile}})
        reloaded()
        said = f"not in the spec: '192.0.2.1 {name}'"
        lookup = next(p.id for p in live.probes if isinstance(p, DnsProbe) and (p.name, p.record) == (name, "A"))
        yield Expected(["the DNS server is not set as the spec says", said], says={lookup: "192.0.2.1"})


@fault("a stopped policy agent")
def stopped_policy_agent(live: Live) -> Iterator[Expected]:
    node = worker(live)
    agents = f"$(pgrep {live.cni.agent})"
    stopped = on_node(live, node, f"kill -STOP {agents}", f"kill -CONT {agents} || true")
    with undone(lambda: settled(live, live.cni.daemons)), stopped:
        yield Expected([node], Answer.INCONCLUSIVE)


@contextmanager
def kube_proxy_stopped(live: Live, node: str, script: str) -> Iterator[None]:
    """With what the script does to its rules, which it would make again; afterwards a new one makes all of them."""

    def restarted() -> None:
        live.on_node(node, "kill -CONT $(pgrep -x kube-proxy) || true")
        on_it = f"--field-selector=spec.nodeName={node}"
        live.kubectl("delete", "pod", "-n", "kube-system", "-l", "k8s-app=kube-proxy", on_it)
        settled(live, "kube-system/kube-proxy")

    with undone(restarted):
        live.on_node(node, f"kill -STOP $(pgrep -x kube-proxy) && {script}")
        yield


def has_kube_proxy(live: Live) -> bool:
    return live.ir.network.proxy_mode != "none"


@fault("dead kube-proxy rules", has_kube_proxy)
def dead_service_rules(live: Live) -> Iterator[Expected]:
    """Of the spec's Services: what the cluster itself needs goes on."""
    node, namespace = worker(live), cluster_ip(live).namespace
    rules = f"iptables -w -t nat -S KUBE-SERVICES | grep -F '{namespace}/' | sed 's/^-A/iptables -w -t nat -D/' | sh"
    said = f"{node} gave no answer" if live.cni.own_services else f"node {node} does not forward to Services"
    with kube_proxy_stopped(live, node, rules):
        yield Expected([said])


@fault("no kube-proxy rules at all on a node", has_kube_proxy)
def no_service_rules(live: Live) -> Iterator[Expected]:
    """Where not even the CNI reaches the API server from there, no pod starts: not the canary's either. Where pods'
    traffic needs none of them, what is left is the node's own ports, and that kube-proxy does not answer."""
    node = worker(live)
    with kube_proxy_stopped(live, node, "iptables -w -t nat -F KUBE-SERVICES"):
        if live.cni.own_services:
            yield Expected([f"{node} gave no answer"])
        elif live.cni.asks_by_service:
            yield Expected([f"node {node}"], Answer.INCONCLUSIVE)
        else:
            yield Expected([f"node {node} does not forward to Services"])


@fault("a node that no longer forwards")
def node_does_not_forward(live: Live) -> Iterator[Expected]:
    node = worker(live)
    setting = "sysctl -q -w net.ipv4.ip_forward"
    with on_node(live, node, f"{setting}=0", f"{setting}=1"):
        answer = Answer.RED if live.cni.own_forwarding else Answer.INCONCLUSIVE
        yield Expected([f"node {node} does not forward packets: net.ipv4.ip_forward is 0"], answer)


@fault("a path that loses large packets")
def path_loses_large_packets(live: Live) -> Iterator[Expected]:
    node = worker(live)
    # A table of its own: the CNI's chains come first in the others, and accept what the tunnel sends.
    table = f"ip {NAME.replace('-', '_')}"
    hook, what = "output", f"udp dport {live.cni.port}"
    if live.ir.traits.forwarded == "node":  # no tunnel: pods' own packets cross the nodes' network
        hook, what = "forward", f'oifname "eth*" ip saddr {live.ir.network.pod_cidrs[0]}'
    chain = f"{{\ntype filter hook {hook} priority -400\n{what} meta length > 1000 drop\n}}"
    made = f"nft -f - <<'END'\ntable {table} {{\nchain lossy {chain}\n}}\nEND"
    with on_node(live, node, made, f"nft delete table {table} || true"):
        ids = tuple(f"packets:{via}:{protocol}" for via in ("pod", "cluster-ip") for protocol in ("TCP", "UDP"))
        yield Expected([f"node {node} loses packets of full size"], only=ids)
