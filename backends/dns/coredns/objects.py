"""CoreDNS, netspec's own: replicas, stub domains and caching are the spec's, not a patch on somebody else's objects.

The objects follow kubeadm's CoreDNS addon (cmd/kubeadm/app/phases/addons/dns), whose phase the cluster skips.
"""

import hashlib
from typing import Any

from netspec.backends.corefile import METRICS_PORT, NAMESPACE, corefile
from netspec.backends.dns.coredns.autoscaler import autoscaler
from netspec.backends.objects import CHECKSUM, Manifest, cluster_role_binding, guards, manifest, node, rule
from netspec.catalogue import IMAGES
from netspec.ir.dns import KUBE_DNS
from netspec.ir.model import Dns, Ir
from netspec.plan import CLUSTER, CNI_READY, ManifestNode

ROLE = "system:coredns"
LABELS = dict(KUBE_DNS.labels)
HEALTH_PORT, READY_PORT = 8080, 8181


def coredns(ir: Ir) -> tuple[ManifestNode, ...]:
    account = node(manifest("v1", "ServiceAccount", "coredns", NAMESPACE), CLUSTER)
    role = node(_cluster_role(), CLUSTER)
    binding = node(cluster_role_binding(ROLE, "coredns", NAMESPACE), account.id, role.id)
    text = corefile(ir.dns)
    config = node(manifest("v1", "ConfigMap", "coredns", NAMESPACE, data={"Corefile": text}), CLUSTER)
    service = node(_service(ir.dns), CLUSTER, wait=False)
    guarding = (policy for w in ir.workloads if w.system for policy in guards(ir, w))
    budget = node(_budget(ir.dns.max_unavailable), CLUSTER) if ir.dns.max_unavailable is not None else None
    server = node(_deployment(ir.dns, text), binding.id, config.id, CNI_READY, *guarding)
    scaled = autoscaler(ir.dns, server.id)
    return (account, role, binding, config, service, *([budget] if budget else []), server, *scaled)


def _cluster_role() -> Manifest:
    return manifest(
        "rbac.authorization.k8s.io/v1",
        "ClusterRole",
        ROLE,
        rules=[
            rule([""], ["endpoints", "services", "pods", "namespaces"], ["list", "watch"]),
            rule(["discovery.k8s.io"], ["endpointslices"], ["list", "watch"]),
        ],
    )


def _service(dns: Dns) -> Manifest:
    """At the address that the kubelet hands to every pod, under the name and label that policies and tools look for."""
    return manifest(
        "v1",
        "Service",
        "kube-dns",
        NAMESPACE,
        labels=LABELS | {"kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS"},
        spec={
            "clusterIP": dns.address,
            "selector": LABELS,
            "ports": [
                {"name": "dns", "port": 53, "targetPort": 53, "protocol": "UDP"},
                {"name": "dns-tcp", "port": 53, "targetPort": 53, "protocol": "TCP"},
                {"name": "metrics", "port": METRICS_PORT, "targetPort": METRICS_PORT, "protocol": "TCP"},
            ],
        },
    )


def _budget(max_unavailable: int) -> Manifest:
    """So many may be away when nodes are drained."""
    return manifest(
        "policy/v1",
        "PodDisruptionBudget",
        "coredns",
        NAMESPACE,
        spec={"maxUnavailable": max_unavailable, "selector": {"matchLabels": LABELS}},
    )


def _deployment(dns: Dns, text: str) -> Manifest:
    template = {
        "metadata": {"labels": LABELS, "annotations": {CHECKSUM: hashlib.sha256(text.encode()).hexdigest()}},
        "spec": {
            "priorityClassName": "system-cluster-critical",
            "serviceAccountName": "coredns",
            # The node's resolver, not this very Service.
            "dnsPolicy": "Default",
            "nodeSelector": {"kubernetes.io/os": "linux"},
            "tolerations": [
                {"key": "CriticalAddonsOnly", "operator": "Exists"},
                {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"},
            ],
            "topologySpreadConstraints": [
                {
                    "maxSkew": 1,
                    "topologyKey": "kubernetes.io/hostname",
                    "whenUnsatisfiable": "DoNotSchedule" if dns.apart else "ScheduleAnyway",
                    "labelSelector": {"matchLabels": LABELS},
                }
            ],
            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [_container()],
            "volumes": [
                {"name": "config", "configMap": {"name": "coredns", "items": [{"key": "Corefile", "path": "Corefile"}]}}
            ],
        },
    }
    return manifest(
        "apps/v1",
        "Deployment",
        "coredns",
        NAMESPACE,
        labels=LABELS,
        # Where the autoscaler says how many, whoever else does would fight it.
        spec=({} if dns.autoscale else {"replicas": dns.replicas})
        | {
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
            "selector": {"matchLabels": LABELS},
            "template": template,
        },
    )


def _container() -> dict[str, Any]:
    return {
        "name": "coredns",
        "image": IMAGES["coredns"],
        "imagePullPolicy": "IfNotPresent",
        "args": ["-conf", "/etc/coredns/Corefile"],
        "resources": {"limits": {"memory": "170Mi"}, "requests": {"cpu": "100m", "memory": "70Mi"}},
        "ports": [
            {"name": "dns", "containerPort": 53, "protocol": "UDP"},
            {"name": "dns-tcp", "containerPort": 53, "protocol": "TCP"},
            {"name": "metrics", "containerPort": METRICS_PORT, "protocol": "TCP"},
        ],
        "livenessProbe": {
            "httpGet": {"path": "/health", "port": HEALTH_PORT},
            "initialDelaySeconds": 60,
            "timeoutSeconds": 5,
            "failureThreshold": 5,
        },
        "readinessProbe": {"httpGet": {"path": "/ready", "port": READY_PORT}, "periodSeconds": 3},
        "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns", "readOnly": True}],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
    }
