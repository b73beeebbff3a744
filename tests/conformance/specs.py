"""For each feature a small spec that needs it, with the stack `dev` on whatever backends are asked for."""

from typing import Any

import yaml

from netspec.ir.features import Feature
from netspec.spec.load import LoadedSpec, loads

_WEB = {"name": "web", "namespace": "shop", "labels": {"app": "web"}, "ports": [{"name": "http", "port": 8080}]}
_SERVICE = {"name": "web", "namespace": "shop", "selector": {"app": "web"}, "ports": [{"port": 8080}]}


def _policy(port: dict[str, Any]) -> dict[str, Any]:
    spec = {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress"], "ingress": [{"ports": [port]}]}
    return {"networkPolicies": [{"name": "web", "namespace": "shop", "spec": spec}]}


#: Feature -> what the base spec is changed by; a section given here replaces the base's.
NEEDS: dict[Feature, dict[str, Any]] = {
    Feature.IPV4: {},
    Feature.PROXY_IPTABLES: {},
    Feature.PROXY_NFTABLES: {"network": {"proxy": {"mode": "nftables"}}},
    Feature.MAX_PODS: {"network": {"maxPods": 60}},
    Feature.NODE_MASK: {"network": {"nodeCIDRMask": 25}},
    Feature.NODE_IMAGE: {"cluster": {"nodeImage": "example/node:1"}},
    Feature.LOAD_BALANCER: {"services": [_SERVICE | {"type": "LoadBalancer"}]},
    Feature.VXLAN: {"cni": {"encapsulation": "vxlan"}},
    Feature.BLOCK_SIZE: {"cni": {"blockSize": 27}},
    Feature.MTU: {"cni": {"mtu": 1400}},
    Feature.NETWORK_POLICY: _policy({"port": 8080}),
    Feature.END_PORT: _policy({"port": 8080, "endPort": 8090}),
    Feature.NAMED_PORT: _policy({"port": "http"}),
    Feature.SCTP: _policy({"port": 8080, "protocol": "SCTP"}),
    Feature.CLUSTER_IP: {"services": [_SERVICE]},
    Feature.HEADLESS: {"services": [_SERVICE | {"clusterIP": "None"}]},
    Feature.NODE_PORT: {"services": [_SERVICE | {"type": "NodePort"}]},
    Feature.EXTERNAL_NAME: {
        "services": [{"name": "w", "namespace": "shop", "type": "ExternalName", "externalName": "example.com"}]
    },
    Feature.STAND_IN: {"workloads": [_WEB | {"standIn": True}]},
    Feature.DEFAULT_NAMESPACE_LABELS: {
        "namespaces": [{"name": "shop"}, {"name": "default", "labels": {"team": "shop"}}]
    },
    Feature.NDOTS: {"dns": {"ndots": 2}},
    Feature.DNS_REPLICAS: {"dns": {"coredns": {"replicas": 3}}},
    Feature.DNS_CACHE: {"dns": {"coredns": {"cacheSeconds": 0}}},
    Feature.STUB_DOMAINS: {"dns": {"stubDomains": {"corp.example": ["172.30.0.53"]}}},
}


def spec_needing(feature: Feature, cluster: str, cni: str) -> LoadedSpec:
    return load_spec(NEEDS[feature], cluster, cni)


def load_spec(changes: dict[str, Any], cluster: str = "kind", cni: str = "calico") -> LoadedSpec:
    """The base spec (one namespace, one workload) with `changes`; `cluster` and `cni` in them change the stack."""
    sections = {key: value for key, value in changes.items() if key not in ("cluster", "cni")}
    data = {
        "apiVersion": "netspec.dev/v1alpha1",
        "kind": "NetworkSpec",
        "metadata": {"name": "probe"},
        "namespaces": [{"name": "shop"}],
        "workloads": [_WEB],
        **sections,
        "stacks": {
            "dev": {
                "cluster": {"type": cluster} | changes.get("cluster", {}),
                "cni": {"provider": cni} | changes.get("cni", {}),
            }
        },
    }
    return loads(yaml.safe_dump(data), "probe.yaml")
