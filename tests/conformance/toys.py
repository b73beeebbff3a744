"""A cluster, a CNI and an ingress controller that exist in tests only, saying all that the seam lets a backend say.

The cluster is as a cloud's: a network comes before it, its nodes come after it and after what the CNI wants first, its
kubeconfig is made of outputs, its provider is configured by the plan and installs software by itself, and there is no
host outside and no way onto a node.
"""

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_network
from typing import Any, Literal

from pydantic import Field as SettingsField

from netspec.backends.objects import manifest, node
from netspec.backends.registry import REGISTRY, Backends
from netspec.diagnostics import Report
from netspec.ir.model import Ir
from netspec.plan import CLUSTER, CNI_READY, NODES, PROVIDER, Condition, Json, Node, ReadyNode, Ref, ResourceNode
from netspec.spec.model import MayBeThere, Settings
from netspec.spec.types import Cidr
from netspec.target import (
    LAYERS,
    AddOn,
    Address,
    Backend,
    Dialect,
    Fact,
    Feature,
    Field,
    Limit,
    Needs,
    NodeRead,
    ObjectRead,
    Range,
    ReadyRead,
    Taint,
    Traits,
)


class PoolSettings(Settings):
    """One group of nodes."""

    size: int = SettingsField(2, ge=1, le=9, description="How many.")


class CloudSettings(Settings):
    """A cluster of somebody's cloud."""

    zone: Literal["north", "south"] = SettingsField(description="Where it is.")
    subnet: Cidr = SettingsField("192.168.0.0/24", description="The nodes' addresses.")
    pool: PoolSettings = SettingsField(default_factory=PoolSettings, description="Its nodes.")


class Cloud(Backend):
    name = "cloud"
    settings = CloudSettings
    supports = frozenset({Feature.IPV4, Feature.MAX_PODS, Feature.PROXY_IPVS})

    def traits(self, ir: Ir, settings: CloudSettings, traits: Traits) -> Traits:
        subnet = Range(settings.subnet, ("stacks", ir.stack, "cluster", "subnet"))
        api_server = Address(Ref("control-plane", "endpoint"), 443)
        return replace(
            traits,
            nodes=settings.pool.size,
            node_networks=(subnet,),
            addons=frozenset({"helper"}),
            node_shares=False,
            balancers_stay=True,
            api_server=api_server,
            outputs={"network": Ref("network", "id")},
        )

    def check(self, ir: Ir, settings: CloudSettings, needs: Needs, report: Report) -> None:
        if needs.node_cidrs:
            report.error(
                "NS902", ("stacks", ir.stack, "cluster"), "this cloud gives nodes no share of the pod CIDR", "x"
            )

    def capacity(self, ir: Ir, settings: CloudSettings) -> tuple[Limit, ...]:
        room = ip_network(settings.subnet).num_addresses - 5
        path = ("stacks", ir.stack, "cluster", "subnet")
        return (Limit(room, "NS108", path, f"the subnet has room for {room} nodes", "a larger subnet"),)

    def lower(self, ir: Ir, settings: CloudSettings, needs: Needs) -> tuple[Node, ...]:
        keep = dict(needs.immutable)
        taints = [{"key": t.key, "value": t.value, "effect": t.effect} for t in needs.taints]
        user = {"server": Ref("control-plane", "endpoint.address"), "zone": settings.zone}
        addons = (
            ResourceNode(a.node, "cloud:k8s:AddOn", {"name": a.name, "settings": Json(a.settings)}, ("control-plane",))
            for a in needs.addons
        )
        return (
            ResourceNode("cloud", f"{PROVIDER}cloud", {"zone": settings.zone}, version="1.2.3"),
            ResourceNode(
                "network", "cloud:net:Network", {"cidr": settings.subnet, "zone": settings.zone}, provider="cloud"
            ),
            ResourceNode(
                "control-plane",
                "cloud:k8s:Cluster",
                {
                    "networks": [{"id": Ref("network", "id")}],
                    "kubeProxy": needs.kube_proxy,
                    "keep": keep,
                },
                provider="cloud",
                unique=True,
            ),
            ResourceNode(
                "access",
                "cloud:k8s:Access",
                {
                    "cluster": Ref("control-plane", "name"),
                    "policy": Json({"who": Ref("control-plane", "name"), "version": Ref("control-plane", "version")}),
                },
                secrets=("kubeconfig",),
                provides=(CLUSTER,),
                provider="cloud",
                outputs={"kubeconfig": Json(user), "identity": Ref("control-plane", "serial")},
            ),
            *addons,
            ResourceNode(
                "pool",
                "cloud:k8s:NodePool",
                {"cluster": Ref("control-plane", "name"), "size": settings.pool.size, "taints": taints},
                depends_on=(*needs.before_nodes, *(a.node for a in needs.addons if a.before_nodes)),
                provides=(NODES,),
                ignores=("size",),
            ),
        )

    def facts(self, ir: Ir, settings: CloudSettings) -> tuple[Fact, ...]:
        zones = ObjectRead("nodes", (("zones", Field('metadata.labels."topology.kubernetes.io/zone"')),))
        return (Fact("zone", "nodes", {"zones": settings.zone}, zones), Fact("agent", "nodes", "on", NodeRead("agent")))


