"""What makes a node look like an EC2 instance: a program of its own, with nothing but Python's library, that a pod of
the node's network runs on every node (netspec.backends.clusters.kind.pretended).

It attaches the interfaces that an instance of that type has, answers neighbours for the addresses on them (a VPC
delivers by address, a bridge asks by ARP), and then serves the instance's metadata, of which the VPC CNI's ipamd learns
its interfaces and addresses (Amazon EC2 user guide, "Instance metadata categories"). Interfaces are MACVLANs of the
node's own. Which addresses a node has follows from its own address alone, so no two nodes have to agree.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import NamedTuple

HOST, PORT = "127.0.0.1", 1338
#: Names that mean nothing here, in the form that EC2's have.
REGION, ZONE, ACCOUNT = "eu-west-1", "eu-west-1a", "123456789012"
VPC, SUBNET, GROUP = "vpc-netspec", "subnet-netspec", "sg-netspec"
#: Addresses of a block that an interface is given, an ipv4-prefix.
BLOCK = 16
TOKEN_SECONDS = "21600"
#: Of each interface: answer for its own addresses alone, and at once for others' that it stands for; take packets that
#: came another way than the answer will go, as the VPC CNI does for the first interface (Linux, ip-sysctl).
KERNEL = {
    "conf/{}/arp_ignore": "1",
    "conf/{}/rp_filter": "2",
    "conf/{}/forwarding": "1",
    "neigh/{}/proxy_delay": "0",
}


class Interface(NamedTuple):
    """`addresses`: the first is the interface's own, the others are for pods, as those of `blocks` are."""

    device: int
    name: str
    mac: str
    addresses: tuple[IPv4Address, ...]
    blocks: tuple[IPv4Network, ...] = ()

    @property
    def for_pods(self) -> list[IPv4Address]:
        return [*self.addresses[1:], *(address for block in self.blocks for address in block)]

    @property
    def id(self) -> str:
        return f"eni-{self.mac.replace(':', '')}"


class Instance(NamedTuple):
    """`subnet`: of nodes and pods alike, and all of the VPC."""

    id: str
    type: str
    subnet: IPv4Network
    interfaces: tuple[Interface, ...]


