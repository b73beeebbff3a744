"""Checks that intents about addresses can see them: node ports replace the caller's address by the node's.

With externalTrafficPolicy Cluster kube-proxy does so wherever it forwards to a pod of another node; behind VXLAN the
replaced address is the tunnel's, inside the pod CIDR, so neither `outside` nor a CIDR matches it."""

from netspec.ir.model import Ir, Service
from netspec.passes.context import Context
from netspec.passes.services import OUTWARD, behind


def source_addresses(ir: Ir, context: Context) -> Ir:
    for service in ir.services:
        if service.type in OUTWARD and service.external_traffic_policy == "Cluster":
            _check(ir, service, context)
    return ir


def _check(ir: Ir, service: Service, context: Context) -> None:
    pods = {w.id for w in behind(ir, service)}
    namespaces = {service.namespace} if pods else set()
    services = {s.id for s in ir.services if pods & {w.id for w in behind(ir, s)}}
    reached = {"workload": pods, "namespace": namespaces, "service": services}
    names = [
        i.name
        for i in ir.intents
        if i.source.kind in ("cidr", "outside") and i.destination.name in reached.get(i.destination.kind, ())
    ]
    isolated = any(
        "Ingress" in p.types and p.namespace == service.namespace and p.pods.matches(w.labels)
        for p in ir.policies
        for w in behind(ir, service)
    )
    if names and isolated:
        message = f"its node ports hide the caller's address from {', '.join(names)} on nodes without the pod"
        hint = "set externalTrafficPolicy: Local"
        context.report.warning("NS315", service.place.path, message, hint)
