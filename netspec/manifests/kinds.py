"""Which kinds say who reaches whom: what is read, what is wrong, what is refused, what is only counted.

A kind that is not known is judged by what it is called and by its group, not by a list of names alone: a policy of
somebody's network plugin that is overlooked would read as "allowed".
"""

import re
from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Any, NamedTuple

from netspec.diagnostics import printable
from netspec.ir.model import Makes
from netspec.manifests.fields import Bad, Object

TIER_GROUP, GATEWAY_GROUP = "policy.networking.k8s.io", "gateway.networking.k8s.io"
CILIUM_GROUP = "cilium.io"
#: Calico's objects as its API server shows them, and as the CRDs hold them.
CALICO_GROUP, CALICO_STORED = "projectcalico.org", "crd.projectcalico.org"
#: Its policies -> what they are called here, beside NetworkPolicies of Kubernetes.
CALICO_KINDS = {"NetworkPolicy": "CalicoNetworkPolicy", "GlobalNetworkPolicy": "GlobalNetworkPolicy"}
CILIUM_POLICIES = ("CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy")


class Refused(Bad):
    """A kind that decides who reaches whom in a language that netspec does not know."""


class _Versions(NamedTuple):
    """The versions that are served, the preferred one first, and those that were once."""

    now: tuple[str, ...]
    once: tuple[str, ...] = ()


