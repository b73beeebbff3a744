"""Weave Net 2.8.1, the last release. Source: weaveworks/weave, prog/weave-kube/weave-daemonset-k8s-1.11.yaml."""

from dataclasses import replace
from typing import Any

from netspec.backends.cni.dialects import DIALECTS
from netspec.backends.cni.weave.settings import WeaveSettings
from netspec.backends.objects import Manifest, cluster_role_binding, manifest, node, rule
from netspec.catalogue import IMAGES, WEAVE
from netspec.diagnostics import Report
from netspec.ir.model import Ir
from netspec.plan import CLUSTER, CNI_READY, NODES, Condition, Node, ReadyNode
from netspec.target import Backend, Fact, Feature, Field, Needs, ObjectRead, Traits

_NAME, _NAMESPACE = "weave-net", "kube-system"
_READ = ("get", "list", "watch")
#: Of its fast data path, VXLAN with its own fields: 1460 less 84 is the default MTU (docs, Fast Datapath and MTU).
OVERHEAD = 84

EXAMPLE = {"acceptArchived": True}


class Weave(Backend):
    """Its policy controller knows neither port ranges and names nor SCTP (prog/weave-npc, npc)."""

    name = "weave"
    settings = WeaveSettings
    example = EXAMPLE
    supports = frozenset({Feature.NETWORK_POLICY, Feature.HOST_PORT})

    def traits(self, ir: Ir, settings: WeaveSettings, traits: Traits) -> Traits:
        # The bridge of every node has an address of the pod CIDR, and all packets to pods leave by it.
        return replace(traits, overhead=OVERHEAD, mtu=settings.mtu, forwarded="tunnel", dialect=DIALECTS["weave"])

    def needs(self, ir: Ir, settings: WeaveSettings, needs: Needs) -> Needs:
        return replace(needs, immutable={**needs.immutable, "mtu": settings.mtu})

    def check(self, ir: Ir, settings: WeaveSettings, needs: Needs, report: Report) -> None:
        """NS963."""
        if not settings.accept_archived:
            message = f"Weave Net is archived since June 2024; {WEAVE.official}, of January 2021, is its last release"
            hint = "use another CNI; or set acceptArchived: true"
            report.error("NS963", ("stacks", ir.stack, "cni"), message, hint)

    def lower(self, ir: Ir, settings: WeaveSettings, needs: Needs) -> tuple[Node, ...]:
        account = node(manifest("v1", "ServiceAccount", _NAME, _NAMESPACE), CLUSTER)
        role = node(_cluster_role(), CLUSTER)
        binding = node(cluster_role_binding(_NAME, _NAME, _NAMESPACE), account.id, role.id)
        own, bound = (node(made, CLUSTER) for made in _own_role())
        running = node(_daemon_set(ir, settings), binding.id, own.id, bound.id, NODES)
        ready = ReadyNode(
            CNI_READY, (Condition("nodes", "Ready", at_least=ir.traits.nodes),), (running.id, NODES), timeout=600
        )
        return account, role, binding, own, bound, running, ready

    def facts(self, ir: Ir, settings: WeaveSettings) -> tuple[Fact, ...]:
        read = ObjectRead(
            "daemonsets.apps",
            (("env", Field("spec.template.spec.containers")),),
            _NAME,
            _NAMESPACE,
            parse="env",
        )
        return (Fact("weave-settings", "weave", _settings(ir, settings), read),)


def _settings(ir: Ir, settings: WeaveSettings) -> dict[str, str]:
    return {"IPALLOC_RANGE": str(ir.network.pod_cidrs[0]), "WEAVE_MTU": str(settings.mtu)}


def _cluster_role() -> Manifest:
    rules = [
        rule([""], ["pods", "namespaces", "nodes"], _READ),
        rule(["networking.k8s.io"], ["networkpolicies"], _READ),
        rule([""], ["nodes/status"], ["patch", "update"]),
    ]
    return manifest("rbac.authorization.k8s.io/v1", "ClusterRole", _NAME, rules=rules)


def _own_role() -> tuple[Manifest, Manifest]:
    """Its peers' addresses, in a ConfigMap that it makes."""
    group = "rbac.authorization.k8s.io"
    rules = [
        rule([""], ["configmaps"], ["get", "update"], resourceNames=[_NAME]),
        rule([""], ["configmaps"], ["create"]),
    ]
    reference = {"apiGroup": group, "kind": "Role", "name": _NAME}
    subject = {"kind": "ServiceAccount", "name": _NAME, "namespace": _NAMESPACE}
    return (
        manifest(f"{group}/v1", "Role", _NAME, _NAMESPACE, rules=rules),
        manifest(f"{group}/v1", "RoleBinding", _NAME, _NAMESPACE, roleRef=reference, subjects=[subject]),
    )


def _daemon_set(ir: Ir, settings: WeaveSettings) -> Manifest:
    labels = {"name": _NAME}
    paths = {
        "weavedb": "/var/lib/weave",
        "cni-bin": "/opt",
        "cni-bin2": "/home",
        "cni-conf": "/etc",
        "cni-machine-id": "/etc/machine-id",
        "dbus": "/var/lib/dbus",
        "lib-modules": "/lib/modules",
    }
    lock = {"name": "xtables-lock", "hostPath": {"path": "/run/xtables.lock", "type": "FileOrCreate"}}
    pod = {
        "hostNetwork": True,
        "dnsPolicy": "ClusterFirstWithHostNet",
        "priorityClassName": "system-node-critical",
        "serviceAccountName": _NAME,
        "tolerations": [{"operator": "Exists"}],
        "initContainers": [_init()],
        "containers": [_weave(ir, settings), _npc()],
        "volumes": [*({"name": name, "hostPath": {"path": path}} for name, path in paths.items()), lock],
    }
    spec = {
        "minReadySeconds": 5,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    return manifest("apps/v1", "DaemonSet", _NAME, _NAMESPACE, labels=labels, spec=spec)


def _container(name: str, image: str, mounts: dict[str, str], **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "image": IMAGES[image],
        "imagePullPolicy": "IfNotPresent",
        **more,
        "securityContext": {"privileged": True},
        "volumeMounts": [{"name": volume, "mountPath": path} for volume, path in mounts.items()],
    }


_HOSTNAME = {"name": "HOSTNAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}
_LOCK = {"xtables-lock": "/run/xtables.lock"}


def _init() -> dict[str, Any]:
    mounts = {
        "cni-bin": "/host/opt",
        "cni-bin2": "/host/home",
        "cni-conf": "/host/etc",
        "lib-modules": "/lib/modules",
        **_LOCK,
    }
    return _container("weave-init", "weave-kube", mounts, command=["/home/weave/init.sh"])


def _weave(ir: Ir, settings: WeaveSettings) -> dict[str, Any]:
    mounts = {
        "weavedb": "/weavedb",
        "dbus": "/host/var/lib/dbus",
        "cni-machine-id": "/host/etc/machine-id",
        **_LOCK,
    }
    given = [{"name": name, "value": value} for name, value in _settings(ir, settings).items()]
    return _container(
        "weave",
        "weave-kube",
        mounts,
        command=["/home/weave/launch.sh"],
        env=[_HOSTNAME, {"name": "INIT_CONTAINER", "value": "true"}, *given],
        readinessProbe={"httpGet": {"host": "127.0.0.1", "path": "/status", "port": 6784}},
        resources={"requests": {"cpu": "50m"}},
    )


def _npc() -> dict[str, Any]:
    return _container("weave-npc", "weave-npc", _LOCK, env=[_HOSTNAME], resources={"requests": {"cpu": "50m"}})
