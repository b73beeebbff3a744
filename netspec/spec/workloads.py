"""The models of `workloads`: who talks."""

from typing import Literal

from pydantic import Field

from netspec.spec.model import Model
from netspec.spec.types import Labels, Name, PortName, PortNumber

#: A stand-in is a container a port, and some of them listen on a spare one besides.
MAX_PORTS = 1000


class ContainerPort(Model):
    """A port that the workload's pods listen on."""

    name: PortName | None = Field(None, description="A name that Services and policies may use.")
    port: PortNumber = Field(description="The port number.")
    protocol: Literal["TCP", "UDP", "SCTP"] = Field("TCP", description="The protocol.")


class Workload(Model):
    """Who talks: pods that share labels and ports. Selects pods that exist, or deploys a stand-in for them."""

    name: Name = Field(description="Its name, unique in the namespace.")
    namespace: Name = Field(description="The namespace of its pods.")
    labels: Labels = Field(min_length=1, description="The pods' labels.")
    replicas: int = Field(1, ge=0, le=1000, description="How many pods.")
    ports: list[ContainerPort] = Field(
        default_factory=list, max_length=MAX_PORTS, description="What the pods listen on."
    )
    stand_in: bool = Field(False, description="Deploy pods that serve the ports and probe, in place of the real ones.")