_V1 = _Versions(("v1",))
#: (group, kind) -> versions, of what is read.
_READ: dict[tuple[str, str], _Versions] = {
    **{("", kind): _V1 for kind in ("Endpoints", "Namespace", "Node", "Pod", "ReplicationController", "Service")},
    **{
        ("apps", kind): _Versions(("v1",), ("v1beta2", "v1beta1"))
        for kind in ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet")
    },
    ("batch", "Job"): _V1,
    ("batch", "CronJob"): _Versions(("v1",), ("v1beta1", "v2alpha1")),
    ("discovery.k8s.io", "EndpointSlice"): _Versions(("v1",), ("v1beta1",)),
    ("networking.k8s.io", "NetworkPolicy"): _V1,
    ("networking.k8s.io", "Ingress"): _Versions(("v1",), ("v1beta1",)),
    **{
        ("extensions", kind): _Versions((), ("v1beta1",))
        for kind in ("Deployment", "ReplicaSet", "DaemonSet", "Ingress", "NetworkPolicy")
    },
    (TIER_GROUP, "AdminNetworkPolicy"): _Versions(("v1alpha1",)),
    (TIER_GROUP, "BaselineAdminNetworkPolicy"): _Versions(("v1alpha1",)),
    (TIER_GROUP, "ClusterNetworkPolicy"): _Versions(("v1alpha2",)),
    **{
        (GATEWAY_GROUP, kind): _Versions(("v1", "v1beta1", "v1alpha2"))
        for kind in ("Gateway", "HTTPRoute", "GRPCRoute", "ReferenceGrant")
    },
    (GATEWAY_GROUP, "TLSRoute"): _Versions(("v1", "v1alpha3", "v1alpha2")),
    (GATEWAY_GROUP, "TCPRoute"): _Versions(("v1alpha2", "v1")),
    (GATEWAY_GROUP, "UDPRoute"): _Versions(("v1alpha2", "v1")),
    **{(CILIUM_GROUP, kind): _Versions(("v2",)) for kind in CILIUM_POLICIES},
    (CILIUM_GROUP, "CiliumCIDRGroup"): _Versions(("v2", "v2alpha1")),
    **{(CALICO_STORED, kind): _V1 for kind in (*CALICO_KINDS, "Tier")},
    **{(CALICO_GROUP, kind): _Versions(("v3",)) for kind in (*CALICO_KINDS, "Tier")},
}
#: Where a kind of these old groups is now.
_MOVED = {"NetworkPolicy": "networking.k8s.io", "Ingress": "networking.k8s.io"}
#: What else the groups of Kubernetes itself have (API reference, 1.34, and what was removed since 1.16), none of which
#: says who reaches whom. A kind that is in none of these does not exist.
_OTHERS: dict[str, frozenset[str]] = {
    "": frozenset(
        (
            *("Binding", "ComponentStatus", "ConfigMap", "Config", "Event", "LimitRange", "List"),
            *("PersistentVolume", "PersistentVolumeClaim", "PodTemplate", "ResourceQuota", "Secret", "ServiceAccount"),
            *("Status", "Eviction", "Scale", "Table", "WatchEvent"),
        )
    ),
    "apps": frozenset(("ControllerRevision", "Scale")),
    "batch": frozenset(),
    "extensions": frozenset(("PodSecurityPolicy", "Scale")),
    "networking.k8s.io": frozenset(("IngressClass", "IPAddress", "ServiceCIDR", "ClusterCIDR")),
    "discovery.k8s.io": frozenset(),
}
#: Other groups of Kubernetes itself and of its programs' own files: nothing in them decides who reaches whom.
_HARMLESS = frozenset(
    (
        *("policy", "autoscaling", "settings.k8s.io", "auditregistration.k8s.io", "audit.k8s.io", "node.k8s.io"),
        *("rbac.authorization.k8s.io", "authorization.k8s.io", "authentication.k8s.io", "certificates.k8s.io"),
        *(
            "storage.k8s.io",
            "scheduling.k8s.io",
            "coordination.k8s.io",
            "events.k8s.io",
            "flowcontrol.apiserver.k8s.io",
        ),
        *("admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io", "resource.k8s.io"),
        *("internal.apiserver.k8s.io", "storagemigration.k8s.io", "imagepolicy.k8s.io", "metrics.k8s.io"),
        *("kubeadm.k8s.io", "kubelet.config.k8s.io", "kubeproxy.config.k8s.io", "kubescheduler.config.k8s.io"),
        *("apiserver.config.k8s.io", "apiserver.k8s.io", "kustomize.config.k8s.io", "client.authentication.k8s.io"),
        *("snapshot.storage.k8s.io", "custom.metrics.k8s.io", "external.metrics.k8s.io", "builtin"),
        *("config.openshift.io", "operator.openshift.io", "machineconfiguration.openshift.io"),
    )
)
#: Kinds that decide who reaches whom, in a language of their own -> the resource as `kubectl get` knows it, to ask a
#: cluster for them. `_decides` knows them, and others, by their names.
REFUSED = {
    (CILIUM_GROUP, "CiliumEgressGatewayPolicy"): "ciliumegressgatewaypolicies.cilium.io",
    ("crd.antrea.io", "NetworkPolicy"): "networkpolicies.crd.antrea.io",
    ("crd.antrea.io", "ClusterNetworkPolicy"): "clusternetworkpolicies.crd.antrea.io",
    ("networking.k8s.aws", "ClusterNetworkPolicy"): "clusternetworkpolicies.networking.k8s.aws",
    ("networking.k8s.aws", "ApplicationNetworkPolicy"): "applicationnetworkpolicies.networking.k8s.aws",
    ("vpcresources.k8s.aws", "SecurityGroupPolicy"): "securitygrouppolicies.vpcresources.k8s.aws",
    ("k8s.cni.cncf.io", "MultiNetworkPolicy"): "multi-networkpolicies.k8s.cni.cncf.io",
    ("k8s.cni.cncf.io", "NetworkAttachmentDefinition"): "network-attachment-definitions.k8s.cni.cncf.io",
    ("k8s.ovn.org", "EgressFirewall"): "egressfirewalls.k8s.ovn.org",
    ("k8s.ovn.org", "EgressIP"): "egressips.k8s.ovn.org",
    ("k8s.ovn.org", "UserDefinedNetwork"): "userdefinednetworks.k8s.ovn.org",
    ("k8s.ovn.org", "ClusterUserDefinedNetwork"): "clusteruserdefinednetworks.k8s.ovn.org",
    ("network.openshift.io", "EgressNetworkPolicy"): "egressnetworkpolicies.network.openshift.io",
    ("security.istio.io", "AuthorizationPolicy"): "authorizationpolicies.security.istio.io",
    ("security.istio.io", "PeerAuthentication"): "peerauthentications.security.istio.io",
    ("policy.linkerd.io", "AuthorizationPolicy"): "authorizationpolicies.policy.linkerd.io",
    ("policy.linkerd.io", "Server"): "servers.policy.linkerd.io",
}
_CALICO_RESOURCES = ("networkpolicies", "globalnetworkpolicies", "tiers")
_POLICY_RESOURCES = (
    "networkpolicies.networking.k8s.io",
    "adminnetworkpolicies.policy.networking.k8s.io",
    "baselineadminnetworkpolicies.policy.networking.k8s.io",
    "clusternetworkpolicies.policy.networking.k8s.io",
    "ciliumnetworkpolicies.cilium.io",
    "ciliumclusterwidenetworkpolicies.cilium.io",
    *(f"{kinds}.{group}" for group in (CALICO_STORED, CALICO_GROUP) for kinds in _CALICO_RESOURCES),
    *REFUSED.values(),
)