class WireSettings(MayBeThere):
    """A CNI that exists in tests only."""

    mode: Literal["direct", "tunnel"] = SettingsField("direct", description="How packets cross nodes.")
    window_size: int = SettingsField(16, ge=1, description="A number.")
    helped: bool = SettingsField(False, description="Whether the cluster's provider is to install the helper.")


class Wire(Backend):
    """Whose agent must be there before nodes join, and untaints them."""

    name = "wire"
    settings = WireSettings
    supports = frozenset({Feature.NETWORK_POLICY, Feature.END_PORT, Feature.NAMED_PORT, Feature.PROXY_NONE})

    def traits(self, ir: Ir, settings: WireSettings, traits: Traits) -> Traits:
        dialect = Dialect("wire", False, False, True, "Wire matches no pod by its address")
        tunnel = settings.mode == "tunnel"
        return replace(
            traits, dialect=dialect, overhead=28 if tunnel else 0, forwarded="caller" if tunnel else "node", mtu=None
        )

    def needs(self, ir: Ir, settings: WireSettings, needs: Needs) -> Needs:
        return replace(
            needs,
            kube_proxy=ir.network.proxy_mode != "none",
            taints=(*needs.taints, Taint("wire/starting")),
            before_nodes=(*needs.before_nodes, "daemonset:kube-system/wire"),
            immutable={**needs.immutable, "window": settings.window_size},
            addons=(*needs.addons, AddOn("helper", {"window": settings.window_size}))
            if settings.helped
            else needs.addons,
        )

    def lower(self, ir: Ir, settings: WireSettings, needs: Needs) -> tuple[Node, ...]:
        labels = {"app": "wire"}
        pod = {
            "hostNetwork": True,
            "containers": [{"name": "wire", "image": IMAGE}],
            "tolerations": [{"operator": "Exists"}],
        }
        spec = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}
        agent = node(manifest("apps/v1", "DaemonSet", "wire", "kube-system", spec=spec), CLUSTER, wait=False)
        return agent, ReadyNode(CNI_READY, (Condition("nodes", "Ready", at_least=ir.traits.nodes),), (agent.id, NODES))

    def facts(self, ir: Ir, settings: WireSettings) -> tuple[Fact, ...]:
        read = ObjectRead("wires.example.dev", (("mode", Field("spec.mode", "direct")),), name="default")
        return (Fact("wire-mode", "wire", {"mode": settings.mode}, read),)


class FrontSettings(Settings):
    """An ingress controller that exists in tests only."""

    replicas: int = SettingsField(1, ge=1, description="How many.")


