"""What the cluster is made of outside Kubernetes: containers and a network, asked of and changed by the docker CLI.

Everything netspec makes is on a network of its own whose labels say which cluster it is for and who made it, from
before the first container exists. So whatever was cut half-way can be told from what is not ours.
"""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from netspec.diagnostics import Problem
from netspec.probes import OUTSIDE_PORTS

CLUSTER_LABEL = "netspec.dev/cluster"
OWNER_LABEL = "netspec.dev/owner"
#: kind's own labels on its nodes.
KIND_CLUSTER_LABEL = "io.x-k8s.kind.cluster"

#: Seconds for one docker command: pulling an image may take long.
TIMEOUT = 600


class EngineDown(Problem):
    """The container engine does not answer."""


@dataclass(frozen=True, slots=True)
class Container:
    """`state` is docker's word for it: running, exited, created, ..."""

    id: str
    name: str
    state: str


@dataclass(frozen=True, slots=True)
class Network:
    """A network that carries our labels."""

    name: str
    cluster: str
    owner: str


def run(arguments: Sequence[str], hint: str | None = None) -> str:
    """Run a docker command and return what it prints. Raises `Problem` with docker's own sentence."""
    try:
        done = subprocess.run(
            ["docker", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    except FileNotFoundError as error:
        raise Problem("there is no docker command on PATH", "start through netspec: netspec exec -- CMD") from error
    except subprocess.TimeoutExpired as error:
        raise Problem(f"`docker {arguments[0]}` did not end within {TIMEOUT} seconds", "restart Docker") from error
    if done.returncode == 0:
        return done.stdout
    said = done.stderr.strip()
    if "Cannot connect to the Docker daemon" in said or "error during connect" in said:
        raise EngineDown("The container engine does not answer.", "Start Docker, or check DOCKER_HOST.")
    if "no space left on device" in said:
        raise Problem(
            "the disk of the container engine is full", "free some space: docker system df says what takes it"
        )
    raise Problem(f"`docker {' '.join(arguments[:2])}` failed: {' '.join(said.split())}", hint)


def nodes(cluster: str) -> list[Container]:
    """The node containers of a kind cluster, whoever made it and whatever state they are in."""
    return _containers(f"label={KIND_CLUSTER_LABEL}={cluster}")


def has_clusters() -> bool:
    """Whether the engine has any cluster of netspec's, whoever made it; none when it does not answer."""
    try:
        return bool(networks())
    except EngineDown:
        return False


def containers_on(network: str, *filters: str) -> list[Container]:
    """All containers attached to a network, stopped ones too."""
    return _containers(f"network={network}", *filters)


def named(name: str) -> Container | None:
    """The container of exactly this name."""
    return next((c for c in _containers(f"name={name}") if c.name == name), None)


def _containers(*filters: str) -> list[Container]:
    words = [word for text in filters for word in ("--filter", text)]
    out = run(["ps", "--all", "--no-trunc", *words, "--format", "{{.ID}}\t{{.Names}}\t{{.State}}"])
    return sorted((Container(*line.split("\t")) for line in out.splitlines()), key=lambda c: c.name)


def networks(*filters: str) -> list[Network]:
    """The networks with our labels."""
    words = [word for text in (f"label={CLUSTER_LABEL}", *filters) for word in ("--filter", text)]
    names = run(["network", "ls", *words, "--format", "{{.Name}}"]).split()
    if not names:
        return []
    found = json.loads(run(["network", "inspect", *names]))
    return [Network(n["Name"], n["Labels"].get(CLUSTER_LABEL, ""), n["Labels"].get(OWNER_LABEL, "")) for n in found]


def has_network(name: str) -> bool:
    return name in run(["network", "ls", "--format", "{{.Name}}"]).split()


def make_network(network: Network, cidr: str) -> None:
    """Raises `Problem` when the address range is taken."""
    labels = [f"--label={CLUSTER_LABEL}={network.cluster}", f"--label={OWNER_LABEL}={network.owner}"]
    try:
        run(["network", "create", "--driver=bridge", f"--subnet={cidr}", *labels, network.name])
    except Problem as problem:
        if "overlaps with" in problem.message:
            raise Problem(
                f"the address range {cidr} of the cluster's container network is taken by another network",
                "set another one in the spec (stacks.<stack>.cluster.networkCIDR), or remove the network that has it: "
                "docker network ls",
            ) from problem
        raise


def remove_network(network: Network) -> None:
    """Remove a network of ours with every container of ours on it. Does nothing when it is gone."""
    ours = [
        *containers_on(network.name, f"label={KIND_CLUSTER_LABEL}={network.cluster}"),
        *containers_on(network.name, f"label={OWNER_LABEL}={network.owner}"),
    ]
    if ours:
        run(["rm", "--force", "--volumes", *dict.fromkeys(c.id for c in ours)])
    if has_network(network.name):
        run(["network", "rm", network.name], "Remove the containers that are still on it: docker network inspect")


def remove_named(name: str, network: Network) -> None:
    """Remove the container of this name if it is ours and on this network."""
    if any(c.name == name for c in containers_on(network.name, f"label={OWNER_LABEL}={network.owner}")):
        run(["rm", "--force", "--volumes", name])


def run_outside_host(name: str, image: str, network: Network) -> None:
    """Start the host beside the nodes, replacing one that is there already."""
    remove_named(name, network)
    labels = [f"--label={CLUSTER_LABEL}={network.cluster}", f"--label={OWNER_LABEL}={network.owner}"]
    flags = {"TCP": "http-port", "UDP": "udp-port"}
    serve = [f"--{flags[protocol]}={port}" for port, protocol in OUTSIDE_PORTS]
    container = ["--detach", f"--name={name}", f"--hostname={name}", f"--network={network.name}", *labels]
    run(["run", *container, image, "netexec", *serve], f"Check that the image {image} can be had.")
