"""Flannel's own objects: its configuration and its daemon on every node."""

import hashlib
import json
from typing import Any

from netspec.backends.cni.flannel.settings import FlannelSettings
from netspec.backends.objects import CHECKSUM, Manifest, cluster_role_binding, manifest, node, rule
from netspec.catalogue import IMAGES
from netspec.ir.model import Ir
from netspec.plan import CLUSTER, NODES, ManifestNode

NAMESPACE = "kube-flannel"
CONFIG = "kube-flannel-cfg"
_NAME, _DAEMON = "flannel", "kube-flannel-ds"
#: Where the daemon writes what the CNI plugin reads.
RUN = "/run/flannel"
_READ = ("get", "list", "watch")


def daemon(ir: Ir, settings: FlannelSettings) -> tuple[ManifestNode, ...]:
    """The first is the namespace; the DaemonSet is waited for, once there are nodes."""
    namespace = node(
        manifest("v1", "Namespace", NAMESPACE, labels={"pod-security.kubernetes.io/enforce": "privileged"}), CLUSTER
    )
    account = node(manifest("v1", "ServiceAccount", _NAME, NAMESPACE), namespace.id)
    role = node(_role(settings), CLUSTER)
    binding = node(cluster_role_binding(_NAME, _NAME, NAMESPACE), account.id, role.id)
    config = _config(ir, settings)
    configured = node(config, namespace.id)
    running = node(_daemon_set(ir, settings, config["data"]), configured.id, binding.id, NODES)
    return namespace, account, role, binding, configured, running


def net_conf(ir: Ir, settings: FlannelSettings) -> str:
    """net-conf.json: the pod CIDR and the backend."""
    backend: dict[str, Any] = {"Type": settings.backend}
    if settings.backend == "vxlan" and settings.direct_routing:
        backend["DirectRouting"] = True
    if settings.mtu is not None:
        # Of the interface below: flannel takes the header off.
        backend["MTU"] = settings.mtu + {"vxlan": 50, "wireguard": 80, "host-gw": 0}[settings.backend]
    conf = {
        "Network": str(ir.network.pod_cidrs[0]),
        "EnableNFTables": ir.network.proxy_mode == "nftables",
        "Backend": backend,
    }
    return json.dumps(conf, indent=2) + "\n"


def _cni_conf() -> str:
    """Flannel's plugin hands on to `ptp`, which every node image of kind has, and not to `bridge`, which it has not."""
    flannel = {
        "type": "flannel",
        "ipam": {"type": "host-local", "routes": [{"dst": "0.0.0.0/0"}]},
        "delegate": {"type": "ptp"},
    }
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    # The oldest version that all its plugins speak.
    return json.dumps({"name": "cbr0", "cniVersion": "0.3.1", "plugins": [flannel, portmap]}, indent=2) + "\n"


def _config(ir: Ir, settings: FlannelSettings) -> Manifest:
    data = {"net-conf.json": net_conf(ir, settings)}
    if settings.policy != "calico":  # whose own plugin gives pods their addresses
        data["cni-conf.json"] = _cni_conf()
    return manifest("v1", "ConfigMap", CONFIG, NAMESPACE, data=data)


def _role(settings: FlannelSettings) -> Manifest:
    rules = [
        rule([""], ["pods", "nodes", "namespaces"], _READ),
        rule([""], ["nodes/status"], ["patch"]),
    ]
    if settings.policy == "netpol":
        rules += [
            rule(["networking.k8s.io"], ["networkpolicies"], _READ),
            rule(["policy.networking.k8s.io"], ["adminnetworkpolicies", "baselineadminnetworkpolicies"], _READ),
        ]
    return manifest("rbac.authorization.k8s.io/v1", "ClusterRole", _NAME, rules=rules)


