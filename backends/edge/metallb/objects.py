"""MetalLB's own installation as objects of ours: config/manifests/metallb-native.yaml of its module, without the
validating webhooks. What they would refuse, netspec refuses before anything is applied; and a pool can then be changed
while the controller is down. Its definitions (crds.json) are the project's: `python -m airgap.crds`.
"""

import json
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from netspec.backends.edge.metallb.settings import MetallbSettings
from netspec.backends.objects import Manifest, manifest, node, rule
from netspec.catalogue import IMAGES
from netspec.ir.model import IPNetwork, Ir
from netspec.plan import CLUSTER, CNI_READY, Condition, Node, ReadyNode

NAMESPACE = "metallb-system"
L2 = "l2"
#: Of its objects that are the spec's: pool, advertisement, peers.
NAME = "netspec"
CRDS_READY = "metallb-crds"
_LABELS = {"app": "metallb"}
#: The Secret that the controller makes, by whose key the speakers know each other.
_MEMBERS = "memberlist"
_HEALTH, _METRICS, _MEMBERS_PORT = 17472, 9120, 7946
_READ = ("get", "list", "watch")
#: Interfaces that lead to no neighbour (the manifest's own list).
_EXCLUDED = """announcedInterfacesToExclude: ["^docker.*", "^cbr.*", "^dummy.*", "^virbr.*", "^lxcbr.*", "^veth.*", \
"^lo$", "^cali.*", "^tunl.*", "^flannel.*", "^kube-ipvs.*", "^cni.*", "^nodelocaldns.*", "^lxc.*"]
"""


def install(ir: Ir, settings: MetallbSettings, pools: Sequence[IPNetwork]) -> tuple[Node, ...]:
    """Definitions, the controller (which makes the Secret that speakers need), the speakers, and then what they do."""
    crds = [node(obj, CLUSTER) for obj in json.loads((files(__package__) / "crds.json").read_text())]
    ready = ReadyNode(
        CRDS_READY,
        tuple(Condition(f"crd/{crd.manifest['metadata']['name']}", "Established") for crd in crds),
        tuple(crd.id for crd in crds),
    )
    privileged = {f"pod-security.kubernetes.io/{mode}": "privileged" for mode in ("audit", "enforce", "warn")}
    namespace = node(manifest("v1", "Namespace", NAMESPACE, labels=privileged), CLUSTER)
    accounts = [
        node(manifest("v1", "ServiceAccount", name, NAMESPACE, labels=_LABELS), namespace.id)
        for name in ("controller", "speaker")
    ]
    rights = [node(obj, namespace.id) for obj in _rights()]
    excluded = node(
        manifest("v1", "ConfigMap", "metallb-excludel2", NAMESPACE, data={"excludel2.yaml": _EXCLUDED}), namespace.id
    )
    before = [ready.id, *(n.id for n in (*accounts, *rights)), CNI_READY]
    controller = node(_controller(), *before)
    # Its pods wait for the Secret in any case; made after the controller, they start at once.
    speaker = node(_speaker(ir), *before, excluded.id, controller.id)
    work = [node(obj, ready.id, namespace.id, controller.id) for obj in _work(ir, settings, pools)]
    return (*crds, ready, namespace, *accounts, *rights, excluded, controller, speaker, *work)


def pool_ranges(ir: Ir, pools: Sequence[IPNetwork]) -> list[str]:
    """As MetalLB takes them: without the ends of the nodes' networks, which are no host's."""
    reserved = {
        int(end)
        for found in ir.traits.node_networks
        for end in (found.network.network_address, found.network.broadcast_address)
    }
    out = []
    for pool in pools:
        first, last = int(pool.network_address), int(pool.broadcast_address)
        low, high = first + (first in reserved), last - (last in reserved)
        out.append(str(pool) if (low, high) == (first, last) else f"{pool[low - first]}-{pool[high - first]}")
    return out


