"""What a stack may say of Traefik."""

from typing import Literal

from pydantic import Field

from netspec.spec.model import Settings


class TraefikSettings(Settings):
    """Traefik serves the spec's HTTP routes."""

    replicas: int = Field(1, ge=1, le=50, description="How many pods. Each counts rate limits alone.")
    service: Literal["LoadBalancer", "NodePort", "ClusterIP"] = Field(
        "LoadBalancer", description="How the outside gets to it."
    )
    external_traffic_policy: Literal["Cluster", "Local"] = Field(
        "Local", description="Local: it sees the clients' addresses, and only nodes with one of its pods take traffic."
    )
