"""The autoscaler of the DNS servers, by its official objects (kubernetes, cluster/addons/dns-horizontal-autoscaler)."""

from typing import Any

from netspec.backends.objects import Manifest, cluster_role_binding, manifest, node, rule
from netspec.catalogue import IMAGES
from netspec.ir.dns import KUBE_DNS
from netspec.ir.model import Dns, Ir
from netspec.plan import CLUSTER, CNI_READY, Condition, ManifestNode, ReadyNode
from netspec.target import Fact, Field, ObjectRead, ReadyRead

NAMESPACE, NAME = KUBE_DNS.namespace, KUBE_DNS.autoscaler
ROLE = f"system:{NAME}"
LABELS = {"k8s-app": NAME}


def autoscaler(dns: Dns, target: str) -> tuple[ManifestNode, ...]:
    """`target`: the node of the Deployment that it scales."""
    if dns.autoscale is None:
        return ()
    account = node(manifest("v1", "ServiceAccount", NAME, NAMESPACE), CLUSTER)
    role = node(_role(), CLUSTER)
    binding = node(cluster_role_binding(ROLE, NAME, NAMESPACE), account.id, role.id)
    config = node(manifest("v1", "ConfigMap", NAME, NAMESPACE, data=dns.autoscale.parameters), CLUSTER)
    return account, role, binding, config, node(_deployment(), binding.id, config.id, target, CNI_READY)


def scaled(ir: Ir) -> tuple[ReadyNode, ...]:
    """Waits for as many servers as the autoscaler will have, where the nodes say how many: it looks every ten seconds,
    and applying would end before."""
    servers = ir.dns.servers(ir.traits.nodes)
    if ir.dns.autoscale is None or servers is None:
        return ()
    selector = ",".join(f"{key}={value}" for key, value in KUBE_DNS.labels.items())
    condition = Condition("pods", "Ready", NAMESPACE, servers, selector)
    return (ReadyNode(f"scaled:{KUBE_DNS.workload_id}", (condition,), (f"deployment:{NAMESPACE}/{NAME}",)),)


def autoscaler_facts(dns: Dns) -> tuple[Fact, ...]:
    """It runs, and scales by what the spec says."""
    if dns.autoscale is None:
        return ()
    wanted = dns.autoscale.parameters
    settings = ObjectRead("configmaps", tuple((key, Field(f"data.{key}")) for key in wanted), NAME, NAMESPACE)
    return (
        Fact("dns-autoscaler", KUBE_DNS.autoscaler_id, 1, ReadyRead()),
        Fact("dns-autoscaler-settings", "dns", wanted, settings),
    )


def _role() -> Manifest:
    rules = [
        rule([""], ["nodes"], ["list", "watch"]),
        rule([""], ["replicationcontrollers/scale"], ["get", "update"]),
        rule(["apps"], ["deployments/scale", "replicasets/scale"], ["get", "update"]),
        rule([""], ["configmaps"], ["get", "create"]),
    ]
    return manifest("rbac.authorization.k8s.io/v1", "ClusterRole", ROLE, rules=rules)


def _deployment() -> Manifest:
    container: dict[str, Any] = {
        "name": "autoscaler",
        "image": IMAGES["autoscaler"],
        "imagePullPolicy": "IfNotPresent",
        "resources": {"requests": {"cpu": "20m", "memory": "10Mi"}},
        "command": [
            "/cluster-proportional-autoscaler",
            f"--namespace={NAMESPACE}",
            f"--configmap={NAME}",
            "--target=deployment/coredns",
            "--logtostderr=true",
            "--v=2",
        ],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    pod = {
        "priorityClassName": "system-cluster-critical",
        "serviceAccountName": NAME,
        "securityContext": {
            "seccompProfile": {"type": "RuntimeDefault"},
            "supplementalGroups": [65534],
            "fsGroup": 65534,
        },
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "CriticalAddonsOnly", "operator": "Exists"}],
        "containers": [container],
    }
    template = {"metadata": {"labels": LABELS}, "spec": pod}
    spec = {"selector": {"matchLabels": LABELS}, "template": template}
    return manifest("apps/v1", "Deployment", NAME, NAMESPACE, labels=LABELS, spec=spec)
