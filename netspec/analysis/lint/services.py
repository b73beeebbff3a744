"""Services and routes that lead to nothing."""

from collections.abc import Iterator

from netspec.analysis.lint.context import Context, Finding
from netspec.analysis.services import Endpoints
from netspec.analysis.words import selector_text
from netspec.ir.dns import service_of_name


def leads_to_nothing(context: Context) -> Iterator[Finding]:
    """NL012. A workload scaled to nothing counts: its pods may come back."""
    endpoints, domain = Endpoints(context.inventory), context.inventory.cluster_domain
    for service in context.inventory.services:
        inside = service_of_name(service.external_name or "", domain) if service.type == "ExternalName" else None
        if inside is not None and endpoints.followed(service) is None:
            message = f"it is a name for Service {inside}, which is not there or leads back to it"
            yield Finding("NL012", service.id, message, service.place)
        if not context.has_pods or service.selector is None or service.type == "ExternalName" or service.system:
            continue
        behind = endpoints.selected(service)
        missing = [p for p in service.ports if all(p.number_on(w) is None for w in behind)]
        if not behind:
            message = f"Service selector {selector_text(service.selector)} matches no pod"
            yield Finding("NL012", service.id, message, service.place)
        elif missing and not service.headless:  # a headless one has no target ports
            port = missing[0]
            message = f"Service port {port.port}: no pod behind it has {port.target_port}/{port.protocol}"
            yield Finding("NL012", service.id, message, service.place)
    for route in context.inventory.routes:
        for backend in route.backends:
            target = endpoints.find(f"{backend.namespace}/{backend.service}")
            if target is not None and target.type == "ExternalName":
                if service_of_name(target.external_name or "", domain) is None:
                    continue  # a name outside, which answers on whatever port it does
                target = endpoints.followed(target)
            if target is None or not any(backend.port in (None, p.port, p.name) for p in target.ports):
                what = f"port {backend.port} of Service" if target else "Service"
                message = f"{route.kind} sends to {what} {backend.namespace}/{backend.service}, which is not there"
                yield Finding("NL012", route.id, message, route.place)
