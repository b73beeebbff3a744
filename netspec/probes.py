"""The one question list: what `verify/` asks of the running cluster, with the answer the spec predicts.

Targets are symbolic (pod addresses exist only on the cluster); `verify/` resolves them.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from netspec.ir.model import Protocol


class Outcome(StrEnum):
    """What a flow probe saw. Only TIMED_OUT counts as denied; CHECK_FAILED is never a pass and never a denial."""

    CONNECTED = "connected"
    TIMED_OUT = "timed-out"
    REFUSED = "refused"
    UNRESOLVED = "unresolved"
    CHECK_FAILED = "check-failed"


#: The host beside the nodes on the cluster's container network.
OUTSIDE = "outside"

#: How a flow dials: the destination pod's own address, a Service's cluster IP, a node's address and node port, the
#: Service's DNS name (headless and ExternalName), or the outside host's address.
Via = Literal["pod", "cluster-ip", "node-port", "name", "outside"]


@dataclass(frozen=True, slots=True)
class FlowProbe:
    """From a pod of `source` (workload id, or OUTSIDE) to `destination` (workload id, Service id, or OUTSIDE).

    `port` is what is dialled: the container port for `via` pod, the Service port for cluster-ip and name, and for
    node-port the Service port whose node port is looked up. `placement` asks for a pair on the same or on different nodes.
    `deciding` names the policies behind the expectation.
    """

    id: str
    source: str
    destination: str
    via: Via
    port: int
    protocol: Protocol
    expect: Outcome
    deciding: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class DnsProbe:
    """A lookup inside a pod of `source`. `expect` is symbolic: "pods:<workload ids>" for headless A records,
    "service:<id>" for the cluster IP, "cname:<name>", "srv:<port>:<name>", sorted; see docs/verify.md."""

    id: str
    source: str
    name: str
    record: Literal["A", "SRV", "CNAME"]
    expect: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FactProbe:
    """A fact of the cluster. `subject` is what it is about (a workload id, "cluster", "calico"); `expect` its JSON value."""

    id: str
    fact: Literal[
        "pod-ips-in-pod-cidrs",
        "service-ips-in-service-cidrs",
        "source-address-kept",
        "proxy-mode",
        "resolv-conf",
        "calico-pool",
        "pod-mtu",
        "dns-replicas",
        "stub-domains",
    ]
    subject: str
    expect: Any


Probe = FlowProbe | DnsProbe | FactProbe