class Front(Backend):
    """Which gives LoadBalancer Services an address, too."""

    name = "front"
    settings = FrontSettings
    supports = frozenset({Feature.LOAD_BALANCER})

    def lower(self, ir: Ir, settings: FrontSettings, needs: Needs) -> tuple[Node, ...]:
        labels = {"app": "front"}
        pod = {"containers": [{"name": "front", "image": IMAGE}]}
        spec = {
            "replicas": settings.replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        }
        return (node(manifest("apps/v1", "Deployment", "front", "kube-system", spec=spec), CLUSTER, CNI_READY),)

    def facts(self, ir: Ir, settings: FrontSettings) -> tuple[Fact, ...]:
        return (Fact("front-replicas", "kube-system/front", settings.replicas, ReadyRead()),)


IMAGE = "registry.k8s.io/e2e-test-images/agnhost:2.56"

_TOYS: dict[str, tuple[Backend, ...]] = {"cluster": (Cloud(),), "cni": (Wire(),), "ingress": (Front(),)}


def _with_toys(layer: str) -> Mapping[str, Backend]:
    return {**REGISTRY.providers(layer), **{toy.name: toy for toy in _TOYS.get(layer, ())}}


#: The real registry and the toys.
TOYS = Backends({layer.name: _with_toys(layer.name) for layer in LAYERS})

_IN_ACM = {"shop/web-tls": "arn:aws:acm:eu-west-1:123456789012:certificate/0a1b2c3d"}
#: What the settings that are required are set to.
STACK_OF: dict[str, str | dict[str, Any]] = {
    "cloud": {"type": "cloud", "zone": "north"},
    "flannel": {"provider": "flannel", "policy": "calico"},
    "weave": {"provider": "weave", "acceptArchived": True},
    "aws-alb": {"controller": "aws-alb", "certificates": _IN_ACM},
    "aws-alb-gateway": {"controller": "aws-alb-gateway", "certificates": _IN_ACM},
    "eks": {
        "type": "eks",
        "region": "eu-west-1",
        "zones": ["eu-west-1a", "eu-west-1b"],
        "version": "1.35",
        "addons": {
            "vpc-cni": "v1.21.1-eksbuild.3",
            "kube-proxy": "v1.35.0-eksbuild.2",
            "coredns": "v1.13.2-eksbuild.1",
            "eks-pod-identity-agent": "v1.3.10-eksbuild.2",
        },
        "admins": ["arn:aws:iam::123456789012:role/netspec"],
        "vpc": {"podSubnets": True},
        "nodeGroups": [{"name": "general", "min": 3, "max": 4}],
    },
    "gke": {
        "type": "gke",
        "project": "example-project",
        "region": "europe-west1",
        "zones": ["europe-west1-b", "europe-west1-c"],
        "version": "1.35",
        "authorizedNetworks": ["203.0.113.0/24"],
        "nodePools": [{"name": "general", "min": 2, "max": 4}],
    },
    "aks": {
        "type": "aks",
        "region": "westeurope",
        "version": "1.35",
        "authorizedIPRanges": ["203.0.113.0/24"],
        "nodePools": [{"name": "system", "min": 3, "max": 3}, {"name": "work", "mode": "user", "max": 4}],
    },
    "traefik": {"controller": "traefik", "service": "NodePort"},
    "haproxy": {"controller": "haproxy", "service": "NodePort"},
    "f5-nginx": {"controller": "f5-nginx", "service": "NodePort"},
    "ingress-nginx": {"controller": "ingress-nginx", "service": "NodePort"},
    "envoy-gateway": {"controller": "envoy-gateway", "service": "NodePort"},
    "traefik-gateway": {"controller": "traefik-gateway", "service": "NodePort"},
    "nginx-gateway-fabric": {"controller": "nginx-gateway-fabric", "service": "NodePort"},
    "wire": {"provider": "wire", "mode": "tunnel"},
    "vpc-cni": {"provider": "vpc-cni", "prefixDelegation": True, "customNetworking": True},
}


def _eks(**changes: Any) -> dict[str, Any]:
    whole = STACK_OF["eks"]
    assert isinstance(whole, dict)
    return {**whole, **changes}


