"""Add-ons: what EKS installs, with the rights that its pods have in AWS, and the settings that the spec gives them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from netspec.backends.clusters.eks.control import NAME
from netspec.backends.clusters.eks.resource import ids, resource, role
from netspec.backends.clusters.eks.settings import EksSettings
from netspec.backends.corefile import corefile
from netspec.backends.objects import guards
from netspec.ir.dns import KUBE_DNS
from netspec.ir.model import Ir
from netspec.plan import CLUSTER, NODES, Json, Ref, ResourceNode
from netspec.target import AddOn, Needs

AGENT, PROXY, DNS = "eks-pod-identity-agent", "kube-proxy", "coredns"


def wanted(ir: Ir, settings: EksSettings, needs: Needs) -> tuple[AddOn, ...]:
    """In the order in which they are installed: the agent gives the CNI its rights, DNS needs nodes."""
    rights = any(a.rights for a in needs.addons) or settings.pod_identities or needs.accounts
    mode = {"mode": ir.network.proxy_mode}
    return (
        *([AddOn(AGENT)] if rights else []),
        *([AddOn(PROXY, mode)] if needs.kube_proxy else []),
        *needs.addons,
        AddOn(DNS, dns_settings(ir, settings), before_nodes=False),
    )


def dns_settings(ir: Ir, settings: EksSettings) -> dict[str, Any]:
    """The spec's replicas, Corefile, budget and spread. Where every group is tainted its pods tolerate that, or there
    would be none."""
    found: dict[str, Any] = {"replicaCount": ir.dns.replicas, "corefile": corefile(ir.dns)}
    if ir.dns.max_unavailable is not None:
        found["podDisruptionBudget"] = {"enabled": True, "maxUnavailable": ir.dns.max_unavailable}
    if ir.dns.apart:
        found["topologySpreadConstraints"] = [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "DoNotSchedule",
                "labelSelector": {"matchLabels": dict(KUBE_DNS.labels)},
            }
        ]
    taints = [taint for group in settings.node_groups for taint in group.taints]
    if taints and all(group.taints for group in settings.node_groups):
        given = ({"key": t.key, "value": t.value, "effect": t.effect} for t in taints)
        found["tolerations"] = [
            {"key": "CriticalAddonsOnly", "operator": "Exists"},
            *({"operator": "Equal", **t} for t in given),
        ]
    return found


def addons(ir: Ir, settings: EksSettings, chosen: Iterable[AddOn], needs: Needs) -> tuple[ResourceNode, ...]:
    """The chosen ones, each behind the rights of its pods, and the rights of other pods."""
    nodes: list[ResourceNode] = []
    for addon in chosen:
        before: tuple[str, ...] = ()
        if addon.rights:
            identity = _identity(settings, addon.namespace, addon.account, addon.rights, addon.name)
            nodes += identity
            before = ids(identity)
        if not addon.before_nodes:
            dns = (policy for w in ir.workloads if w.system for policy in guards(ir, w))
            before = (*before, NODES, *(dns if addon.name == DNS else ()))
        nodes.append(_addon(settings, addon, (CLUSTER, *before)))
    for given in settings.pod_identities:
        name = f"{given.namespace}-{given.service_account}"
        nodes += _identity(settings, given.namespace, given.service_account, given.policies, name)
    for account in needs.accounts:
        name = f"{account.namespace}-{account.name}"
        own = [{"Effect": "Allow", "Action": list(account.actions), "Resource": "*"}] if account.actions else []
        own += [dict(statement) for statement in account.statements]
        nodes += _identity(settings, account.namespace, account.name, (), name, own)
    return tuple(nodes)


def _addon(settings: EksSettings, addon: AddOn, after: Iterable[str]) -> ResourceNode:
    """OVERWRITE: EKS itself makes some of the objects, and what somebody changed in one is set back."""
    properties = {
        "clusterName": NAME,
        "addonName": addon.name,
        "addonVersion": settings.addons[addon.name],
        "configurationValues": Json(addon.settings) if addon.settings else None,
        "resolveConflictsOnCreate": "OVERWRITE",
        "resolveConflictsOnUpdate": "OVERWRITE",
    }
    return resource(addon.node, "eks/addon:Addon", properties, after, unique=True)


def _identity(
    settings: EksSettings,
    namespace: str,
    account: str,
    policies: Iterable[str],
    name: str,
    own: Sequence[Mapping[str, Any]] = (),
) -> tuple[ResourceNode, ...]:
    """A role for the pods of a ServiceAccount, by the agent; the association is there before the pods are. `own`: the
    statements of a policy of its own."""
    roles = role(f"pods-{name}", "pods.eks.amazonaws.com", settings.region, policies)
    if own:
        allowed = {
            "role": Ref(f"role-pods-{name}", "name"),
            "policy": Json({"Version": "2012-10-17", "Statement": list(own)}),
        }
        roles = (*roles, resource(f"role-pods-{name}-own", "iam/rolePolicy:RolePolicy", allowed))
    properties = {
        "clusterName": NAME,
        "namespace": namespace,
        "serviceAccount": account,
        "roleArn": Ref(f"role-pods-{name}", "arn"),
    }
    associated = "eks/podIdentityAssociation:PodIdentityAssociation"
    after = (*ids(roles), f"addon:{AGENT}")
    return (*roles, resource(f"identity-{name}", associated, properties, after, unique=True))
