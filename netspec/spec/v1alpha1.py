"""netspec.dev/v1alpha1: the models of the file. Field names follow Kubernetes wherever Kubernetes has the field.

The models check the shape of one value at a time; what takes more than one value is a pass (netspec.passes).
"""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from netspec.spec.dns import Dns
from netspec.spec.gateways import Gateway, GrpcRoute, HttpRoute, TcpRoute, TlsRoute, UdpRoute
from netspec.spec.http import IngressRoute
from netspec.spec.model import Model
from netspec.spec.peers import IntentPeer, Peer, PeerWithPort
from netspec.spec.selectors import LabelSelector
from netspec.spec.services import Service
from netspec.spec.types import (
    Cidr,
    HeaderName,
    HeaderValue,
    Labels,
    Name,
    ObjectName,
    Port,
    PortNumber,
    PortOrAll,
    PortOrName,
    RegularExpression,
    problem,
)
from netspec.spec.workloads import DnsConfig, Workload

API_VERSION = "netspec.dev/v1alpha1"
KIND = "NetworkSpec"

Direction = Literal["ingress", "egress"]


class Metadata(Model):
    """Names the spec."""

    name: Name = Field(description="A stack's cluster is called <name>-<stack>.")


class Proxy(Model):
    """kube-proxy, the part of every node that carries Service traffic to pods."""

    mode: Literal["iptables", "nftables", "ipvs", "none"] = Field(
        "iptables", description="How kube-proxy programs the node; none: it does not run."
    )


def _family(value: Any) -> Any:
    """NS109: families that Kubernetes has and a spec does not, yet; anything else is not one."""
    if value in ("ipv6", "dual"):
        hint = "ipv4, or leave it out: what is predicted, compiled and asked is IPv4"
        raise problem("NS109", f"clusters of the family {value} are not in this version of the spec", hint)
    return value


class Network(Model):
    """Addresses of the cluster. One IPv4 CIDR each for pods and Services in this API version."""

    ip_family: Annotated[Literal["ipv4"], BeforeValidator(_family)] = Field(
        "ipv4", description="The address family of pods and Services."
    )
    pod_cidrs: list[Cidr] = Field(
        ["10.244.0.0/16"], alias="podCIDRs", min_length=1, description="Where pods get their addresses."
    )
    service_cidrs: list[Cidr] = Field(
        ["10.96.0.0/16"], alias="serviceCIDRs", min_length=1, description="Where Services get their cluster IPs."
    )
    node_cidr_mask: int = Field(
        24, alias="nodeCIDRMask", ge=8, le=30, description="The prefix length of each node's share of the pod CIDR."
    )
    max_pods: int = Field(110, ge=1, le=1000, description="The kubelet's limit of pods on one node.")
    proxy: Proxy = Field(default_factory=Proxy, description="kube-proxy.")


class Namespace(Model):
    """A namespace that netspec creates."""

    name: Name = Field(description="Its name.")
    labels: Labels = Field(
        default_factory=dict, description="Labels, besides the automatic kubernetes.io/metadata.name."
    )
    default_deny: list[Direction] = Field(
        default_factory=list, max_length=2, description="Directions in which its pods are closed until a policy opens."
    )
    dns_config: DnsConfig | None = Field(None, description="Of its pods that netspec deploys, over that of the spec.")
    allow_dns: bool = Field(
        False, alias="allowDNS", description="Opens the way to the cluster's DNS for pods whose egress is closed."
    )


class HttpRequest(Model):
    """A request that is let through; what is not given may be anything."""

    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"] | None = Field(
        None, description="The method."
    )
    path: RegularExpression | None = Field(None, description="A regular expression that the whole path matches.")
    headers: dict[HeaderName, HeaderValue] = Field(
        default_factory=dict, description="Headers that it has, and their values."
    )


class Policy(Model):
    """An intent: opens the way from one peer to another, on each side that something isolates; it never closes one."""

    name: Name = Field(description="Its name, unique in the spec.")
    from_: IntentPeer = Field(alias="from", description="Who calls.")
    to: IntentPeer = Field(
        description="Who is called. `{dns: NAME}` is what the name stands for outside the cluster when a pod looks it "
        "up; `{entity: NAME}`, on either side, is world (what is outside), cluster, host (the pod's own node), "
        "remote-node or kube-apiserver. Not every CNI has these."
    )
    ports: list[PortOrAll] = Field(
        default_factory=list,
        description="Ports of the called (a Service's own ports where it is a Service). Unset: all that it declares, "
        "of a namespace what each of its workloads declares; any port, where nothing is declared. `all` is every port "
        "of every protocol, declared or not.",
    )
    http: list[HttpRequest] = Field(
        default_factory=list,
        description="The requests that are let through at these ports, any of them. Unset: all, of whatever protocol. "
        "Not every CNI has this.",
    )


class IpBlock(Model):
    """A range of addresses, without parts of it."""

    cidr: Cidr = Field(description="The range.")
    except_: list[Cidr] = Field(default_factory=list, alias="except", description="Parts of it that do not match.")