def size(count: int, each: int, blocks: bool) -> int:
    """How many addresses a node has a claim to: `count` interfaces with `each` addresses or, with `blocks`, with one of
    their own and so many less one blocks, which begin at multiples of 16.

    >>> size(3, 10, False), size(3, 10, True)
    (30, 448)
    """
    return -(-count // BLOCK) * BLOCK + count * (each - 1) * BLOCK if blocks else count * each


def share(node: IPv4Address, nodes: IPv4Network, pods: IPv4Network, wanted: int) -> IPv4Address:
    """The first of the addresses of `pods` that are this node's: as many shares on as its own address in `nodes` is.

    >>> str(share(IPv4Address("10.0.0.3"), IPv4Network("10.0.0.0/28"), IPv4Network("10.0.128.0/17"), 30))
    '10.0.128.90'
    """
    first = pods.network_address + (int(node) - int(nodes.network_address)) * wanted
    if node not in nodes or first + wanted - 1 not in pods:
        raise ValueError(f"{pods} has no {wanted} addresses left for the node {node} of {nodes}")
    return first


def instance(environment: Mapping[str, str], mac: str) -> Instance:
    """`mac`: of the node's own interface. Raises `KeyError` and `ValueError`."""
    node, subnet = IPv4Address(environment["NODE_IP"]), IPv4Network(environment["SUBNET"])
    count, each = int(environment["INTERFACES"]), int(environment["ADDRESSES"])
    nodes, pods = IPv4Network(environment["NODES"]), IPv4Network(environment["PODS"])
    blocks = environment["BLOCKS"] == "true"
    wanted = size(count, each, blocks)
    first = share(node, nodes, pods, wanted)
    behind = first + wanted - count * (each - 1) * BLOCK  # where blocks begin
    interfaces = []
    for device in range(count):
        if blocks:
            addresses = [first + device]
            at = [behind + (device * (each - 1) + i) * BLOCK for i in range(each - 1)]
        else:
            addresses, at = [first + device * each + i for i in range(each)], []
        own = mac if device == 0 else f"0e:{device:02x}:{':'.join(f'{byte:02x}' for byte in node.packed)}"
        if device == 0:
            addresses[0] = node
        given = tuple(IPv4Network((int(address), 32 - (BLOCK - 1).bit_length())) for address in at)
        interfaces.append(Interface(device, f"eth{device}", own, tuple(addresses), given))
    return Instance(f"i-{int(node):017x}", environment["INSTANCE_TYPE"], subnet, tuple(interfaces))


def metadata(of: Instance) -> dict[str, str]:
    """Path below meta-data -> text. A path that others begin with lists them."""
    first = of.interfaces[0]
    found = {
        "instance-id": of.id,
        "instance-type": of.type,
        "local-ipv4": str(first.addresses[0]),
        "mac": first.mac,
        "placement/availability-zone": ZONE,
        "placement/region": REGION,
    }
    for interface in of.interfaces:
        values = {
            "device-number": str(interface.device),
            "interface-id": interface.id,
            "local-ipv4s": "\n".join(map(str, interface.addresses)),
            "mac": interface.mac,
            "network-card": "0",
            "security-group-ids": GROUP,
            "subnet-id": SUBNET,
            "subnet-ipv4-cidr-block": str(of.subnet),
            "vpc-id": VPC,
            "vpc-ipv4-cidr-blocks": str(of.subnet),
        }
        if interface.blocks:
            values["ipv4-prefix"] = "\n".join(map(str, interface.blocks))
        found |= {f"network/interfaces/macs/{interface.mac}/{name}": value for name, value in values.items()}
    return found


def answer(of: Instance, path: str) -> str | None:
    """What the service says to a GET of `path`; None: there is no such thing."""
    below = path.strip("/").removeprefix("latest").strip("/")
    if below == "dynamic/instance-identity/document":
        known = {"region": REGION, "availabilityZone": ZONE, "accountId": ACCOUNT}
        return json.dumps({**known, "instanceId": of.id, "instanceType": of.type})
    if below != "meta-data" and not below.startswith("meta-data/"):
        return None
    key, known = below.removeprefix("meta-data").strip("/"), metadata(of)
    if key in known:
        return known[key]
    start = f"{key}/" if key else ""
    rest = [path.removeprefix(start) for path in known if path.startswith(start)]
    return "\n".join(dict.fromkeys(_entry(path) for path in rest)) or None


def _entry(path: str) -> str:
    name, slash, _ = path.partition("/")
    return name + slash


def attach(of: Instance, root: str) -> None:
    """The further interfaces, and who answers for which address. Does nothing that is done. `root`: where the node's
    own programs are, of which `ip` is used."""
    first = of.interfaces[0]
    for interface in of.interfaces[1:]:
        if not Path("/sys/class/net", interface.name).exists():
            link = ["link", "add", "link", first.name, "name", interface.name, "address", interface.mac]
            _ip(root, *link, "type", "macvlan", "mode", "bridge")
        _ip(root, "link", "set", interface.name, "up")
    for interface in of.interfaces:
        for key, value in KERNEL.items():
            Path("/proc/sys/net/ipv4", key.format(interface.name)).write_text(value)
    lines = [f"neigh replace proxy {a} dev {i.name}\n" for i in of.interfaces for a in i.for_pods]
    _ip(root, "-batch", "-", text="".join(lines))


def _ip(root: str, *arguments: str, text: str = "") -> None:
    enter = (lambda: os.chroot(root)) if root else None  # no thread is there yet
    subprocess.run(["ip", *arguments], input=text, text=True, check=True, preexec_fn=enter)


def server(of: Instance, port: int = PORT) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            """The session's token, which nothing here is protected by."""
            self._send(200, "token", {"X-Aws-Ec2-Metadata-Token-Ttl-Seconds": TOKEN_SECONDS})

        def do_GET(self) -> None:
            text = answer(of, self.path)
            self._send(404 if text is None else 200, text or "")

        def _send(self, status: int, text: str, headers: Mapping[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in {**(headers or {}), "Content-Length": str(len(text.encode()))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Nothing is said of each of ipamd's many questions."""

    return ThreadingHTTPServer((HOST, port), Handler)


def main(root: str = "") -> None:
    found = instance(os.environ, Path("/sys/class/net/eth0/address").read_text().strip())
    attach(found, root)
    server(found).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
