"""Services and routes that lead to nothing."""

from collections.abc import Iterator

from netspec.analysis.explain import selector_text
from netspec.analysis.lint.context import Context, Finding
from netspec.analysis.services import Endpoints


def leads_to_nothing(context: Context) -> Iterator[Finding]:
    """NL012."""
    endpoints = Endpoints(context.inventory)
    for service in context.inventory.services:
        if service.selector is None or service.type == "ExternalName" or service.system:
            continue
        found = list(endpoints.of_service(service))
        missing = [p for p in service.ports if p not in {e.port for e in found}]
        if not found and not any(
            w.namespace == service.namespace and service.selector.matches(w.labels) for w in context.inventory.workloads
        ):
            message = f"Service selector {selector_text(service.selector)} matches no pod"
            yield Finding("NL012", service.id, message, service.place)
        elif missing:
            port = missing[0]
            message = f"Service port {port.port}: no pod behind it has {port.target_port}/{port.protocol}"
            yield Finding("NL012", service.id, message, service.place)
    for route in context.inventory.routes:
        for backend in route.backends:
            target = endpoints.find(f"{backend.namespace}/{backend.service}")
            if target is None or not any(backend.port in (None, p.port, p.name) for p in target.ports):
                what = f"port {backend.port} of Service" if target else "Service"
                message = f"{route.kind} sends to {what} {backend.namespace}/{backend.service}, which is not there"
                yield Finding("NL012", route.id, message, route.place)