def _daemon_set(ir: Ir, settings: FlannelSettings, data: dict[str, str]) -> Manifest:
    labels = {"app": "flannel", "tier": "node"}
    containers = [_flanneld(), *([_netpol()] if settings.policy == "netpol" else [])]
    pod: dict[str, Any] = {
        "hostNetwork": True,
        "priorityClassName": "system-node-critical",
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"operator": "Exists"}],
        "serviceAccountName": _NAME,
        "containers": containers,
        "volumes": [
            host_path("run", RUN, "DirectoryOrCreate"),
            host_path("xtables-lock", "/run/xtables.lock", "FileOrCreate"),
            {"name": "config", "configMap": {"name": CONFIG}},
        ],
    }
    if settings.policy != "calico":
        pod["initContainers"] = _install()
        pod["volumes"] += [host_path("cni-bin", "/opt/cni/bin"), host_path("cni-conf", "/etc/cni/net.d")]
    if settings.policy == "netpol":
        pod["volumes"].append(host_path("lib-modules", "/lib/modules"))
    digest = hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
    template = {"metadata": {"labels": labels, "annotations": {CHECKSUM: digest}}, "spec": pod}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    return manifest("apps/v1", "DaemonSet", _DAEMON, NAMESPACE, labels=labels, spec=spec)


def _install() -> list[dict[str, Any]]:
    return [
        {
            "name": "install-cni-plugin",
            "image": IMAGES["flannel-cni-plugin"],
            "imagePullPolicy": "IfNotPresent",
            "command": ["cp", "-f", "/flannel", "/opt/cni/bin/flannel"],
            "volumeMounts": [{"name": "cni-bin", "mountPath": "/opt/cni/bin"}],
        },
        {
            "name": "install-cni",
            "image": IMAGES["flannel"],
            "imagePullPolicy": "IfNotPresent",
            "command": ["/opt/bin/install-conf"],
            "args": ["/etc/kube-flannel/cni-conf.json", "/etc/cni/net.d/10-flannel.conflist"],
            "volumeMounts": [
                {"name": "cni-conf", "mountPath": "/etc/cni/net.d"},
                {"name": "config", "mountPath": "/etc/kube-flannel/"},
            ],
        },
    ]


def _flanneld() -> dict[str, Any]:
    return {
        "name": "kube-flannel",
        "image": IMAGES["flannel"],
        "imagePullPolicy": "IfNotPresent",
        "command": ["/opt/bin/flanneld"],
        "args": ["--ip-masq", "--kube-subnet-mgr", "--healthz-port=8081"],
        "env": [
            own_field("POD_NAME", "metadata.name"),
            own_field("POD_NAMESPACE", "metadata.namespace"),
            {"name": "EVENT_QUEUE_DEPTH", "value": "5000"},
            {"name": "CONT_WHEN_CACHE_NOT_READY", "value": "false"},
        ],
        "ports": [{"name": "healthz", "containerPort": 8081, "hostPort": 8081, "protocol": "TCP"}],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": 8081}, "periodSeconds": 3},
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": 8081}, "initialDelaySeconds": 10},
        "resources": {"requests": {"cpu": "100m", "memory": "50Mi"}},
        "securityContext": {"privileged": False, "capabilities": {"add": ["NET_ADMIN", "NET_RAW"]}},
        "volumeMounts": [
            {"name": "run", "mountPath": RUN},
            {"name": "config", "mountPath": "/etc/kube-flannel/"},
            {"name": "xtables-lock", "mountPath": "/run/xtables.lock"},
        ],
    }


def _netpol() -> dict[str, Any]:
    return {
        "name": "kube-network-policies",
        "image": IMAGES["kube-network-policies"],
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/netpol"],
        "args": ["--hostname-override=$(MY_NODE_NAME)", "--v=2"],
        "env": [own_field("MY_NODE_NAME", "spec.nodeName")],
        "resources": {"requests": {"cpu": "100m", "memory": "50Mi"}},
        "securityContext": {"privileged": True, "capabilities": {"add": ["NET_ADMIN"]}},
        "volumeMounts": [{"name": "lib-modules", "mountPath": "/lib/modules", "readOnly": True}],
    }


def own_field(name: str, path: str) -> dict[str, Any]:
    """An environment variable with a field of the pod."""
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def host_path(name: str, path: str, kind: str = "") -> dict[str, Any]:
    """A volume that is a path of the node."""
    return {"name": name, "hostPath": {"path": path} | ({"type": kind} if kind else {})}
