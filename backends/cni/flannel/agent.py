"""Canal: Calico's agent and CNI plugin beside Flannel, which routes. No operator, no typha: the agent reads the API.

Source: projectcalico/calico, manifests/canal.yaml at 3.28 and 3.32. Two pods a node instead of one: the agent's begins
when Flannel's has made its device, whose MTU it then finds.
"""

import json
from typing import Any

from netspec.backends.cni.flannel.daemon import NAMESPACE, RUN, host_path, own_field
from netspec.backends.cni.flannel.settings import FlannelSettings
from netspec.backends.objects import Manifest, cluster_role_binding, manifest, node, rule
from netspec.catalogue import IMAGES
from netspec.ir.model import Ir
from netspec.plan import CLUSTER, NODES, ManifestNode

_NAME, _CONFIG = "calico-node", "calico-config"
_GROUP = "crd.projectcalico.org"
#: What its datastore asks for: kind, plural, whether namespaced.
_KINDS = (
    *(("BGPConfiguration", False), ("BGPFilter", False), ("BGPPeer", False), ("BlockAffinity", False)),
    *(("CalicoNodeStatus", False), ("ClusterInformation", False), ("FelixConfiguration", False)),
    *(("GlobalNetworkPolicy", False), ("GlobalNetworkSet", False), ("HostEndpoint", False), ("IPAMBlock", False)),
    *(("IPAMConfig", False), ("IPAMHandle", False), ("IPPool", False), ("IPReservation", False)),
    *(("KubeControllersConfiguration", False), ("NetworkPolicy", True), ("NetworkSet", True)),
    *(("StagedGlobalNetworkPolicy", False), ("StagedKubernetesNetworkPolicy", True)),
    *(("StagedNetworkPolicy", True), ("Tier", False)),
)
#: Flannel's device, by backend: felix takes its MTU for the pods'.
_DEVICES = {"vxlan": r"^flannel\.1$", "wireguard": "^flannel-wg$"}
_READ = ("get", "list", "watch")


def agent(ir: Ir, settings: FlannelSettings, namespace: str) -> tuple[ManifestNode, ...]:
    crds = tuple(node(_crd(kind, namespaced), CLUSTER) for kind, namespaced in _KINDS)
    account = node(manifest("v1", "ServiceAccount", _NAME, NAMESPACE), namespace)
    role = node(_role(), CLUSTER)
    binding = node(cluster_role_binding(_NAME, _NAME, NAMESPACE), account.id, role.id)
    config = node(manifest("v1", "ConfigMap", _CONFIG, NAMESPACE, data={"cni-conf.json": _cni_conf()}), namespace)
    before = (config.id, binding.id, *(crd.id for crd in crds), NODES)
    return *crds, account, role, binding, config, node(_daemon_set(ir, settings), *before)


def plural(kind: str) -> str:
    """
    >>> plural("IPPool"), plural("GlobalNetworkPolicy"), plural("BlockAffinity"), plural("CalicoNodeStatus")
    ('ippools', 'globalnetworkpolicies', 'blockaffinities', 'caliconodestatuses')
    """
    lower = kind.lower()
    return f"{lower[:-1]}ies" if lower.endswith("y") else f"{lower}es" if lower.endswith("s") else f"{lower}s"


def _crd(kind: str, namespaced: bool) -> Manifest:
    """Of whatever shape: the agent checks what it reads itself."""
    names = {"kind": kind, "listKind": f"{kind}List", "plural": plural(kind), "singular": kind.lower()}
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return manifest(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        f"{names['plural']}.{_GROUP}",
        spec={
            "group": _GROUP,
            "scope": "Namespaced" if namespaced else "Cluster",
            "names": names,
            "versions": [version],
        },
    )


def _role() -> Manifest:
    return manifest(
        "rbac.authorization.k8s.io/v1",
        "ClusterRole",
        _NAME,
        rules=[
            rule([""], ["serviceaccounts/token"], ["create"], resourceNames=[_NAME]),
            rule([""], ["pods", "nodes", "namespaces", "serviceaccounts", "endpoints", "services"], _READ),
            rule([""], ["configmaps"], ["get"]),
            rule([""], ["nodes/status", "pods/status"], ["patch", "update"]),
            rule(["discovery.k8s.io"], ["endpointslices"], ["list", "watch"]),
            rule(["networking.k8s.io"], ["networkpolicies"], ["list", "watch"]),
            rule(["policy.networking.k8s.io"], ["adminnetworkpolicies", "baselineadminnetworkpolicies"], _READ[1:]),
            # It asks for the first two, of old releases, though there are none.
            rule([_GROUP], ["globalfelixconfigs", "globalbgpconfigs", *(plural(kind) for kind, _ in _KINDS)], _READ),
            # What it makes where it is not there: the cluster's id, its own defaults.
            rule([_GROUP], ["clusterinformations", "felixconfigurations", "ippools", "tiers"], ["create", "update"]),
            rule([_GROUP], ["caliconodestatuses"], ["update"]),
        ],
    )


