"""What the cluster is made of outside Kubernetes: containers and a network, asked of and changed by the docker CLI.

Everything netspec makes is on a network of its own whose labels say which cluster it is for and who made it, from
before the first container exists. So what an interrupted run left can be told from what is not netspec's.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from netspec.diagnostics import Problem
from netspec.probes import OUTSIDE_PORTS
from netspec.toolchain import programs

CLUSTER_LABEL = "netspec.dev/cluster"
OWNER_LABEL = "netspec.dev/owner"
#: kind's own labels on its nodes.
KIND_CLUSTER_LABEL = "io.x-k8s.kind.cluster"

#: What docker says when there is no engine, in its versions up to 28, and since.
_DOWN = ("Cannot connect to the Docker daemon", "error during connect", "failed to connect to the docker API")

#: Seconds for one docker command, and for pulling an image, which is tried so often.
TIMEOUT = 600
PULL_TIMEOUT, PULLS = 1200, 3
#: How often the networks are looked at while one of them goes in between.
LOOKS = 3


Subnet = IPv4Network | IPv6Network


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


def run(arguments: Sequence[str], hint: str | None = None, limit: float = TIMEOUT) -> str:
    """Run a docker command and return what it prints. Raises `Problem` with docker's own sentence."""
    done = programs.run(["docker", *arguments], limit=limit)
    if done.returncode == programs.MISSING:
        raise programs.need("docker")
    if done.returncode == programs.TIMED_OUT:
        said = f"`docker {arguments[0]}` did not end within {limit:g} seconds"
        raise Problem(said, hint or "restart Docker")
    if done.returncode == 0:
        return done.stdout
    said = done.stderr.strip()
    if any(text in said for text in _DOWN):
        raise EngineDown("the container engine does not answer", "start Docker, or check DOCKER_HOST")
    if "no space left on device" in said:
        raise Problem(
            "the disk of the container engine is full", "free some space: docker system df says what takes it"
        )
    raise Problem(f"`docker {' '.join(arguments[:2])}` failed: {' '.join(said.split())}", hint)


def engine_id() -> str:
    """What tells this engine from any other one; "" where it calls itself something else each time (Podman does)."""
    first, second = (run(["info", "--format", "{{.ID}}"]).strip() for _ in range(2))
    return first if first == second else ""


def nodes(cluster: str, network: str | None = None) -> list[Container]:
    """The node containers of a kind cluster, on any network or one, whoever made it and whatever state they are in."""
    return _containers(f"label={KIND_CLUSTER_LABEL}={cluster}", *([f"network={network}"] if network else []))


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


def networks_of(owner: str) -> list[Network]:
    return networks(f"label={OWNER_LABEL}={owner}")


def subnets() -> dict[str, list[Subnet]]:
    """The address ranges of every network of this engine, by its name; those of a swarm and those that another
    address manager gives are apart."""
    found = json.loads(_tried(LOOKS, lambda: run(["network", "inspect", *run(["network", "ls", "--quiet"]).split()])))
    return {
        n["Name"]: [
            ip_network(config["Subnet"], strict=False)
            for config in n["IPAM"]["Config"] or ()
            if n["Scope"] == "local" and n["IPAM"].get("Driver") == "default" and config.get("Subnet")
        ]
        for n in found
    }


def _tried(times: int, operation: Callable[[], str]) -> str:
    for _ in range(times - 1):
        try:
            return operation()
        except EngineDown:
            raise
        except Problem:
            continue
    return operation()


def need_image(reference: str, say: Callable[[str], None]) -> None:
    """Raises `Problem` when the engine neither has the image nor can pull it."""
    try:
        run(["image", "inspect", "--format", "{{.Id}}", reference])
    except EngineDown:
        raise
    except Problem:
        say(f"pulling the image {reference}")
        hint = "check the image's name and the connection to its registry"
        _tried(PULLS, lambda: run(["pull", "--quiet", reference], hint, PULL_TIMEOUT))


def need_kernel(wanted: Mapping[str, str], image: str) -> None:
    """Raises `Problem` when the kernel that containers run on lacks an option of `wanted`, with what wants it. A kernel
    that does not show its configuration (/proc/config.gz) is taken to have all."""
    script = "uname -r; zcat /proc/config.gz 2>/dev/null || true"
    said = run(["run", "--rm", "--network=none", "--entrypoint=sh", image, "-c", script])
    release, _, config = said.partition("\n")
    has = set(re.findall(r"^(CONFIG_\w+)=[ym]$", config, re.MULTILINE))
    missing = [f"{option} ({why})" for option, why in wanted.items() if has and option not in has]
    if missing:
        raise Problem(
            f"the kernel of the container engine, {release.strip()}, lacks {', '.join(missing)}",
            "use settings that do without, or a machine whose kernel has it",
        )


def has_network(name: str) -> bool:
    return name in run(["network", "ls", "--format", "{{.Name}}"]).split()


def make_network(network: Network, cidr: str, given: str | None = None) -> None:
    """`given`: the part of the range that containers get addresses of, None for all of it."""
    labels = [f"--label={CLUSTER_LABEL}={network.cluster}", f"--label={OWNER_LABEL}={network.owner}"]
    hint = "see which networks there are: docker network ls"
    ranges = [f"--subnet={cidr}", *([f"--ip-range={given}"] if given else [])]
    run(["network", "create", "--driver=bridge", *ranges, *labels, network.name], hint)


def remove_network(network: Network) -> None:
    """Remove a network of ours with every container of ours on it. Does nothing when it is gone."""
    ours = [
        *containers_on(network.name, f"label={KIND_CLUSTER_LABEL}={network.cluster}"),
        *containers_on(network.name, f"label={OWNER_LABEL}={network.owner}"),
    ]
    if ours:
        run(["rm", "--force", "--volumes", *dict.fromkeys(c.id for c in ours)])
    if has_network(network.name):
        run(["network", "rm", network.name], "remove the containers that are still on it: docker network inspect")


def remove_named(name: str, network: Network) -> None:
    """Remove the container of this name if it is ours and on this network."""
    if any(c.name == name for c in containers_on(network.name, f"label={OWNER_LABEL}={network.owner}")):
        run(["rm", "--force", "--volumes", name])


def run_outside_host(name: str, image: str, network: Network, address: str | None = None) -> None:
    """Start the host beside the nodes, replacing one that is there already. `address`: None for any."""
    remove_named(name, network)
    labels = [f"--label={CLUSTER_LABEL}={network.cluster}", f"--label={OWNER_LABEL}={network.owner}"]
    flags = {"TCP": "http-port", "UDP": "udp-port"}
    serve = [f"--{flags[protocol]}={port}" for port, protocol in OUTSIDE_PORTS]
    container = ["--detach", f"--name={name}", f"--hostname={name}", f"--network={network.name}", *labels]
    container += [f"--ip={address}"] if address else []
    run(["run", *container, image, "netexec", *serve], f"check that the image {image} can be pulled")