# What decides, by its name

#: A kind with one of these in its name decides, whoever's it is: policies and firewalls of networks, gateways and
#: addresses for what leaves the cluster, networks beside the cluster's own, who may call whom in a mesh.
_DECIDES = re.compile(
    r"Network(?:Policy|Policies|Attachment|Authentication)|Firewall|SecurityGroup|Egress|UserDefinedNetwork"
    r"|PodNetwork|TenantNetwork|NetNamespace|AuthorizationPolicy|ServerAuthorization|PeerAuthentication"
    r"|RequestAuthentication|MeshTLSAuthentication|TrafficPermission|TrafficTarget|Intentions?\Z|ClientIntents"
    r"|AccessPolicy|PolicyBasedExternalRoute|MultiNetwork|SecurityPolicy"
)
#: Of these only what is tried, not what holds (Calico's previews).
_PREVIEW = re.compile(r"Staged")
#: Groups in which any kind decides.
_DECIDING_GROUPS = frozenset(
    (
        *("policy.networking.k8s.io", "security.istio.io", "policy.linkerd.io", "access.smi-spec.io"),
        *("k8s.cni.cncf.io", "k8s.ovn.org", "multinetwork.networking.x-k8s.io", "danm.io", "danm.k8s.io"),
    )
)
#: Words of a group that is about networks: there, a kind that ends in Policy decides.
_NETWORKS = re.compile(
    r"(?:\A|[.-])(?:net|network|networks|networking|cni|firewall|security|mesh|istio|linkerd|cilium|projectcalico"
    r"|antrea|ovn|kubeovn|nsx|kuma|consul|aviatrix|tigera|cumulus|sdn|vpcresources)(?=[.-]|\Z)"
)
_POLICY_LIKE = re.compile(r"(?:Policy|Policies)\Z")
_OTHER_NETWORKS = frozenset((("kubeovn.io", "Vpc"), ("kubeovn.io", "Subnet"), ("networking.gke.io", "Network")))
#: What is in such a group and decides nothing: what a controller notes down, how a gateway treats what it lets in.
_NOTES = frozenset(
    (
        *((GATEWAY_GROUP, kind) for kind in ("GatewayClass", "BackendTLSPolicy")),
        *(("networking.k8s.aws", "PolicyEndpoint"), ("k8s.ovn.org", "EgressQoS"), ("k8s.ovn.org", "NetworkQoS")),
    )
)

# What makes pods, Services, routes or policies, by its name or by what it holds