#: Settings with which a backend has a feature that it lacks by default.
WITH: dict[tuple[str, Feature], dict[str, Any]] = {
    ("existing", Feature.LOAD_BALANCER): {"type": "existing", "loadBalancers": True},
    ("existing", Feature.PROXY_NFTABLES): {"type": "existing", "proxy": "nftables"},
    ("existing", Feature.PROXY_IPVS): {"type": "existing", "proxy": "ipvs"},
    ("existing", Feature.PROXY_NONE): {"type": "existing", "proxy": "none"},
}
#: Settings with which a backend lacks a feature that it supports.
WITHOUT: dict[tuple[str, Feature], dict[str, Any]] = {
    ("kind", Feature.PROXY_IPVS): {"type": "kind", "nodeImage": "kindest/node:v1.40.0"},
    ("vpc-cni", Feature.SCTP): {"provider": "vpc-cni", "customNetworking": True, "networkPolicy": "off"},
    ("eks", Feature.PROXY_IPVS): _eks(version="1.36"),
    ("eks", Feature.PROXY_NFTABLES): _eks(version="1.32"),
    ("existing", Feature.LOAD_BALANCER): {"type": "existing"},
    ("existing", Feature.PROXY_NFTABLES): {"type": "existing"},
    ("existing", Feature.PROXY_IPTABLES): {"type": "existing", "proxy": "ipvs"},
    ("gke-cni", Feature.NETWORK_POLICY): {"provider": "gke-cni", "policies": False},
    ("gke-cni", Feature.PROXY_NONE): {"provider": "gke-cni", "dataplane": "legacy"},
    ("gke-cni", Feature.SCTP): {"provider": "gke-cni", "dataplane": "v2"},
    ("azure-cni", Feature.NETWORK_POLICY): {"provider": "azure-cni", "policy": "none"},
    ("azure-cni", Feature.PROXY_NONE): {"provider": "azure-cni", "dataplane": "azure", "policy": "calico"},
    ("azure-cni", Feature.SCTP): {"provider": "azure-cni", "dataplane": "cilium"},
    ("flannel", Feature.NETWORK_POLICY): {"provider": "flannel"},
    ("flannel", Feature.END_PORT): {"provider": "flannel"},
    ("calico", Feature.PROXY_NONE): {"provider": "calico", "dataplane": "iptables"},
    ("calico", Feature.SCTP): {"provider": "calico", "dataplane": "ebpf"},
}
#: Layer, backend and feature of each.
LACKING = [
    (next(layer.name for layer in LAYERS if name in REGISTRY.providers(layer.name)), name, feature)
    for name, feature in WITHOUT
]


def given(name: str, feature: Feature | None = None) -> str | dict[str, Any]:
    """What a stack says to have this backend, with a feature where it can."""
    return WITH.get((name, feature), STACK_OF.get(name, name)) if feature else STACK_OF.get(name, name)


def is_there(cluster: str | dict[str, Any]) -> bool:
    """Whether such a cluster comes with its CNI."""
    return (cluster if isinstance(cluster, str) else cluster["type"]) == "existing"


def has_own_dns(cluster: str) -> bool:
    """Whether such a cluster comes with a DNS server that no setting of netspec reaches."""
    return cluster in ("existing", "aks", "gke")


def without(name: str, feature: Feature) -> dict[str, Any]:
    return WITHOUT[name, feature]


def excluded(cluster: str, cni: str) -> bool:
    """Whether a CNI is software of providers of which this cluster is none, or wants of it what it does not give."""
    if cni == "vpc-cni":
        return cluster != "eks"
    if cni in ("azure-cni", "gke-cni") or cluster in ("aks", "gke"):
        return (cluster, cni) not in (("aks", "azure-cni"), ("gke", "gke-cni"))
    if cni == "kindnet":
        return cluster not in ("kind", "existing")
    return cni in ("flannel", "antrea") and cluster in ("cloud", "eks")
