"""Checks that intents about addresses can see them: node ports replace the caller's address by the node's.

With externalTrafficPolicy Cluster a node does so wherever it passes a flow on to a pod of another node, unless the
stack's traits say that the caller's address stays. The node's address is not the caller's; that of a tunnel is inside
the pod CIDR: neither `outside` nor the caller's CIDR is about it."""

from collections.abc import Sequence

from netspec.ir.model import IntentPeer, IntentPolicy, Ir, Service, Workload
from netspec.passes.context import Context
from netspec.passes.endpoints import behind
from netspec.passes.services import OUTWARD


def source_addresses(ir: Ir, context: Context) -> Ir:
    intents = [i for i in ir.intents if i.source.kind in ("cidr", "outside")]
    if ir.traits.forwarded == "caller":
        return ir
    for service in ir.services:
        if intents and service.type in OUTWARD and service.external_traffic_policy == "Cluster":
            _check(ir, service, intents, context)
    return ir


def _check(ir: Ir, service: Service, intents: list[IntentPolicy], context: Context) -> None:
    pods = behind(ir, service)
    names = [i.name for i in intents if any(p in pods for p in _called(ir, i.destination))]
    isolated = any(
        "Ingress" in policy.types and policy.namespace == service.namespace and policy.pods.matches(pod.labels)
        for policy in ir.policies
        for pod in pods
    )
    if names and isolated:
        message = f"its node ports hide the caller's address from {', '.join(names)} on nodes without the pod"
        hint = "set externalTrafficPolicy: Local"
        context.report.warning("NS315", service.place.path, message, hint)


def _called(ir: Ir, peer: IntentPeer) -> Sequence[Workload]:
    match peer.kind:
        case "workload":
            return [ir.workloads_by_id[peer.name]]
        case "namespace":
            return ir.workloads_in.get(peer.name, ())
        case "service":
            return behind(ir, ir.services_by_id[peer.name])
        case _:
            return []
