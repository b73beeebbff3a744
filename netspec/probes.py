"""The one question list: what `netspec/verify` asks of the running cluster, with the answer the spec predicts.

Targets are symbolic (pod addresses exist only on the cluster); `netspec/verify` resolves them.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, NamedTuple

from netspec.ir.model import Protocol
from netspec.target import Read


class Outcome(StrEnum):
    """What a flow probe saw. Only TIMED_OUT counts as denied; CHECK_FAILED is never a pass and never a denial."""

    CONNECTED = "connected"
    TIMED_OUT = "timed-out"
    REFUSED = "refused"
    UNRESOLVED = "unresolved"
    CHECK_FAILED = "check-failed"


#: The host beside the nodes on the cluster's container network.
OUTSIDE = "outside"

#: The ports on which the outside host serves (agnhost netexec).
OUTSIDE_PORTS: tuple[tuple[int, Protocol], ...] = ((8080, "TCP"), (8081, "UDP"))

#: A node port of the API server's choice, in the fact service-spec.
ANY_NODE_PORT = "any"

#: What pods see of a client outside, in the fact client-address: its own address, or that of what passed the flow on.
KEPT, REPLACED = "the client's own address", "another address than the client's"

#: In the fact http-answer: any status that sends the client elsewhere, and any that says yes.
REDIRECT, SUCCESS = "redirect", "success"

#: Facts that take several requests to one route, or are of the connection below them.
SHARES, STAYS, LIMIT, CERTIFICATE, OLD_TLS = "http-weights", "http-sticky", "http-rate-limit", "certificate", "old-tls"

#: The fact that calls of gRPC are answered: those of one message, and one of several.
GRPC = "grpc-answer"

#: Facts that take more than a request and its answer: a WebSocket, an answer that comes late, a Service that gets
#: copies, a collector that is told, a login at a provider.
SOCKET, TIMES, COPIES, TRACES, LOGIN = "web-socket", "http-timeouts", "http-mirror", "http-traces", "http-login"

#: Of a certificate that is not the one of its Secret.
ELSEWHERE = "elsewhere"

#: What the outside host asks the front door for.
DOOR_FACTS = (
    *("http-answer", GRPC, SHARES, STAYS, LIMIT, CERTIFICATE, OLD_TLS),
    *(SOCKET, TIMES, COPIES, TRACES, LOGIN),
)

#: Who may log in where a stand-in takes the place of the real users.
STAND_IN_USER, STAND_IN_PASSWORD = "netspec", "netspec"
#: The token (RFC 6750) of who may where a stand-in says who may, and what that says in each header of its answer.
STAND_IN_TOKEN, STAND_IN_SAYS = "netspec", "netspec"

#: The fact what nodes answer to the health checks of a load balancer: {nodes with or without a pod: HTTP status}.
HEALTH_CHECK = "health-check"

#: The fact that nodes reach pods, on them and on others, and are seen as themselves.
NODES_REACH = "nodes-reach-pods"

#: How a flow dials: the destination pod's own address, a Service's cluster IP, a node's address and node port, the
#: address of a pod's node and its port there, the address that a Service's load balancer gave, the Service's DNS name
#: (headless), the outside host's address or a name that the cluster's DNS gives it, or the pod's own loopback.
Via = Literal[
    "pod", "cluster-ip", "node-port", "host-port", "load-balancer", "name", "outside", "outside-name", "localhost"
]

#: Those that look a name up first.
NAMED: tuple[Via, ...] = ("name", "outside-name")

#: Which nodes a flow through a Service is about: every node, those that run one of its pods, or the others. By node
#: port they are dialled; by cluster IP the asker is on one.
Nodes = Literal["every", "with-endpoint", "without-endpoint"]


@dataclass(frozen=True, slots=True)
class FlowProbe:
    """From a pod of `source` (workload id, or OUTSIDE) to `destination` (workload id, Service id, or OUTSIDE).

    `port` is what is dialled: the container port for `via` pod and name, the Service port for cluster-ip, and for
    node-port the Service port whose node port is looked up. `backends` are the workloads behind a Service. `name`: the
    one dialled, for outside-name. `expect` None: observed and reported, but nothing is predicted; `reason` says why.
    `deciding` names the policies behind the expectation.
    """

    id: str
    source: str
    destination: str
    via: Via
    port: int
    protocol: Protocol
    expect: Outcome | None
    deciding: tuple[str, ...] = ()
    reason: str = ""
    nodes: Nodes = "every"
    backends: tuple[str, ...] = ()
    name: str = ""


Record = Literal["A", "AAAA", "SRV", "CNAME", "PTR"]

#: What a lookup expects where there is no such name, or none of the record type.
NXDOMAIN, NODATA = "nxdomain", "nodata"


@dataclass(frozen=True, slots=True)
class DnsProbe:
    """A lookup inside a pod of `source`. `expect` is symbolic, sorted: "pods:<workload id>" for a headless Service's
    addresses, "pod:<pod id>", "service:<id>" for the cluster IP, "address:<address>", "cname:<name>", "name:<name>" for
    PTR, "srv:<port>:<Service name>", or NXDOMAIN or NODATA alone; see docs/verify.md. `subject`, a workload's pod or a
    Service, has the address that stands in `name` and `expect` for {address}, {dashed} and {reverse}, and a pod's name
    for {pod}."""

    id: str
    source: str
    name: str
    record: Record
    expect: tuple[str, ...]
    subject: str = ""


class HttpAsk(NamedTuple):
    """A request; `size`: bytes of its body. `route`: the id of the one that takes it, "" for none. `tls`: over HTTPS,
    with the host as the server's name. `headers`: those that it has besides Host."""

    method: str
    host: str
    path: str
    size: int = 0
    route: str = ""
    tls: bool = False
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class FactProbe:
    """A fact of the cluster. `subject` is what it is about (a workload or Service id, "nodes", "dns"); `expect` its
    JSON value. `read`: where a backend's fact is read; None for those that netspec.verify knows by name.
    source-address-kept, POD_ANSWERS, client-address and DOOR_FACTS have a second end: `peer`, a workload or a Service,
    dialled at `port`; `request` is what the last of them ask there."""

    id: str
    fact: str
    subject: str
    expect: Any
    peer: str = ""
    port: int = 0
    read: Read | None = None
    request: HttpAsk | None = None


@dataclass(frozen=True, slots=True)
class PacketProbe:
    """A payload larger than one packet of the pods' MTU and its echo: from a pod on each node to one on each other
    node, `via` its address or a Service of its own. Every pair must get the whole payload across as it is sent."""

    id: str
    via: Literal["pod", "cluster-ip"]
    protocol: Protocol
    expect: Outcome = Outcome.CONNECTED


#: Facts about the pod that answers through a Service: the same one again, or one of the asker's own node.
SAME_POD, OWN_NODE = "same-pod-again", "own-node-answers"
POD_ANSWERS = (SAME_POD, OWN_NODE)

#: The fact that a pod has one address: by that which others dial it sees itself come from it.
OWN_ADDRESS = "own-address-seen"

#: The fact how many names a pod asks for until one answers: {name as it is written: how many}.
NAMES_ASKED = "names-asked"

#: What pods of the workloads, or the outside host, may be asked.
Asked = FlowProbe | DnsProbe | FactProbe
Probe = Asked | PacketProbe