def usable(pool: IPNetwork) -> int:
    """How many addresses it has without .0 and .255, which `avoidBuggyIPs` keeps back."""
    low, high = int(pool.network_address), int(pool.broadcast_address)
    ends = (
        sum(high // 256 - (low - 1 - end) // 256 - (high % 256 < end) for end in (0, 255)) if pool.version == 4 else 0
    )
    return pool.num_addresses - ends


def _work(ir: Ir, settings: MetallbSettings, pools: Sequence[IPNetwork]) -> list[Manifest]:
    pool = {"addresses": pool_ranges(ir, pools), "autoAssign": True, "avoidBuggyIPs": True}
    objects = [manifest("metallb.io/v1beta1", "IPAddressPool", NAME, NAMESPACE, spec=pool)]
    kind = "L2Advertisement" if settings.mode == L2 else "BGPAdvertisement"
    objects.append(manifest("metallb.io/v1beta1", kind, NAME, NAMESPACE, spec={"ipAddressPools": [NAME]}))
    for number, peer in enumerate(settings.peers):
        spec = {"myASN": settings.asn, "peerASN": peer.asn, "peerAddress": peer.address, "peerPort": peer.port}
        if peer.multihop:
            spec["ebgpMultiHop"] = True
        objects.append(manifest("metallb.io/v1beta2", "BGPPeer", f"{NAME}-{number}", NAMESPACE, spec=spec))
    return objects


def _rights() -> list[Manifest]:
    """The manifest's rules without those of the webhooks and of pod security policies, which are gone."""
    metallb, core = ["metallb.io"], [""]
    work = ["bfdprofiles", "bgpadvertisements", "bgppeers", "communities", "ipaddresspools", "l2advertisements"]
    states = ["configurationstates", "configurationstates/status"]
    controller = [
        rule(core, ["services", "namespaces"], _READ),
        rule(core, ["nodes"], ["list"]),
        rule(core, ["services/status"], ["update"]),
        rule(core, ["events"], ["create", "patch"]),
        rule(["apiextensions.k8s.io"], ["customresourcedefinitions"], ["list", "watch"]),
        rule(metallb, states, ["*"]),
    ]
    speaker = [
        rule(metallb, ["servicel2statuses", "servicel2statuses/status", *states], ["*"]),
        rule(core, ["services", "endpoints", "nodes", "namespaces"], _READ),
        rule(["discovery.k8s.io"], ["endpointslices"], _READ),
        rule(core, ["events"], ["create", "patch"]),
    ]
    own_controller = [
        rule(core, ["secrets"], [*_READ, "create", "delete", "patch", "update"]),
        rule(["apps"], ["deployments"], ["get"], resourceNames=["controller"]),
        rule(metallb, work, _READ),
        rule(metallb, ["ipaddresspools/status"], ["update"]),
    ]
    own_both = [
        rule(core, ["pods"], ["list", "get"]),
        rule(core, ["secrets", "configmaps"], _READ),
        rule(metallb, work, _READ),
        rule(metallb, ["servicebgpstatuses", "servicebgpstatuses/status"], ["*"]),
    ]
    return [
        *_granted("ClusterRole", f"{NAMESPACE}:controller", controller, "controller"),
        *_granted("ClusterRole", f"{NAMESPACE}:speaker", speaker, "speaker"),
        *_granted("Role", "controller", own_controller, "controller"),
        *_granted("Role", "pod-lister", own_both, "controller", "speaker"),
    ]


def _granted(kind: str, name: str, rules: list[Manifest], *accounts: str) -> list[Manifest]:
    group = "rbac.authorization.k8s.io"
    space = None if kind == "ClusterRole" else NAMESPACE
    reference = {"apiGroup": group, "kind": kind, "name": name}
    subjects = [{"kind": "ServiceAccount", "name": account, "namespace": NAMESPACE} for account in accounts]
    return [
        manifest(f"{group}/v1", kind, name, space, labels=_LABELS, rules=rules),
        manifest(f"{group}/v1", f"{kind}Binding", name, space, labels=_LABELS, roleRef=reference, subjects=subjects),
    ]


def _controller() -> Manifest:
    container = _container("controller", {"METALLB_ML_SECRET_NAME": _MEMBERS, "METALLB_DEPLOYMENT": "controller"})
    container["args"].append("--webhook-mode=disabled")
    pod = {
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65534, "fsGroup": 65534},
        "terminationGracePeriodSeconds": 0,
        "containers": [container],
    }
    return _workload("Deployment", "controller", pod)


