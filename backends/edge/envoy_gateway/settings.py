"""What a stack may say of Envoy Gateway."""

from netspec.backends.edge.ingresses import ProxySettings


class EnvoyGatewaySettings(ProxySettings):
    """Envoy Gateway serves the spec's HTTP routes as objects of the Gateway API, by its Helm chart."""
