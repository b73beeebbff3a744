"""What a stack may set of HAProxy Ingress."""

from netspec.backends.edge.ingresses import ProxySettings


class HaproxySettings(ProxySettings):
    """HAProxy Ingress serves the spec's HTTP routes."""
