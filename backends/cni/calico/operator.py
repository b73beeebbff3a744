"""Calico's own operator, installed from objects of ours; no Helm. They fit two operators: 1.42.4, which users get, and
1.36.5, which `airgap/` builds.

Order: the operator makes the CRDs, then the FelixConfiguration (before the operator writes its part of it), then the
Installation, from which the operator runs calico-node, typha and kube-controllers. Source of the operators' needs:
github.com/tigera/operator at both versions (pkg/controller, pkg/render, pkg/crds; in 1.42 pkg/imports/crds).
"""

from typing import Any

from netspec.backends.cni.calico import bgp, pools
from netspec.backends.cni.calico.modes import bgp_enabled, data_plane, registry
from netspec.backends.cni.calico.settings import CalicoSettings, DataPlane
from netspec.backends.objects import Manifest, cluster_role_binding, manifest, node, rule
from netspec.catalogue import IMAGES
from netspec.ir.model import Ir
from netspec.plan import CLUSTER, CNI_READY, NODES, Condition, Node, ReadyNode

OPERATOR = "tigera-operator"
CRDS_READY = "calico-crds"
DEPLOYED = f"deployment:{OPERATOR}/{OPERATOR}"
OWN_NAMESPACES = frozenset({OPERATOR, "calico-system", "calico-apiserver"})
#: Read by the operator, and by what it runs: the API server's address where no Service leads to it.
ENDPOINT = "kubernetes-services-endpoint"

_DATAPLANE: dict[DataPlane, str] = {"iptables": "Iptables", "nftables": "Nftables", "ebpf": "BPF"}

#: A later apply takes its fields back from the operator, which writes its defaults into the same objects.
_FORCE = {"pulumi.com/patchForce": "true"}


def operator(ir: Ir, settings: CalicoSettings) -> tuple[Node, ...]:
    """The operator, its configuration, and the barrier behind which pods get an address."""
    namespace = node(_namespace(), CLUSTER)
    account = node(manifest("v1", "ServiceAccount", OPERATOR, OPERATOR), namespace.id)
    endpoint = _endpoint(ir, settings, namespace.id)
    role = node(cluster_role(), CLUSTER)
    binding = node(cluster_role_binding(OPERATOR, OPERATOR, OPERATOR), account.id, role.id)
    late = ir.traits.nodes_wait  # it is there before the nodes, and they are ready only once it has run on them
    deployed = node(_deployment(), account.id, binding.id, *(made.id for made in endpoint), wait=not late)
    crds = ReadyNode(
        id=CRDS_READY,
        conditions=(
            Condition("crd/installations.operator.tigera.io", "Established"),
            Condition("crd/felixconfigurations.crd.projectcalico.org", "Established"),
        ),
        depends_on=(deployed.id,),
        timeout=900 if late else 300,
    )
    felix = node(_felix_configuration(settings), crds.id)
    routes = bgp.objects(ir, settings, crds.id)
    installed = node(installation(ir, settings), crds.id, felix.id, *(made.id for made in routes))
    ready = ReadyNode(
        id=CNI_READY,
        conditions=(
            Condition("tigerastatus/calico", "Available"),
            Condition("nodes", "Ready", at_least=ir.traits.nodes),
        ),
        depends_on=(installed.id, NODES),
        timeout=600,
    )
    return namespace, account, *endpoint, role, binding, deployed, crds, felix, *routes, installed, ready


def _endpoint(ir: Ir, settings: CalicoSettings, namespace: str) -> tuple[Node, ...]:
    """Without kube-proxy the cluster IP of the API server leads nowhere until Calico runs."""
    if data_plane(ir, settings) != "ebpf" or ir.traits.api_server is None:
        return ()
    host, port = ir.traits.api_server
    data = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": str(port)}
    return (node(manifest("v1", "ConfigMap", ENDPOINT, OPERATOR, data=data), namespace),)


def installation(ir: Ir, settings: CalicoSettings) -> Manifest:
    """Every field of a pool that both operators would default is written out: the defaults that they write back change
    nothing there. 1.42 defaults `assignmentMode` too: it is left to it, for server-side apply refuses a field that
    1.36's CRD does not declare. A field that only the operator wrote is no difference to `up`, and one that an apply
    of the list takes away is defaulted again to the same (pkg/controller/ippool/defaults.go)."""
    calico_network: dict[str, Any] = {
        "bgp": "Enabled" if bgp_enabled(settings) else "Disabled",
        "linuxDataplane": _DATAPLANE[data_plane(ir, settings)],
        # Left out, the operator first renders calico-node without an address, which fails, then rolls it again.
        "nodeAddressAutodetectionV4": {"kubernetes": "NodeInternalIP"},
    }
    if settings.vpc_cni is None:  # else it makes none by itself, and an empty list would be lost when it writes
        calico_network["ipPools"] = pools.manifests(ir.network, settings)
    if settings.mtu is not None:
        calico_network["mtu"] = settings.mtu
    # Where a provider has a CNI of its own, the operator would leave addresses to that.
    of = "Calico" if settings.vpc_cni is None else "AmazonVPC"
    of_images = registry(settings)
    plugin = {"cni": {"type": of, "ipam": {"type": of}}} if ir.traits.addons else {}
    return manifest(
        "operator.tigera.io/v1",
        "Installation",
        "default",
        annotations=_FORCE,
        spec={
            "variant": "Calico",
            **({"registry": f"{of_images}/"} if of_images else {}),
            **plugin,
            "flexVolumePath": "None",
            "kubeletVolumePluginPath": "None",
            "controlPlaneReplicas": 1,
            "calicoNetwork": calico_network,
        },
    )


