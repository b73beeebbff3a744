"""How a running cluster is got at, by kind of cluster: its kubeconfig, its nodes, the host outside.

A cluster whose nodes cannot be entered has facts of its nodes that fail as checks, never as answers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from typing import Protocol

from testinfra.host import Host

from netspec.diagnostics import Problem
from netspec.ir.model import Ir
from netspec.toolchain import programs
from netspec.verify.access import container
from netspec.verify.streams import Stream, through_container


@dataclass(frozen=True, slots=True)
class Outside:
    """The host outside the cluster: what it is called, how it is entered, its addresses, none when it is down, and how
    a connection is made from there."""

    name: str
    host: Host
    addresses: tuple[str, ...]
    stream: Stream | None = None


class Site(Protocol):
    """The surroundings of one cluster."""

    def kubeconfig(self) -> str:
        """The administrator's. Raises Problem where there is no such cluster."""

    def node(self, name: str) -> Host | None:
        """The node, to run commands on; None where it cannot be entered."""

    def outside(self) -> Outside | None:
        """None where there is no such host."""


class KindSite:
    """Nodes are containers of the nodes' names; one more container beside them is the host outside."""

    def __init__(self, ir: Ir) -> None:
        self._cluster = ir.cluster_name

    def kubeconfig(self) -> str:
        return programs.kind_kubeconfig(self._cluster)

    def node(self, name: str) -> Host | None:
        return container(name)

    def outside(self) -> Outside | None:
        name = f"{self._cluster}-outside"
        return Outside(name, container(name), addresses_of(name), partial(through_container, name))


class ExistingSite:
    """Somebody else's: netspec has its API server, and enters neither nodes nor hosts."""

    def __init__(self, ir: Ir) -> None:
        assert ir.traits.there is not None
        self._there = ir.traits.there

    def kubeconfig(self) -> str:
        return programs.kubeconfig(self._there.kubeconfig, self._there.context)

    def node(self, name: str) -> Host | None:
        return None

    def outside(self) -> Outside | None:
        return None


class RemoteSite:
    """A cluster that the stack made at a provider: its kubeconfig is the stack's, and nothing else is entered."""

    def __init__(self, ir: Ir) -> None:
        self._stack = ir.stack

    def kubeconfig(self) -> str:
        return programs.stack_kubeconfig(self._stack)

    def node(self, name: str) -> Host | None:
        return None

    def outside(self) -> Outside | None:
        return None


def addresses_of(name: str) -> tuple[str, ...]:
    """A container's addresses on every container network; none when it does not run."""
    template = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}"
    words = programs.run(["docker", "inspect", "--format", template, name]).stdout.split()
    return tuple(word for word in words if _is_address(word))  # a stopped one has none, "invalid IP" or both words


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


#: By the name of the cluster's backend.
SITES: dict[str, Callable[[Ir], Site]] = {
    "kind": KindSite,
    "existing": ExistingSite,
    **dict.fromkeys(("eks", "aks", "gke"), RemoteSite),
}


def programs_of(ir: Ir) -> tuple[str, ...]:
    """What a verification runs."""
    if ir.traits.remote:
        return ("pulumi", "kubectl")
    return ("kubectl",) if ir.traits.there else ("kind", "kubectl")


def site_of(ir: Ir) -> Site:
    """Raises Problem for a cluster that verification has no way into."""
    cluster = ir.providers["cluster"]
    if cluster not in SITES:
        raise Problem(f"a cluster of type {cluster} cannot be verified", f"these can be: {', '.join(sorted(SITES))}")
    return SITES[cluster](ir)