_ROUTES = re.compile(
    r"(?:Routes?|Route(?:TCP|UDP)|Ingress|Gateway|HTTPProxy|VirtualService|VirtualServer|VirtualHost|TransportServer"
    r"|Mapping|TargetGroupBinding|Tunnel|TunnelBinding|ListenerSet)\Z"
)
_SERVICES = re.compile(r"(?:Service(?:Entry|Import|Export)?|WorkloadEntry|LoadBalancer)\Z")
_PODS = re.compile(
    r"(?:Rollout|DeploymentConfig|(?<!Machine)Deployment|(?:Pod|Stateful|Daemon|Clone|Worker|GameServer|Job)Set|Job"
    r"|Workflow|(?:Task|Pipeline)Run|VirtualMachine(?:Instance)?|HelmRelease|Application(?:Set)?|GameServer|Fleet)\Z"
)
_MAKERS: dict[tuple[str, str], tuple[Makes, ...]] = {
    ("serving.knative.dev", "Service"): ("pods", "services", "routes"),
    ("helm.cattle.io", "HelmChart"): ("pods", "services"),
    ("kustomize.toolkit.fluxcd.io", "Kustomization"): ("pods", "services", "policies"),
    ("template.openshift.io", "Template"): ("pods", "services", "policies"),
    ("monitoring.coreos.com", "Prometheus"): ("pods", "services"),
    ("monitoring.coreos.com", "Alertmanager"): ("pods", "services"),
    ("kafka.strimzi.io", "Kafka"): ("pods", "services", "policies"),
    ("k8s.elastic.co", "Elasticsearch"): ("pods", "services"),
    ("k8s.elastic.co", "Kibana"): ("pods", "services"),
    ("postgresql.cnpg.io", "Cluster"): ("pods", "services"),
    ("acid.zalan.do", "postgresql"): ("pods", "services"),
    ("rabbitmq.com", "RabbitmqCluster"): ("pods", "services"),
    ("ray.io", "RayCluster"): ("pods", "services"),
}
_HOLDS_DEPTH, _HOLDS_VALUES = 8, 5000


def _makes(group: str, kind: str) -> tuple[Makes, ...]:
    known = _MAKERS.get((group, kind))
    if known is not None:
        return known
    by_name: tuple[tuple[Makes, re.Pattern[str]], ...] = (
        ("pods", _PODS), ("services", _SERVICES), ("routes", _ROUTES), ("policies", _POLICY_LIKE)
    )  # fmt: skip
    return tuple(what for what, name in by_name if name.search(kind))


class Sort(NamedTuple):
    """What becomes of a kind. `is_read`: `remark` is then what is odd about its version. Otherwise it is counted;
    `is_custom`: what it makes may also be told from its body, beside what its name says."""

    is_read: bool
    remark: str | None = None
    is_custom: bool = False
    makes: tuple[Makes, ...] = ()


_READ_SORT, _SKIPPED = Sort(True), Sort(False)


@lru_cache(maxsize=4096)
def _sorted(api_version: str, kind: str) -> Sort | Bad:
    group, _, version = api_version.rpartition("/")
    versions = _READ.get((group, kind))
    if versions is not None:
        if version in versions.now:
            return _READ_SORT
        if version in versions.once:
            own = _own(kind)
            return Sort(True, f"{api_version} is no longer served by Kubernetes: write {own}")
        if group in (TIER_GROUP, GATEWAY_GROUP, CILIUM_GROUP, CALICO_GROUP, CALICO_STORED):
            known = " and ".join(versions.now)
            return Refused(("apiVersion",), f"is a version of {kind} that is not known", f"known is {known}")
        return _wrong(api_version, kind)
    if kind in _OTHERS.get(group, ()) or (group, kind) in _NOTES or _PREVIEW.match(kind):
        return _SKIPPED
    if group in _HARMLESS:
        return _wrong(api_version, kind) if _is_builtin(group) and _meant(kind) is not None else _SKIPPED
    if group in _OTHERS or (_meant(kind) is not None and _is_builtin(group)) or _meant_group(group, kind):
        return _wrong(api_version, kind)
    if _decides(group, kind):
        return Refused(
            ("kind",), f"decides who reaches whom in {group} and is not analysed", "what is said holds without it"
        )
    return Sort(False, None, True, _makes(group, kind))


def sort_of(api_version: str, kind: str) -> Sort:
    """Raises Bad for a kind that the API server does not have, Refused for one that decides and is not analysed."""
    found = _sorted(api_version, kind)
    if isinstance(found, Bad):
        raise type(found)(found.path, found.message, found.hint)
    return found


def _decides(group: str, kind: str) -> bool:
    if group in _DECIDING_GROUPS or (group, kind) in _OTHER_NETWORKS or _DECIDES.search(kind):
        return True
    return bool(_POLICY_LIKE.search(kind) and _NETWORKS.search(group))


