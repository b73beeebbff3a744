"""Run in a network and a mount namespace of its own (`unshare --net --mount`): a pretended VPC of two nodes, a host and
a gateway on a bridge. The program given attaches the nodes' interfaces; what the VPC CNI does for a pod is done by hand
(amazon-vpc-cni-k8s v1.23.2, pkg/networkutils and cmd/routed-eni-cni-plugin: a route to it, and where its address is of
a further interface, a table whose way out that is). Prints, as JSON, who sees whom as which address."""

import json
import subprocess
import sys
import time
from collections.abc import Mapping

#: Node -> its address. Pod -> its node, its address, and of a further interface: its name, its own address.
NODES = {"node2": "10.240.0.2", "node3": "10.240.0.3"}
PODS = {
    "pod1": ("node2", "10.244.0.61", "eth0", ""),
    "pod2": ("node2", "10.244.0.71", "eth1", "10.244.0.70"),
    "pod3": ("node3", "10.244.0.111", "eth2", "10.244.0.110"),
}
GATEWAY, OUTSIDE = "10.240.0.1", "10.240.0.4"
PORT = 8080
INSTANCE = {
    "SUBNET": "10.240.0.0/13",
    "NODES": "10.240.0.0/28",
    "PODS": "10.244.0.0/16",
    "INSTANCE_TYPE": "m5.large",
    "INTERFACES": "3",
    "ADDRESSES": "10",
    "BLOCKS": "false",
}
SERVE = f"""
import socket
with socket.create_server(("0.0.0.0", {PORT})) as server:
    while True:
        connection, (address, _) = server.accept()
        with connection:
            connection.sendall(address.encode())
"""
ASK = f"""
import json, socket, sys, time
seen = {{}}
for address in sys.argv[1:]:
    for _ in range(100):  # until the server there has started
        try:
            with socket.create_connection((address, {PORT}), timeout=5) as connection:
                seen[address] = connection.recv(64).decode()
                break
        except ConnectionRefusedError as error:
            seen[address] = str(error)
            time.sleep(0.1)
        except OSError as error:
            seen[address] = str(error)
            break
print(json.dumps(seen))
"""


def sh(script: str) -> None:
    subprocess.run(["sh", "-ec", script], check=True)


def within(namespace: str, *program: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """The program's processes end with this one's namespaces: nothing else is in them."""
    command = ["ip", "netns", "exec", namespace, sys.executable, *program]
    return subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command], stdout=subprocess.PIPE, text=True, env=env)


def link(namespace: str, address: str) -> None:
    sh(f"""
        ip netns add {namespace}; ip -n {namespace} link set lo up
        ip -n gateway link add to-{namespace} type veth peer name eth0 netns {namespace}
        ip -n gateway link set to-{namespace} master bridge up
        ip -n {namespace} link set eth0 up; ip -n {namespace} addr add {address}/13 dev eth0
        ip -n {namespace} route add default via {GATEWAY}
        ip netns exec {namespace} sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'""")


def pod(name: str, node: str, address: str, interface: str, own: str) -> None:
    sh(f"""
        ip netns add {name}; ip -n {name} link set lo up
        ip -n {node} link add eni{name} type veth peer name eth0 netns {name}; ip -n {node} link set eni{name} up
        ip -n {name} link set eth0 up; ip -n {name} addr add {address}/32 dev eth0
        ip -n {name} route add 169.254.1.1 dev eth0; ip -n {name} route add default via 169.254.1.1
        mac=$(ip netns exec {node} cat /sys/class/net/eni{name}/address)
        ip -n {name} neigh add 169.254.1.1 lladdr $mac dev eth0 nud permanent
        ip -n {node} route add {address} dev eni{name}; ip -n {node} rule add pref 512 to {address} lookup main""")
    if own:
        sh(f"""
            ip -n {node} addr add {own}/13 dev {interface} noprefixroute
            ip -n {node} route add {GATEWAY} dev {interface} table 9 scope link
            ip -n {node} route add default via {GATEWAY} dev {interface} table 9
            ip -n {node} rule add pref 1536 from {address} lookup 9""")


def main(program: str) -> None:
    sh("mount -t tmpfs none /run; mkdir /run/netns; ip netns add gateway; ip -n gateway link set lo up")
    sh(f"ip -n gateway link add bridge type bridge; ip -n gateway addr add {GATEWAY}/13 dev bridge")
    sh("ip -n gateway link set bridge up; ip netns exec gateway sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'")
    for name, address in {**NODES, "outside": OUTSIDE}.items():
        link(name, address)
    running = [within(name, program, env={**INSTANCE, "NODE_IP": address}) for name, address in NODES.items()]
    for node in NODES:  # the metadata service answers once all is attached
        wait = "import time, urllib.request as r\nr.urlopen('http://127.0.0.1:1338/latest/meta-data/mac', timeout=1)"
        for _ in range(100):
            if within(node, "-c", wait).wait() == 0:
                break
            time.sleep(0.1)
    for name, (node, *rest) in PODS.items():
        pod(name, node, *rest)
    places = {**NODES, "outside": OUTSIDE, **{name: address for name, (_, address, *_) in PODS.items()}}
    running += [within(name, "-c", SERVE) for name in places]
    seen = {}
    for name in places:
        others = [address for other, address in places.items() if other != name]
        seen[name] = json.loads(within(name, "-c", ASK, *others).communicate()[0])
    for process in running:
        process.kill()
    print(json.dumps({"places": places, "seen": seen}))


if __name__ == "__main__":
    main(*sys.argv[1:])
