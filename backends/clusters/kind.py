"""kind: Kubernetes nodes as containers. Sources: kind's v1alpha4 config, kubeadm's v1beta3 and v1beta4 config."""

from typing import Any

import yaml

from netspec.catalogue import IMAGES
from netspec.diagnostics import Report
from netspec.ir.features import Feature
from netspec.ir.model import Dns, Ir, KindCluster, Network
from netspec.plan import CLUSTER, KindClusterNode, Node


class Kind:
    name = "kind"
    supports: frozenset[str] = frozenset(
        {
            Feature.IPV4,
            Feature.PROXY_IPTABLES,
            Feature.PROXY_NFTABLES,
            Feature.MAX_PODS,
            Feature.NODE_MASK,
            Feature.NODE_IMAGE,
        }
    )

    def check(self, ir: Ir, report: Report) -> None:
        """Nothing beyond the features."""

    def lower(self, ir: Ir) -> tuple[Node, ...]:
        cluster = ir.cluster
        return (
            KindClusterNode(
                id=CLUSTER,
                name=cluster.name,
                image=cluster.node_image or IMAGES["node"],
                config=cluster_config(cluster, ir.network, ir.dns),
                network=f"netspec-{cluster.name}",
                network_cidr=str(cluster.network_cidr),
                outside_name=f"{cluster.name}-outside",
                outside_image=IMAGES["agnhost"],
                # Calico's operator refuses to change a pool's blocks once pods have addresses from it.
                immutable={"cni": ir.cni.provider, "blockSize": ir.cni.block_size},
            ),
        )


def cluster_config(cluster: KindCluster, network: Network, dns: Dns) -> dict[str, Any]:
    """kind's Cluster object: one control-plane node and the workers, without kind's own CNI."""
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "name": cluster.name,
        "networking": {
            "ipFamily": "ipv4",
            "podSubnet": ",".join(map(str, network.pod_cidrs)),
            "serviceSubnet": ",".join(map(str, network.service_cidrs)),
            "disableDefaultCNI": True,
            "kubeProxyMode": network.proxy_mode,
        },
        "nodes": [{"role": "control-plane"}, *({"role": "worker"} for _ in range(cluster.workers))],
        "kubeadmConfigPatches": [yaml.safe_dump(p, sort_keys=False) for p in kubeadm_patches(network, dns)],
    }


def kubeadm_patches(network: Network, dns: Dns) -> tuple[dict[str, Any], ...]:
    """Merge patches (RFC 7386) of the kubeadm config that kind writes, matched by `kind`.

    No apiVersion: kind picks kubeadm's (v1beta3 before Kubernetes 1.36) and converts `extraArgs` from this map form.
    """
    return (
        {
            "kind": "InitConfiguration",
            # A merge patch replaces lists, so kind's own entry (preflight) is repeated. CoreDNS is netspec's.
            "skipPhases": ["preflight", "addon/coredns"],
        },
        {
            "kind": "ClusterConfiguration",
            "controllerManager": {"extraArgs": {"node-cidr-mask-size": str(network.node_mask)}},
        },
        {"kind": "KubeletConfiguration", "maxPods": network.max_pods, "clusterDNS": [dns.address]},
    )