def _is_builtin(group: str) -> bool:
    """Whether a group is Kubernetes' own: nobody else may use a name without a dot, or *.k8s.io."""
    return "." not in group or (group.endswith(".k8s.io") and not group.endswith(".x-k8s.io"))


_KINDS = {kind for _, kind in _READ}
_BY_LETTERS = {kind.casefold(): kind for kind in sorted(_KINDS)}


def _meant(kind: str) -> str | None:
    """A kind that is read, in other letters or in the plural."""
    letters = kind.casefold()
    singular = letters[:-3] + "y" if letters.endswith("ies") else letters.removesuffix("s")
    return _BY_LETTERS.get(letters) or _BY_LETTERS.get(singular)


def _meant_group(group: str, kind: str) -> bool:
    """Whether a group is one that is read, in other letters."""
    return _meant(kind) is not None and group != group.casefold() and group.casefold() in {g for g, _ in _READ}


def _own(kind: str) -> str:
    """The version to write for a kind that is read."""
    group = next((g for g, k in _READ if k == kind and g == _MOVED.get(kind, g) and g != "extensions"))
    return f"{group}/{_READ[group, kind].now[0]}".removeprefix("/")


def _wrong(api_version: str, kind: str) -> Bad:
    meant = _meant(kind)
    if meant is None:
        group = api_version.rpartition("/")[0]
        near = sorted({k for g, k in _READ if g == group} | _OTHERS.get(group, frozenset()))
        import difflib  # for a mistake only

        meant = next(iter(difflib.get_close_matches(kind, near, n=1, cutoff=0.75)), None)
        hint = f"did you mean {meant}?" if meant else None
    else:
        hint = f"write {_own(meant)}" + ("" if meant == kind else f" {meant}")
    return Bad(("apiVersion",), f"{printable(api_version)} has no {printable(kind)}", hint)


def lists_known(kind: str) -> bool:
    """Whether a kind is a list of what is read, or of anything."""
    return kind == "List" or _meant(kind.removesuffix("List")) is not None


def holds_pods(body: Object) -> bool:
    """Whether an object describes pods somewhere: a list of containers with images, as any PodSpec has one."""
    pending: list[tuple[Any, int]] = [(body.get("spec"), 0)]
    for _ in range(_HOLDS_VALUES):
        if not pending:
            return False
        value, depth = pending.pop()
        if isinstance(value, dict):
            containers = value.get("containers")
            if isinstance(containers, list) and any(isinstance(c, dict) and "image" in c for c in containers):
                return True
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        if depth < _HOLDS_DEPTH:
            pending += ((item, depth + 1) for item in inner if isinstance(item, dict | list))
    return False


def decides(api_version: str, kind: str) -> bool:
    """Whether it decides who reaches whom in a language that is not analysed."""
    return isinstance(_sorted(api_version, kind), Refused)


def policy_resources(served: Collection[str]) -> list[str]:
    """Every kind of policy, read or refused, that a cluster serves."""
    return _once([r for r in _POLICY_RESOURCES if r in served])


def resources(served: Iterable[tuple[str, str, str]]) -> list[str]:
    """Of what a cluster serves (resource, apiVersion, kind) what to ask it for: what is read, what decides, and what
    leads the outside in. Pods and Services that something else makes are there to be read."""
    wanted = []
    for each in served:
        found = _sorted(*each[1:])
        if isinstance(found, Refused) or (isinstance(found, Sort) and (found.is_read or "routes" in found.makes)):
            wanted.append(full_name(each))
    return _once(wanted)


def full_name(served: tuple[str, str, str]) -> str:
    """
    >>> full_name(("pods", "v1", "Pod")), full_name(("ingresses", "networking.k8s.io/v1", "Ingress"))
    ('pods', 'ingresses.networking.k8s.io')
    """
    return f"{served[0]}.{served[1].rpartition('/')[0]}".rstrip(".")


def _once(wanted: list[str]) -> list[str]:
    """Calico's API server shows what its CRDs hold: they alone are asked for, where they are there."""
    stored, shown = f".{CALICO_STORED}", f".{CALICO_GROUP}"
    twice = {r.removesuffix(stored) + shown for r in wanted if r.endswith(stored)}
    return [r for r in wanted if r not in twice]
