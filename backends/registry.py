"""Every backend, in explicit tables: none registers itself by being imported, or is loaded before it is used."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import import_module

from netspec.target import Backend

#: Layer -> what a spec calls a backend -> its class, below netspec.backends.
PROVIDERS: dict[str, dict[str, str]] = {
    "cluster": {
        "kind": "clusters.kind:Kind",
        "eks": "clusters.eks:Eks",
        "aks": "clusters.aks:Aks",
        "gke": "clusters.gke:Gke",
        "existing": "clusters.existing:ExistingCluster",
    },
    "cni": {
        "calico": "cni.calico:Calico",
        "cilium": "cni.cilium:Cilium",
        "flannel": "cni.flannel:Flannel",
        "antrea": "cni.antrea:Antrea",
        "weave": "cni.weave:Weave",
        "kindnet": "cni.kindnet:Kindnet",
        "vpc-cni": "cni.vpc_cni:VpcCni",
        "azure-cni": "cni.azure_cni:AzureCni",
        "gke-cni": "cni.gke_cni:GkeCni",
    },
    "loadBalancer": {"metallb": "edge.metallb:Metallb", "aws-nlb": "edge.aws_lbc:AwsNlb"},
    "ingress": {
        "traefik": "edge.traefik:Traefik",
        "haproxy": "edge.haproxy:Haproxy",
        "f5-nginx": "edge.f5_nginx:F5Nginx",
        "ingress-nginx": "edge.ingress_nginx:IngressNginx",
        "aws-alb": "edge.aws_lbc:AwsAlb",
    },
    "gateway": {
        "envoy-gateway": "edge.envoy_gateway:EnvoyGateway",
        "traefik-gateway": "edge.traefik.gateway:TraefikGateway",
        "nginx-gateway-fabric": "edge.nginx_fabric:NginxFabric",
        "aws-alb-gateway": "edge.aws_lbc.gateway:AwsAlbGateway",
    },
}


#: Cluster and CNI -> how far the two together were taken: "cluster" (applied to a running one and verified there),
#: "engine" (applied by the Pulumi engine: to stand-ins, or to an API server without nodes). All are compiled.
#: docs/where-run.md says what exactly was run.
PROVEN: dict[tuple[str, str], str] = {
    ("kind", "calico"): "cluster",
    ("kind", "cilium"): "cluster",
    ("kind", "flannel"): "cluster",
    ("existing", "calico"): "cluster",
    ("kind", "antrea"): "engine",
    ("kind", "weave"): "engine",
    ("eks", "vpc-cni"): "engine",
    ("eks", "calico"): "engine",
    ("eks", "cilium"): "engine",
}


class Providers(Mapping[str, Backend]):
    """A layer's backends by name, each loaded when it is asked for."""

    def __init__(self, classes: Mapping[str, str]) -> None:
        self._classes = classes
        self._loaded: dict[str, Backend] = {}

    def __getitem__(self, name: str) -> Backend:
        if name not in self._loaded:
            self._loaded[name] = load(self._classes[name])
        return self._loaded[name]

    def __contains__(self, name: object) -> bool:
        return name in self._classes

    def __iter__(self) -> Iterator[str]:
        return iter(self._classes)

    def __len__(self) -> int:
        return len(self._classes)


def load(name: str) -> Backend:
    """The backend whose class is called "<module below netspec.backends>:<class>"."""
    module, _, cls = name.partition(":")
    backend = getattr(import_module(f"netspec.backends.{module}"), cls)()
    assert isinstance(backend, Backend)
    return backend


class Backends:
    """netspec.target.Registry, filled."""

    def __init__(
        self,
        layers: Mapping[str, Mapping[str, Backend]],
        dns: Backend | None = None,
        common: Backend | None = None,
    ) -> None:
        """`dns`, `common`: in place of netspec's own."""
        self._layers, self._dns, self._common = layers, dns, common

    def providers(self, layer: str) -> Mapping[str, Backend]:
        return self._layers.get(layer, {})

    @cached_property
    def dns(self) -> Backend:
        return self._dns or load("dns.coredns:CoreDns")

    @cached_property
    def common(self) -> Backend:
        return self._common or load("common:Common")


REGISTRY = Backends({layer: Providers(classes) for layer, classes in PROVIDERS.items()})
