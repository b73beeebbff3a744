"""The controllers that the suite is run against: their class, and what they claim to have."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from netspec.catalogue import ENVOY_GATEWAY, IMAGES, TRAEFIK

NAME = "gateway-conformance"
PROFILES = ("GATEWAY-HTTP", "GATEWAY-GRPC", "GATEWAY-TLS", "GATEWAY-TCP", "GATEWAY-UDP")
#: Features that a controller has by its profile: what is asked without `--extended`.
CORE = frozenset({"Gateway", "ReferenceGrant", "HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute"})
#: Claimed with the core: a controller without them is asked to refuse them.
ALWAYS = ("TLSRouteModeTerminate", "TLSRouteModeMixed")
#: Of HTTPRoutes, in both controllers.
_COMMON = (
    *("HTTPRouteQueryParamMatching", "HTTPRouteMethodMatching", "HTTPRouteResponseHeaderModification"),
    *("HTTPRoutePortRedirect", "HTTPRouteSchemeRedirect", "HTTPRoutePathRedirect", "HTTPRouteHostRewrite"),
    *("HTTPRoutePathRewrite", "HTTPRoute303RedirectStatusCode", "HTTPRoute307RedirectStatusCode"),
    *("HTTPRoute308RedirectStatusCode", "HTTPRouteBackendProtocolH2C", "HTTPRouteBackendProtocolWebSocket"),
    *("HTTPRouteDestinationPortMatching", "HTTPRouteBackendRequestHeaderModification", "HTTPRouteNamedRouteRule"),
    *("HTTPRouteParentRefPort", "GRPCRouteNamedRouteRule", "BackendTLSPolicy"),
    *("TLSRouteModeTerminate", "TLSRouteModeMixed"),
)


@dataclass(frozen=True, slots=True)
class Controller:
    """`stack`: where it runs. `objects`: its class where it needs one of its own. `skipped`: tests that its project
    leaves out of its own run too, and why."""

    stack: str
    profiles: tuple[str, ...]
    extended: tuple[str, ...]
    organization: str
    project: str
    url: str
    version: str
    class_name: str
    objects: Callable[[], list[dict[str, Any]]] = list
    skipped: tuple[tuple[str, str], ...] = ()


def _envoy() -> list[dict[str, Any]]:
    """A class whose Gateways have a proxy each, for they listen on the same ports; with the images of netspec's own."""
    group, namespace = "gateway.envoyproxy.io", "envoy-gateway-system"
    kubernetes = {
        "envoyDeployment": {"container": {"image": IMAGES["envoy"], "resources": {}}},
        "envoyService": {"externalTrafficPolicy": "Cluster"},
    }
    proxy = {
        "apiVersion": f"{group}/v1alpha1",
        "kind": "EnvoyProxy",
        "metadata": {"name": NAME, "namespace": namespace},
        "spec": {"provider": {"type": "Kubernetes", "kubernetes": kubernetes}},
    }
    parameters = {"group": group, "kind": "EnvoyProxy", "name": NAME, "namespace": namespace}
    spec = {"controllerName": f"{group}/gatewayclass-controller", "parametersRef": parameters}
    kind = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass", "metadata": {"name": NAME}}
    return [proxy, kind | {"spec": spec}]


CONTROLLERS = {
    "envoy-gateway": Controller(
        stack="gateways",
        profiles=PROFILES,
        # By its own report of 1.9; GatewayStaticAddresses, which it has too, would need addresses told to the suite.
        extended=(
            *_COMMON,
            *("HTTPRouteRequestMirror", "HTTPRouteRequestMultipleMirrors", "HTTPRouteRequestPercentageMirror"),
            *("HTTPRouteRequestTimeout", "HTTPRouteBackendTimeout", "HTTPRouteCORS"),
            *("HTTPRouteRetry", "HTTPRouteRetryBackendTimeout", "HTTPRouteRetryConnectionError"),
            *("BackendTLSPolicySANValidation", "GatewayHTTPListenerIsolation", "GatewayAddressEmpty", "ListenerSet"),
            *("GatewayPort8080", "GatewayBackendClientCertificate"),
            "GatewayFrontendClientCertificateValidation",
            "GatewayFrontendClientCertificateValidationInsecureFallback",
        ),
        organization="envoyproxy",
        project="envoy-gateway",
        url="https://gateway.envoyproxy.io",
        version=f"v{ENVOY_GATEWAY.airgap}",
        class_name=NAME,
        objects=_envoy,
    ),
    "traefik-gateway": Controller(
        stack="gateways-traefik",
        profiles=PROFILES[:3],
        extended=_COMMON,
        organization="traefik",
        project="traefik",
        url="https://traefik.io",
        version=f"v{TRAEFIK.airgap}",
        class_name="netspec",
        skipped=(
            (
                "HTTPRouteMultipleGateways",
                "of Gateways that share a port and a host Traefik serves all by one proxy: its own run leaves it out",
            ),
        ),
    ),
}
