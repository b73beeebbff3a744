"""The models of `dns`: how pods look up names, and the servers that answer them."""

from typing import Annotated, Literal

from pydantic import Field

from netspec.ir.dns import NODE_LOCAL_ADDRESS
from netspec.spec.model import Model
from netspec.spec.types import Address, Domain
from netspec.spec.workloads import DnsConfig

#: CoreDNS's forward plugin takes no more.
MAX_RESOLVERS = 15
_DAY = 86400

Resolvers = Annotated[list[Address], Field(min_length=1, max_length=MAX_RESOLVERS)]


class Prefetch(Model):
    """Asks for a name again before its answer ends, so that nobody waits for it."""

    hits: int = Field(ge=1, le=1000, description="For names that were asked for so often,")
    seconds: int = Field(60, ge=1, le=3600, description="with no longer pause than this.")


class LinearScale(Model):
    """So many replicas for so many cores or nodes, whichever asks for more."""

    cores_per_replica: Annotated[int, Field(ge=1)] | None = Field(None, description="One for each so many cores.")
    nodes_per_replica: Annotated[int, Field(ge=1)] | None = Field(None, description="One for each so many nodes.")
    min: int = Field(1, ge=1, le=100, description="At least.")
    max: Annotated[int, Field(ge=1, le=100)] | None = Field(None, description="At most.")
    prevent_single_point_failure: bool = Field(True, description="Two at least where there are several nodes.")


Step = Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=2, max_length=2)]


class LadderScale(Model):
    """Steps: [cores or nodes, replicas]; the highest that is reached counts."""

    cores_to_replicas: list[Step] = Field(default_factory=list, max_length=50, description="[cores, replicas].")
    nodes_to_replicas: list[Step] = Field(default_factory=list, max_length=50, description="[nodes, replicas].")


class Autoscale(Model):
    """cluster-proportional-autoscaler: the number of servers follows the cluster's size. One of the two."""

    linear: LinearScale | None = Field(None, description="In proportion.")
    ladder: LadderScale | None = Field(None, description="By steps.")


class CoreDns(Model):
    """The cluster's name server, which netspec owns or whose settings it gives."""

    replicas: int = Field(2, ge=1, le=100, description="How many CoreDNS pods.")
    autoscale: Autoscale | None = Field(None, description="What says how many they are, in place of replicas.")
    cache_seconds: int = Field(30, ge=0, le=3600, description="How long CoreDNS keeps an answer; 0 keeps none.")
    negative_cache_seconds: Annotated[int, Field(ge=0, le=3600)] | None = Field(
        None, description="How long it keeps that there is no such name. Unset: as long as other answers."
    )
    prefetch: Prefetch | None = Field(None, description="Renews answers that are asked for often.")
    serve_stale_seconds: int = Field(
        0, ge=0, le=_DAY, description="How long an answer that has ended serves while nobody gives a new one."
    )
    pods: Literal["insecure", "verified", "disabled"] = Field(
        "insecure",
        description="Names of pods by address: any address is one, those that a pod has (it watches all pods), none.",
    )
    autopath: bool = Field(
        False,
        description="The server walks the search list for the pod: one query, not several. Needs verified.",
    )
    max_unavailable: Annotated[int, Field(ge=0, le=99)] | None = Field(
        None, description="Of a PodDisruptionBudget: how many may be away when nodes are drained. Unset: none is made."
    )
    spread: Literal["preferred", "required"] = Field(
        "preferred", description="Over the nodes; required: one that finds no node of its own waits."
    )


class NodeLocal(Model):
    """NodeLocal DNSCache: a cache on every node, which answers at the DNS Service's address and at its own."""

    enabled: bool = Field(True, description="false: none, as without this field.")
    address: Address = Field(
        str(NODE_LOCAL_ADDRESS), description="Its own address: a link-local one, the same on every node."
    )


class Dns(Model):
    """Name resolution of pods."""

    ndots: Annotated[int, Field(ge=0, le=15)] | None = Field(
        None, description="Dots a name needs to be tried as it stands first. Unset: the kubelet's 5."
    )
    dns_config: DnsConfig | None = Field(None, description="Of every pod that netspec deploys.")
    cluster_domain: Domain = Field("cluster.local", description="The domain of the cluster's own names.")
    node_local: NodeLocal | None = Field(None, description="A cache on every node. Unset: none.")
    coredns: CoreDns = Field(default_factory=CoreDns, description="The cluster's name server.")
    stub_domains: dict[Domain, Resolvers] = Field(
        default_factory=dict, description="Domains that name servers of your own answer: domain -> their addresses."
    )
    upstreams: list[Address] = Field(
        default_factory=list,
        max_length=MAX_RESOLVERS,
        description="Who is asked of names outside. Unset: whom the server's node asks.",
    )
    hosts: dict[Domain, Resolvers] = Field(
        default_factory=dict, description="Names that the cluster's DNS answers itself: name -> addresses."
    )
    rewrites: dict[Domain, Domain] = Field(
        default_factory=dict, description="Names that stand for others: name -> the name that is looked up."
    )
