"""Faults of the options of routes, of Traefik's kinds: a longer time for answers, no copies, another Service asked."""

from collections.abc import Iterator

from faulting import Expected, fault, kept, patched
from live_cluster import Live

from netspec.ir.http import HttpRoute
from netspec.probes import COPIES, TIMES, FactProbe, Probe
from netspec.verify.model import Status


def _option(live: Live, fact: str) -> tuple[HttpRoute, str]:
    """The route that has an option, and the probe of it."""
    probe = next(p for p in live.probes if p.id.startswith(f"fact:{fact}:") and _is_wanted(p))
    assert isinstance(probe, FactProbe) and probe.request is not None
    return next(r for r in live.ir.http if r.id == probe.request.route), probe.id


def _is_wanted(probe: Probe) -> bool:
    """Not of a route that must not have it."""
    return isinstance(probe, FactProbe) and not (probe.fact == COPIES and not probe.expect["copies"])


@fault("a longer time for answers than the spec gives")
def time_longer(live: Live) -> Iterator[Expected]:
    route, probe = _option(live, TIMES)
    resource = "serverstransports.traefik.io"
    with kept(live, resource, f"{route.name}.timeouts", "-n", route.namespace):
        longer = {"spec": {"forwardingTimeouts": {"responseHeaderTimeout": "60s"}}}
        patched(live, resource, f"{route.id}.timeouts", longer)
        said = f"ServersTransport {route.id}.timeouts"
        why = "responseHeaderTimeout is '60s'"
        yield Expected([f"{said} is not the spec's", why], only=(probe, f"fact:ingress-option:{said}"))


@fault("copies that are made no longer")
def copies_gone(live: Live) -> Iterator[Expected]:
    route, probe = _option(live, COPIES)
    resource = "traefikservices.traefik.io"
    with kept(live, resource, f"{route.name}.copy-0", "-n", route.namespace):
        patched(live, resource, f"{route.id}.copy-0", {"spec": {"mirroring": {"mirrors": None}}})
        said = f"TraefikService {route.id}.copy-0"
        yield Expected([f"{said} is not the spec's"], only=(probe, f"fact:ingress-option:{said}"))


@fault("another Service asked who may")
def authorizer_replaced(live: Live) -> Iterator[Expected]:
    """One that says yes to everybody."""
    route = next(r for r in live.ir.http if r.external_auth is not None)
    assert route.external_auth is not None
    backend = route.paths[0].backends[0].service
    resource = "middlewares.traefik.io"
    with kept(live, resource, f"{route.name}.auth", "-n", route.namespace) as thing:
        address = thing["spec"]["forwardAuth"]["address"].replace(
            f"//{route.external_auth.backend.service}.", f"//{backend}."
        )
        patched(live, resource, f"{route.id}.auth", {"spec": {"forwardAuth": {"address": address}}})
        at = f"fact:http-answer:GET:{route.hosts[0]}"
        wrong = (f"{at}/", f"{at}/hostname", f"{at}/hostname:refused")
        said = [f"Middleware {route.id}.auth is not the spec's", f"address is '{address}'"]
        yield Expected(said, statuses=dict.fromkeys(wrong, Status.WRONG))
