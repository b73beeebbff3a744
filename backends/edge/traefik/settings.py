"""What a stack may say of Traefik."""

from netspec.backends.edge.ingresses import ProxySettings


class TraefikSettings(ProxySettings):
    """Traefik serves the spec's HTTP routes."""
