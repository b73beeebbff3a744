"""Faults of logins at a provider in the cluster, on a stack that has them."""

import base64
from collections.abc import Iterator

from faulting import Expected, fault, kept, patched
from live_cluster import Live

from netspec.ir.http import HttpRoute, Oidc
from netspec.probes import LOGIN, FactProbe
from netspec.verify.model import Status


def _login(live: Live) -> tuple[HttpRoute, Oidc, FactProbe]:
    (probe,) = [p for p in live.probes if isinstance(p, FactProbe) and p.fact == LOGIN]
    route = next(r for r in live.ir.http if r.oidc is not None)
    assert route.oidc is not None
    return route, route.oidc, probe


@fault("a client's secret that the provider does not know")
def secret_unknown(live: Live) -> Iterator[Expected]:
    route, oidc, probe = _login(live)
    front = live.ir.traits.front
    assert front is not None
    with kept(live, "secret", oidc.secret, "-n", route.namespace):
        data = {front.client.secret: base64.b64encode(b"another").decode()}
        patched(live, "secret", f"{route.namespace}/{oidc.secret}", {"data": data})
        yield Expected([probe.id, "'comes back to': 401"], only=(probe.id,), statuses={probe.id: Status.WRONG})


@fault("the leave to ask the provider of another namespace, gone")
def grant_gone(live: Live) -> Iterator[Expected]:
    _, oidc, probe = _login(live)
    assert oidc.provider is not None and oidc.provider.namespace
    name, namespace = f"netspec-provider-{oidc.provider.service}", oidc.provider.namespace
    with kept(live, "referencegrant", name, "-n", namespace):
        live.kubectl("delete", "referencegrant", name, "-n", namespace)
        yield Expected([f"ReferenceGrant {namespace}/{name} is missing"], statuses={probe.id: Status.WRONG})