def _cni_conf() -> str:
    calico: dict[str, Any] = {
        "type": "calico",
        "log_level": "warning",
        "datastore_type": "kubernetes",
        "nodename": "__KUBERNETES_NODE_NAME__",
        "mtu": "__CNI_MTU__",
        "ipam": {"type": "host-local", "subnet": "usePodCidr"},
        "policy": {"type": "k8s"},
        "kubernetes": {"kubeconfig": "__KUBECONFIG_FILEPATH__"},
    }
    portmap = {"type": "portmap", "snat": True, "capabilities": {"portMappings": True}}
    text = json.dumps({"name": "k8s-pod-network", "cniVersion": "0.3.1", "plugins": [calico, portmap]}, indent=2)
    return text.replace('"__CNI_MTU__"', "__CNI_MTU__") + "\n"  # a number, once it is filled in


def _daemon_set(ir: Ir, settings: FlannelSettings) -> Manifest:
    labels = {"k8s-app": _NAME}
    pod = {
        "hostNetwork": True,
        "priorityClassName": "system-node-critical",
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"operator": "Exists"}],
        "serviceAccountName": _NAME,
        "terminationGracePeriodSeconds": 0,
        "initContainers": [_wait(), _install(settings)],
        "containers": [_felix(settings)],
        "volumes": [
            host_path("run", RUN, "DirectoryOrCreate"),
            host_path("cni-bin", "/opt/cni/bin"),
            host_path("cni-conf", "/etc/cni/net.d"),
            host_path("lib-modules", "/lib/modules"),
            host_path("var-run-calico", "/var/run/calico", "DirectoryOrCreate"),
            host_path("var-lib-calico", "/var/lib/calico", "DirectoryOrCreate"),
            host_path("xtables-lock", "/run/xtables.lock", "FileOrCreate"),
        ],
    }
    spec = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}
    return manifest("apps/v1", "DaemonSet", _NAME, NAMESPACE, labels=labels, spec=spec)


def _wait() -> dict[str, Any]:
    """flanneld writes the file when its device is there."""
    return {
        "name": "wait-for-flannel",
        "image": IMAGES["flannel"],
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", f"until [ -s {RUN}/subnet.env ]; do sleep 1; done"],
        "volumeMounts": [{"name": "run", "mountPath": RUN, "readOnly": True}],
    }


def _install(settings: FlannelSettings) -> dict[str, Any]:
    return {
        "name": "install-cni",
        "image": IMAGES["calico-cni"],
        "imagePullPolicy": "IfNotPresent",
        "command": ["/opt/cni/bin/install"],
        "env": [
            own_field("CALICO_CNI_SERVICE_ACCOUNT", "spec.serviceAccountName"),
            own_field("KUBERNETES_NODE_NAME", "spec.nodeName"),
            {"name": "CNI_CONF_NAME", "value": "10-canal.conflist"},
            {"name": "CNI_MTU", "value": str(settings.mtu or 0)},  # 0: what felix found
            {"name": "SLEEP", "value": "false"},
            {
                "name": "CNI_NETWORK_CONFIG",
                "valueFrom": {"configMapKeyRef": {"name": _CONFIG, "key": "cni-conf.json"}},
            },
        ],
        "securityContext": {"privileged": True},
        "volumeMounts": [
            {"name": "cni-bin", "mountPath": "/host/opt/cni/bin"},
            {"name": "cni-conf", "mountPath": "/host/etc/cni/net.d"},
        ],
    }


def _felix(settings: FlannelSettings) -> dict[str, Any]:
    values = {
        "DATASTORE_TYPE": "kubernetes",
        "USE_POD_CIDR": "true",
        "WAIT_FOR_DATASTORE": "true",
        "CALICO_NETWORKING_BACKEND": "none",
        "CLUSTER_TYPE": "k8s,canal",
        "NO_DEFAULT_POOLS": "true",
        "IP": "",
        "CALICO_DISABLE_FILE_LOGGING": "true",
        "FELIX_DEFAULTENDPOINTTOHOSTACTION": "ACCEPT",
        "FELIX_IPV6SUPPORT": "false",
        "FELIX_HEALTHENABLED": "true",
        "FELIX_USAGEREPORTINGENABLED": "false",
    }
    if settings.backend in _DEVICES:
        values["FELIX_MTUIFACEPATTERN"] = _DEVICES[settings.backend]
    mounts = {
        "/host/etc/cni/net.d": "cni-conf",
        "/lib/modules": "lib-modules",
        "/run/xtables.lock": "xtables-lock",
        "/var/run/calico": "var-run-calico",
        "/var/lib/calico": "var-lib-calico",
    }
    return {
        "name": _NAME,
        "image": IMAGES["calico-node"],
        "imagePullPolicy": "IfNotPresent",
        "env": [
            own_field("NODENAME", "spec.nodeName"),
            own_field("CALICO_CNI_SERVICE_ACCOUNT", "spec.serviceAccountName"),
            *({"name": name, "value": value} for name, value in values.items()),
        ],
        "livenessProbe": {
            "exec": {"command": ["/bin/calico-node", "-felix-live"]},
            "initialDelaySeconds": 10,
            "periodSeconds": 10,
            "timeoutSeconds": 10,
            "failureThreshold": 6,
        },
        "readinessProbe": {
            "exec": {"command": ["/bin/calico-node", "-felix-ready"]},
            "periodSeconds": 3,
            "timeoutSeconds": 10,
        },
        "resources": {"requests": {"cpu": "150m"}},
        "securityContext": {"privileged": True},
        "volumeMounts": [{"name": name, "mountPath": path} for path, name in mounts.items()],
    }