def _speaker(ir: Ir) -> Manifest:
    own = {"METALLB_ML_LABELS": "app=metallb,component=speaker", "METALLB_ML_SECRET_KEY_PATH": "/etc/ml_secret_key"}
    container = _container(
        "speaker",
        own,
        {
            "METALLB_NODE_NAME": "spec.nodeName",
            "METALLB_ML_BIND_ADDR": "status.podIP",
        },
    )
    if ir.traits.nodes == 1:
        # kubeadm labels control planes as excluded from load balancers; here there is no other node.
        container["args"].append("--ignore-exclude-lb")
    container["ports"] += [
        {"name": f"memberlist-{protocol.lower()}", "containerPort": _MEMBERS_PORT, "protocol": protocol}
        for protocol in ("TCP", "UDP")
    ]
    container["securityContext"]["capabilities"]["add"] = ["NET_RAW"]
    container["volumeMounts"] = [
        {"name": _MEMBERS, "mountPath": "/etc/ml_secret_key", "readOnly": True},
        {"name": "metallb-excludel2", "mountPath": "/etc/metallb", "readOnly": True},
    ]
    pod = {
        "hostNetwork": True,
        "terminationGracePeriodSeconds": 2,
        "tolerations": [{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists", "effect": "NoSchedule"}],
        "containers": [container],
        "volumes": [
            {"name": _MEMBERS, "secret": {"secretName": _MEMBERS, "defaultMode": 420}},
            {"name": "metallb-excludel2", "configMap": {"name": "metallb-excludel2", "defaultMode": 256}},
        ],
    }
    return _workload("DaemonSet", "speaker", pod)


def _container(name: str, values: dict[str, str], fields: dict[str, str] | None = None) -> dict[str, Any]:
    env: list[dict[str, Any]] = [
        {"name": key, "valueFrom": {"fieldRef": {"fieldPath": path}}}
        for key, path in {"METALLB_POD_NAME": "metadata.name", **(fields or {})}.items()
    ]
    local = {"host": "127.0.0.1"} if name == "speaker" else {}
    probe = {
        kind: {
            "httpGet": {"path": path, "port": _HEALTH, **local},
            "initialDelaySeconds": delay,
            "periodSeconds": period,
        }
        for kind, path, delay, period in (
            ("livenessProbe", "/healthz", 10, 10),
            # Sooner than the manifest's 10: what comes after it in the plan waits for it.
            ("readinessProbe", "/readyz", 1, 3),
        )
    }
    return {
        "name": name,
        "image": IMAGES[f"metallb-{name}"],
        "imagePullPolicy": "IfNotPresent",
        "args": [f"--port={_METRICS}", "--log-level=info"],
        "env": env + [{"name": key, "value": value} for key, value in values.items()],
        "ports": [{"name": "metricshttps", "containerPort": _METRICS}],
        **probe,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def _workload(kind: str, name: str, pod: dict[str, Any]) -> Manifest:
    labels = {**_LABELS, "component": name}
    pod = {"serviceAccountName": name, "nodeSelector": {"kubernetes.io/os": "linux"}, **pod}
    template = {"metadata": {"labels": labels}, "spec": pod}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    return manifest("apps/v1", kind, name, NAMESPACE, labels=labels, spec=spec)
