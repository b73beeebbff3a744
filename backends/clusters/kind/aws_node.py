"""The add-on `vpc-cni` as EKS would install it, from objects of ours, on nodes that pretend to be EC2 instances.

Source: amazon-vpc-cni-k8s v1.23.2 (config/master/aws-k8s-cni.yaml: names, rights, mounts and defaults; README, "CNI
Configuration Variables"). Without its agent for policies, which is not needed where that is off; and with all from the
metadata service (ENABLE_IMDS_ONLY_MODE), for there is no EC2 to ask.
"""

from collections.abc import Mapping
from typing import Any

from netspec.backends.objects import Manifest, cluster_role_binding, manifest, node, rule
from netspec.catalogue import IMAGES, VPC_CNI
from netspec.plan import CLUSTER, ManifestNode, Node

NAME, NAMESPACE = "aws-node", "kube-system"
_LABELS = {"k8s-app": NAME}
#: A container network's own. EC2's is 9001.
MTU = "1500"
_LOGS = "/var/log/aws-routed-eni"
_SOCKET = "/var/run/aws-node"
_HEALTH = ["/app/grpc-health-probe", f"-addr=unix://{_SOCKET}/ipamd.sock", "-connect-timeout=5s", "-rpc-timeout=5s"]
_VOLUMES = {
    "cni-bin-dir": ("/opt/cni/bin", ""),
    "cni-net-dir": ("/etc/cni/net.d", ""),
    "log-dir": (_LOGS, "DirectoryOrCreate"),
    "run-dir": (_SOCKET, "DirectoryOrCreate"),
    "xtables-lock": ("/run/xtables.lock", "FileOrCreate"),
}
_MOUNTS = {
    "cni-bin-dir": "/host/opt/cni/bin",
    "cni-net-dir": "/host/etc/cni/net.d",
    "log-dir": f"/host{_LOGS}",
    "run-dir": _SOCKET,
    "xtables-lock": "/run/xtables.lock",
}
_DEFAULTS = {
    "AWS_VPC_CNI_NODE_PORT_SUPPORT": "true",
    "AWS_VPC_ENI_MTU": MTU,
    "AWS_VPC_K8S_CNI_LOGLEVEL": "WARN",
    "AWS_VPC_K8S_CNI_LOG_FILE": "stdout",
    "AWS_VPC_K8S_CNI_RANDOMIZESNAT": "prng",
    "AWS_VPC_K8S_CNI_VETHPREFIX": "eni",
    "AWS_VPC_K8S_PLUGIN_LOG_FILE": f"{_LOGS}/plugin.log",
    "AWS_VPC_K8S_PLUGIN_LOG_LEVEL": "INFO",
    "ENABLE_IMDS_ONLY_MODE": "true",
    "ENABLE_IPv4": "true",
    "ENABLE_IPv6": "false",
    "VPC_CNI_VERSION": f"v{VPC_CNI.official}",
    # With prefixes the agent does not start without a warm target (cmd/aws-vpc-cni/main.go: validateEnvVars).
    "WARM_PREFIX_TARGET": "1",
}


def add_on(id_: str, settings: Mapping[str, Any], endpoint: str, region: str, *after: str) -> tuple[Node, ...]:
    """`id_`: the id that the node which stands for the add-on is to have; `settings`: its configuration values;
    `endpoint`: of the metadata service."""
    account = node(manifest("v1", "ServiceAccount", NAME, NAMESPACE), CLUSTER)
    role = node(_role(), CLUSTER)
    binding = node(cluster_role_binding(NAME, NAME, NAMESPACE), account.id, role.id)
    daemon = _daemon_set(settings, {"AWS_EC2_METADATA_SERVICE_ENDPOINT": endpoint, "AWS_REGION": region})
    return account, role, binding, ManifestNode(id_, daemon, (account.id, binding.id, *after), wait=False)


def _role() -> Manifest:
    read = ("get", "list", "watch")
    return manifest(
        "rbac.authorization.k8s.io/v1",
        "ClusterRole",
        NAME,
        rules=[
            rule(("crd.k8s.amazonaws.com",), ("eniconfigs",), read),
            rule(("",), ("namespaces", "nodes"), read),
            rule(("",), ("pods",), (*read, "patch")),  # for ANNOTATE_POD_IP
            rule(("", "events.k8s.io"), ("events",), ("create", "patch", "list")),
            rule(("vpcresources.k8s.aws",), ("cninodes",), (*read, "patch")),
        ],
    )


def _daemon_set(settings: Mapping[str, Any], where: Mapping[str, str]) -> Manifest:
    variables = {**_DEFAULTS, **where, **settings.get("env", {})}
    env: list[dict[str, Any]] = [{"name": name, "value": value} for name, value in sorted(variables.items())]
    for name, path in (("MY_NODE_NAME", "spec.nodeName"), ("MY_POD_NAME", "metadata.name")):
        env.append({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}})
    early = {**where, "DISABLE_TCP_EARLY_DEMUX": "false", **settings.get("init", {}).get("env", {})}
    init = {
        "name": "aws-vpc-cni-init",
        "image": IMAGES["vpc-cni-init"],
        "imagePullPolicy": "IfNotPresent",
        "env": [{"name": name, "value": value} for name, value in sorted(early.items())],
        "securityContext": {"privileged": True},
        "volumeMounts": [{"name": "cni-bin-dir", "mountPath": _MOUNTS["cni-bin-dir"]}],
    }
    agent = {
        "name": NAME,
        "image": IMAGES["vpc-cni"],
        "imagePullPolicy": "IfNotPresent",
        "env": env,
        "livenessProbe": {"exec": {"command": _HEALTH}, "initialDelaySeconds": 60, "timeoutSeconds": 10},
        "readinessProbe": {"exec": {"command": _HEALTH}, "initialDelaySeconds": 1, "timeoutSeconds": 10},
        "resources": {"requests": {"cpu": "25m"}},
        "securityContext": {"capabilities": {"add": ["NET_ADMIN", "NET_RAW"]}},
        "volumeMounts": [{"name": name, "mountPath": path} for name, path in _MOUNTS.items()],
    }
    pod = {
        "priorityClassName": "system-node-critical",
        "serviceAccountName": NAME,
        "hostNetwork": True,
        "terminationGracePeriodSeconds": 10,
        "tolerations": [{"operator": "Exists"}],
        "initContainers": [init],
        "containers": [agent],
        "volumes": [
            {"name": name, "hostPath": {"path": path} | ({"type": kind} if kind else {})}
            for name, (path, kind) in _VOLUMES.items()
        ],
    }
    return manifest(
        "apps/v1",
        "DaemonSet",
        NAME,
        NAMESPACE,
        labels=_LABELS,
        spec={
            "selector": {"matchLabels": _LABELS},
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "10%"}},
            "template": {"metadata": {"labels": _LABELS}, "spec": pod},
        },
    )