class NetworkPolicyPeer(Model):
    """Pods by selector, or an ipBlock alone."""

    pod_selector: LabelSelector | None = Field(
        None, description="Pods, of the policy's namespace unless one is selected."
    )
    namespace_selector: LabelSelector | None = Field(None, description="Namespaces.")
    ip_block: IpBlock | None = Field(None, description="Addresses.")


class NetworkPolicyPort(Model):
    """A port of a rule."""

    port: PortOrName | None = Field(None, description="Number or name. Unset: every port.")
    end_port: PortNumber | None = Field(None, description="The last port of a range that begins at port.")
    protocol: Literal["TCP", "UDP", "SCTP"] = Field("TCP", description="The protocol.")


class IngressRule(Model):
    """Allows what comes from one of `from` to one of `ports`."""

    from_: list[NetworkPolicyPeer] = Field(default_factory=list, alias="from", description="Empty: everyone.")
    ports: list[NetworkPolicyPort] = Field(default_factory=list, description="Empty: every port.")


class EgressRule(Model):
    """Allows what goes to one of `to` at one of `ports`."""

    to: list[NetworkPolicyPeer] = Field(default_factory=list, description="Empty: everyone.")
    ports: list[NetworkPolicyPort] = Field(default_factory=list, description="Empty: every port.")


class NetworkPolicySpec(Model):
    """networking.k8s.io/v1 NetworkPolicySpec, field for field."""

    pod_selector: LabelSelector = Field(default_factory=LabelSelector, description="The pods it isolates.")
    policy_types: list[Literal["Ingress", "Egress"]] | None = Field(
        None, max_length=2, description="Unset or empty: Ingress, and Egress where there are egress rules."
    )
    ingress: list[IngressRule] = Field(default_factory=list, description="What may come in.")
    egress: list[EgressRule] = Field(default_factory=list, description="What may go out.")


class NetworkPolicy(Model):
    """A NetworkPolicy as Kubernetes has it."""

    name: ObjectName = Field(description="Its name, unique in the namespace.")
    namespace: Name = Field(description="Its namespace.")
    spec: NetworkPolicySpec = Field(description="The policy.")


class Expectation(Model):
    """What must hold, whatever the policies say. `to` may carry the port: shop/db:5432, shop/dns:53/UDP."""

    from_: Peer = Field(alias="from", description="Who calls.")
    to: PeerWithPort = Field(description="Who is called.")
    port: Port | None = Field(None, description="Unset: every port that the called declares.")
    expect: Literal["allow", "deny"] = Field(description="The verdict.")

    @model_validator(mode="before")
    @classmethod
    def _port_in_to(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(data.get("to"), str) or ":" not in data["to"]:
            return data
        if "port" in data:
            raise problem("NS016", "the port is given twice, in `to` and as `port`", "keep one of them")
        peer, _, port = data["to"].partition(":")
        return data | {"to": peer, "port": port}


class NetworkSpec(Model):
    """What a cluster's network must be."""

    api_version: Literal["netspec.dev/v1alpha1"] = Field(description="The version of this format.")
    kind: Literal["NetworkSpec"] = Field(description="Always NetworkSpec.")
    metadata: Metadata = Field(description="The spec's name.")
    network: Network = Field(default_factory=Network, description="Addresses and the Service proxy.")
    dns: Dns = Field(default_factory=Dns, description="Name resolution.")
    namespaces: list[Namespace] = Field(default_factory=list, description="Namespaces that netspec creates.")
    workloads: list[Workload] = Field(default_factory=list, description="Who talks.")
    services: list[Service] = Field(default_factory=list, description="Kubernetes Services.")
    ingress: list[IngressRoute] = Field(
        default_factory=list, description="HTTP routes that the stack's ingress or gateway controller serves."
    )
    gateways: list[Gateway] = Field(
        default_factory=list, description="Gateways of the Gateway API: where the stack's gateway controller listens."
    )
    http_routes: list[HttpRoute] = Field(default_factory=list, description="HTTPRoutes of these Gateways.")
    grpc_routes: list[GrpcRoute] = Field(default_factory=list, description="GRPCRoutes of these Gateways.")
    tls_routes: list[TlsRoute] = Field(default_factory=list, description="TLSRoutes of these Gateways.")
    tcp_routes: list[TcpRoute] = Field(default_factory=list, description="TCPRoutes of these Gateways.")
    udp_routes: list[UdpRoute] = Field(default_factory=list, description="UDPRoutes of these Gateways.")
    policies: list[Policy] = Field(default_factory=list, description="Intents: what is open.")
    network_policies: list[NetworkPolicy] = Field(default_factory=list, description="NetworkPolicies as they are.")
    expectations: list[Expectation] = Field(
        default_factory=list, description="What must hold, whatever the policies say."
    )
    stacks: dict[Name, dict[str, Any]] = Field(
        default_factory=dict,
        description="Environments, by name; the Pulumi stack's name picks one.",
    )