def _felix_configuration(settings: CalicoSettings) -> Manifest:
    spec = {"usageReportingEnabled": False} | ({"wireguardEnabled": True} if settings.wireguard else {})
    return manifest(
        "crd.projectcalico.org/v1",
        "FelixConfiguration",
        "default",
        annotations=_FORCE,
        spec=spec,
    )


def _namespace() -> Manifest:
    return manifest(
        "v1", "Namespace", OPERATOR, labels={"name": OPERATOR, "pod-security.kubernetes.io/enforce": "privileged"}
    )


def _deployment() -> Manifest:
    labels = {"name": OPERATOR, "k8s-app": OPERATOR}
    pod = {
        "serviceAccountName": OPERATOR,
        # It runs before there is a pod network, on nodes that are not ready.
        "hostNetwork": True,
        "dnsPolicy": "ClusterFirstWithHostNet",
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [
            {"effect": "NoExecute", "operator": "Exists"},
            {"effect": "NoSchedule", "operator": "Exists"},
        ],
        "terminationGracePeriodSeconds": 60,
        # The CRDs exist before the controllers start to watch them: one start instead of a failed one and a second.
        "initContainers": [_container("crds", "-bootstrap-crds=true")],
        "containers": [_container(OPERATOR, "-manage-crds=true")],
        # calico-node writes the MTU it found here; the operator reports it.
        "volumes": [{"name": "var-lib-calico", "hostPath": {"path": "/var/lib/calico", "type": "DirectoryOrCreate"}}],
    }
    return manifest(
        "apps/v1",
        "Deployment",
        OPERATOR,
        OPERATOR,
        labels={"k8s-app": OPERATOR},
        spec={
            "replicas": 1,
            # Two operators would only wait for each other's lease.
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": {"name": OPERATOR}},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    )


def _container(name: str, argument: str) -> dict[str, Any]:
    return {
        "name": name,
        "image": IMAGES["tigera-operator"],
        "imagePullPolicy": "IfNotPresent",
        "args": [argument],
        "env": [
            {"name": "WATCH_NAMESPACE", "value": ""},
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "OPERATOR_NAME", "value": OPERATOR},
        ],
        # An API server address to use instead of the cluster IP; absent unless kube-proxy is.
        "envFrom": [{"configMapRef": {"name": ENDPOINT, "optional": True}}],
        "volumeMounts": [{"name": "var-lib-calico", "mountPath": "/var/lib/calico", "readOnly": True}],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


_READ = ("get", "list", "watch")
_OWN = (*_READ, "create", "update", "delete")


def cluster_role() -> Manifest:
    """What the operators' Calico controllers use; nothing for Calico Enterprise, OpenShift or the Calico API server.

    The union of both: a kind that a controller watches must be readable even where there is no object of it, for the
    operator waits for its caches. Source: what the controllers that pkg/controller adds without Enterprise's CRDs
    watch, read and write, at v1.36.5 and v1.42.4; compared with charts/tigera-operator of
    github.com/projectcalico/calico.

    Cluster-wide, because its caches list whole kinds. It grants calico-node, typha and kube-controllers roles that it
    does not hold itself: `escalate` and `bind`.
    """
    calico, operator = "crd.projectcalico.org", "operator.tigera.io"
    return manifest(
        "rbac.authorization.k8s.io/v1",
        "ClusterRole",
        OPERATOR,
        rules=[
            rule([""], ["namespaces", "services", "serviceaccounts", "configmaps", "secrets"], _OWN),
            rule([""], ["nodes", "pods"], _READ),
            rule([""], ["events"], ["create", "patch"]),
            rule(["apps"], ["daemonsets", "deployments"], _OWN),
            rule(["policy"], ["poddisruptionbudgets"], _OWN),
            rule(
                ["rbac.authorization.k8s.io"],
                ["clusterroles", "clusterrolebindings", "roles", "rolebindings"],
                (*_OWN, "bind", "escalate"),
            ),
            rule(["apiextensions.k8s.io"], ["customresourcedefinitions"], (*_READ, "create", "update")),
            rule(["coordination.k8s.io"], ["leases"], ["get", "create", "update"]),
            rule(["certificates.k8s.io"], ["certificatesigningrequests"], ["list", "watch"]),
            # Without the CSI driver it deletes what an earlier configuration may have left; 1.42 looks first.
            rule(["storage.k8s.io"], ["csidrivers"], (*_READ, "delete")),
            rule([operator], ["installations"], (*_READ, "update", "patch")),
            rule([operator], ["tigerastatuses"], _OWN),
            rule([operator], ["installations/status", "tigerastatuses/status"], ["update", "patch"]),
            rule([operator], ["apiservers", "imagesets"], _READ),
            # 1.42: features that are off until such an object is made.
            rule([operator], ["gatewayapis", "goldmanes", "istios", "managementclusterconnections", "whiskers"], _READ),
            rule([calico], ["felixconfigurations"], (*_READ, "create", "patch")),
            rule([calico], ["ippools"], (*_READ, "create", "update")),
            rule([calico], ["bgpconfigurations", "clusterinformations", "kubecontrollersconfigurations"], _READ),
            # 1.42 asks at its start whether Calico's objects move to another API group.
            rule(["migration.projectcalico.org"], ["datastoremigrations"], _READ),
        ],
    )
