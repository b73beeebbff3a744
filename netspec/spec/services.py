"""The models of `services`: core/v1 ServiceSpec, field for field, and endpoints that no selector finds."""

from typing import Literal

from pydantic import Field

from netspec.ir.services import IpFamilyPolicy, TrafficDistribution
from netspec.spec.model import Model
from netspec.spec.types import (
    Address,
    AppProtocol,
    Cidr,
    ClusterIp,
    ExternalName,
    LabelKey,
    Labels,
    Name,
    PortNumber,
    PortOrName,
    ServiceName,
)

#: core/v1 ClientIPConfig: a day at most; the API's default.
MAX_AFFINITY_SECONDS, AFFINITY_SECONDS = 86400, 10800
#: Of one EndpointSlice (discovery/v1).
MAX_ENDPOINTS = 1000


class ServicePort(Model):
    """One port of a Service."""

    name: Name | None = Field(None, description="Required where the Service has more than one port.")
    port: PortNumber = Field(description="The Service's own port.")
    target_port: PortOrName | None = Field(
        None, description="The pods' port, by number or name. Unset: the same number."
    )
    protocol: Literal["TCP", "UDP", "SCTP"] = Field("TCP", description="The protocol.")
    node_port: PortNumber | None = Field(None, description="The port on every node. Unset: the API server picks one.")
    app_protocol: AppProtocol | None = Field(
        None, description="What is spoken on it, for proxies: an IANA service name, or one with a prefix of its own."
    )


class ClientIpConfig(Model):
    """How long a client keeps its pod."""

    timeout_seconds: int = Field(
        AFFINITY_SECONDS, ge=1, le=MAX_AFFINITY_SECONDS, description="Since its last connection."
    )


class SessionAffinityConfig(Model):
    """Settings of sessionAffinity."""

    client_ip: ClientIpConfig = Field(default_factory=ClientIpConfig, alias="clientIP", description="Of ClientIP.")


class ServiceEndpoint(Model):
    """Addresses behind a Service that no selector finds."""

    addresses: list[Address] = Field(min_length=1, max_length=100, description="Addresses outside the cluster.")
    hostname: Name | None = Field(None, description="A name for them, below the Service's.")


class Service(Model):
    """A Kubernetes Service."""

    name: ServiceName = Field(description="Its name, unique in the namespace.")
    namespace: Name = Field(description="Its namespace.")
    type: Literal["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"] = Field(
        "ClusterIP", description="How it is reached."
    )
    cluster_ip: ClusterIp | None = Field(
        None,
        alias="clusterIP",
        description="An address of serviceCIDRs. None makes the Service headless: its name resolves to the pods. "
        "Unset: the API server picks one.",
    )
    selector: Labels = Field(default_factory=dict, description="The labels of the pods behind it.")
    endpoints: list[ServiceEndpoint] = Field(
        default_factory=list, max_length=MAX_ENDPOINTS, description="What is behind it where it has no selector."
    )
    ports: list[ServicePort] = Field(default_factory=list, description="Its ports.")
    external_name: ExternalName | None = Field(None, description="What an ExternalName Service is an alias (CNAME) of.")
    external_traffic_policy: Literal["Cluster", "Local"] | None = Field(
        None, description="Local keeps node-port traffic, and the caller's address, on the node that received it."
    )
    internal_traffic_policy: Literal["Cluster", "Local"] | None = Field(
        None, description="Local: pods reach the endpoints on their own node alone, and none where it has none."
    )
    session_affinity: Literal["None", "ClientIP"] | None = Field(
        None, description="ClientIP: a client comes to the same pod again."
    )
    session_affinity_config: SessionAffinityConfig | None = Field(None, description="For ClientIP.")
    traffic_distribution: TrafficDistribution | None = Field(
        None, description="Which endpoints are preferred, where there are such."
    )
    load_balancer_class: LabelKey | None = Field(
        None, description="Which load balancer serves it. Unset: the cluster's default. LoadBalancer only."
    )
    load_balancer_source_ranges: list[Cidr] = Field(
        default_factory=list, description="Who may use its load balancer. Unset: everyone. LoadBalancer only."
    )
    allocate_load_balancer_node_ports: bool | None = Field(
        None, description="false: no node ports besides the load balancer. LoadBalancer only."
    )
    health_check_node_port: PortNumber | None = Field(
        None,
        description="Where nodes say whether they have an endpoint. LoadBalancer with a Local policy only.",
    )
    external_ips: list[Address] = Field(
        default_factory=list, alias="externalIPs", description="Addresses that nodes take for it. Deprecated."
    )
    ip_family_policy: IpFamilyPolicy | None = Field(None, description="How many address families it has.")
    ip_families: list[Literal["IPv4", "IPv6"]] = Field(
        default_factory=list, max_length=2, description="Its address families, the first one first."
    )
    publish_not_ready_addresses: bool = Field(False, description="Also resolve to pods that are not ready.")
