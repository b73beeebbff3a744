"""A kind cluster on a network of its own: made, examined and removed so that every half-way state converges."""

import contextlib
import copy
import fcntl
import json
import os
import re
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from netspec import toolchain
from netspec.deploy import containers
from netspec.deploy.containers import Container, EngineDown, Network
from netspec.diagnostics import Problem
from netspec.toolchain import programs, project

#: Seconds. kubeadm has limits of its own well below.
CREATE_TIMEOUT = 1200

#: What kind says that is not news: about the network, which we chose, and about how to go on by hand.
_NOISE = re.compile(
    "docker network due to|Here be dragons|You can now use|kubectl cluster-info|Set kubectl context|Have a |Not sure"
)

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Cluster:
    """What is to be there; the fields are the plan node's properties, `owner` is the network's label. `network_range`:
    the part of the network that the engine gives out addresses of, None for all of it. `kernel`: option of the kernel
    -> what wants it. `outside_address`: None for one that the engine chooses."""

    name: str
    image: str
    config: Mapping[str, Any]
    network: Network
    network_cidr: str
    network_range: str | None
    outside_name: str
    outside_image: str
    kernel: Mapping[str, str] = field(default_factory=dict)
    outside_address: str | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """`identity` is the control-plane container's id: another cluster of the same name has another one."""

    identity: str
    kubeconfig: str


def create(cluster: Cluster, say: Say) -> Made:
    """Make the cluster, after removing whatever this owner had: half of one, an older one, one of another name.

    Raises `Problem`. Nothing is removed before it is known that nobody else has the cluster's name or addresses, that
    its images are available, and that the kernel has what the cluster needs.
    """
    with _locked(cluster.name, say) as lock:
        ours = containers.networks_of(cluster.network.owner)
        _refuse_foreign(cluster, ours)
        for image in (cluster.image, cluster.outside_image):
            containers.need_image(image, say)
        if cluster.kernel:
            containers.need_kernel(cluster.kernel, cluster.outside_image)
        remove_all_of(cluster.network.owner, say)
        containers.make_network(cluster.network, cluster.network_cidr, cluster.network_range)
        _kind_create(cluster, say, lock)
        run_outside_host(cluster)
        identity = _identity(cluster.name)
        if identity is None:
            raise Problem(
                f"kind made no control-plane node for {cluster.name}", "run it again; the log has all it said"
            )
        return Made(identity, programs.kind_kubeconfig(cluster.name))


def run_outside_host(cluster: Cluster) -> None:
    """Start the host beside the nodes, in place of one that is there."""
    name, image = cluster.outside_name, cluster.outside_image
    containers.run_outside_host(name, image, cluster.network, cluster.outside_address)


def remove(cluster: str, network: Network, identity: str, say: Say) -> None:
    """Remove the cluster of that identity. Does nothing when it is gone, or another one has taken its place."""
    with _locked(cluster, say):
        try:
            there = _identity(cluster)
            known = network in containers.networks(f"name={network.name}")
        except EngineDown:
            if _is_private():
                return  # what the private engine ran ends with it
            raise
        # Without a control-plane node nothing says whose the rest is but the network's labels.
        if known and there in (None, identity):
            containers.remove_network(network)


def remove_all_of(owner: str, say: Say) -> None:
    """Remove whatever this owner has, recorded in a state or not: a run killed while kind worked recorded nothing."""
    for network in left_of(owner):
        say(f"removing what an earlier run left of the cluster {network.cluster}")
        containers.remove_network(network)


def left_of(owner: str) -> list[Network]:
    """The networks of whatever this owner has; none when the private engine is down, for what it ran ended with it."""
    if os.environ.get("NETSPEC_ENGINE") == "none":
        return []
    try:
        return containers.networks_of(owner)
    except EngineDown:
        if _is_private():
            return []
        raise


def broken(cluster: str, size: int, identity: str) -> str | None:
    """What is wrong with the nodes, in words, or None: all there, running, and of that identity."""
    found = containers.nodes(cluster)
    if _identity_in(found, cluster) not in (None, identity):
        return "another cluster has taken its name"
    stopped = [f"{node.name} is {node.state}" for node in found if node.state != "running"]
    if stopped:
        return ", ".join(stopped)
    return None if len(found) == size else f"{len(found)} of {size} nodes exist"


def gone(cluster: str, network: Network, identity: str) -> bool:
    """Whether nothing is left that would have to be removed: neither its control plane nor its network."""
    try:
        return _identity(cluster) != identity and network not in containers.networks(f"name={network.name}")
    except EngineDown:
        if _is_private():
            return True
        raise


def _is_private() -> bool:
    return os.environ.get("NETSPEC_ENGINE") == "private"


def _refuse_foreign(cluster: Cluster, ours: list[Network]) -> None:
    """Raise `Problem` when something that is not on a network of `ours` has what the cluster needs for itself."""
    own = {node.id for network in ours for node in containers.nodes(cluster.name, network.name)}
    if {node.id for node in containers.nodes(cluster.name)} - own:
        raise Problem(
            f"there is a kind cluster {cluster.name} that this stack did not make",
            f"remove it (kind delete cluster --name {cluster.name}), or give the stack's cluster another name",
        )
    wanted = ip_network(cluster.network_cidr)
    for name, subnets in containers.subnets().items():
        if name in {network.name for network in ours}:
            continue
        if name == cluster.network.name:
            raise Problem(
                f"there is a container network {name} that this stack did not make",
                f"remove it (docker network rm {name}), or give the stack's cluster another name",
            )
        if any(subnet.overlaps(wanted) for subnet in subnets):
            raise Problem(
                f"the address range {wanted} of the cluster's container network is taken by the network {name}",
                "set another one in the spec (stacks.<stack>.cluster.networkCIDR), or remove that network: "
                f"docker network rm {name}",
            )


def _identity(cluster: str) -> str | None:
    return _identity_in(containers.nodes(cluster), cluster)


def _identity_in(nodes: list[Container], cluster: str) -> str | None:
    return next((node.id[:12] for node in nodes if node.name == f"{cluster}-control-plane"), None)


def merged(config: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """`config` with what this machine needs added, mapping by mapping; neither is changed.

    >>> merged({"featureGates": {"A": True}}, {"featureGates": {"B": True}})
    {'featureGates': {'A': True, 'B': True}}
    """
    out: dict[str, Any] = copy.deepcopy(dict(config))
    for key, value in overrides.items():
        both = isinstance(value, Mapping) and isinstance(out.get(key), Mapping)
        out[key] = merged(out[key], value) if both else value
    return out


def _kind_create(cluster: Cluster, say: Say, lock: int) -> None:
    config = json.dumps(merged(cluster.config, toolchain.kind_overrides()))
    with tempfile.TemporaryDirectory() as scratch:
        command = ["kind", "create", "cluster", "--name", cluster.name, "--image", cluster.image]
        # Not the user's own kubeconfig, and no waiting: nothing is ready before there is a CNI.
        command += ["--kubeconfig", str(Path(scratch) / "kubeconfig"), "--wait", "0s", "--config", "-"]
        try:
            process = subprocess.Popen(
                command,
                env={**os.environ, "KIND_EXPERIMENTAL_DOCKER_NETWORK": cluster.network.name},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                pass_fds=(lock,),  # a kind that outlives us keeps the cluster locked
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise programs.need("kind") from error
        assert process.stdin and process.stdout
        limit = threading.Timer(CREATE_TIMEOUT, os.killpg, (process.pid, signal.SIGKILL))
        limit.daemon = True
        limit.start()
        try:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(config)
                process.stdin.close()
            said = []
            for line in process.stdout:
                said.append(line.rstrip())
                if (text := plain(line)) and not _NOISE.search(text):
                    say(f"kind: {text}")
            if process.wait():
                raise explained(cluster, said)
        finally:
            limit.cancel()


def plain(line: str) -> str:
    """A line of kind's output without its decoration; "" for one that says nothing new.

    >>> plain(" • Preparing nodes 📦 📦   ...")
    'Preparing nodes'
    """
    text = re.sub(r"[^\x20-\x7e]+", "", line).strip()
    done = line.lstrip().startswith("✓")
    return "" if done else re.sub(r"\s*\.\.\.$", "", text).strip()


def explained(cluster: Cluster, said: list[str]) -> Problem:
    """One sentence for why kind failed."""
    text = "\n".join(said)
    if re.search(r"port is already allocated|address already in use", text):
        port = re.search(r"Bind for (\S+) failed|listen tcp\d? (\S+): bind", text)
        where = next((g for g in port.groups() if g), "") if port else ""
        return Problem(
            f"a port that the cluster needs is taken{f': {where}' if where else ''}", "free it, then run again"
        )
    if "no space left on device" in text:
        return Problem(
            "the disk of the container engine is full", "free some space: docker system df says what takes it"
        )
    if re.search(r"failed to pull image|pull access denied|manifest unknown", text):
        return Problem(
            f"the node image {cluster.image} cannot be pulled", "check its name and the connection to its registry"
        )
    errors = [line for line in said if line.startswith("ERROR")] or [line for line in said if line.strip()]
    last = errors[-1].removeprefix("ERROR:").strip() if errors else "it printed nothing"
    return Problem(f"kind could not create the cluster {cluster.name}: {last}", "the log has all that kind printed")


@contextlib.contextmanager
def _locked(cluster: str, say: Say) -> Iterator[int]:
    """One process at a time changes a cluster; yields the lock's file descriptor."""
    handle = os.open(project.private_dir() / f"{cluster}.cluster.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say(f"waiting for another process that works on the cluster {cluster}")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)
