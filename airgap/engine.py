"""A private container engine: dockerd in a network namespace that has no uplink.

Nothing it starts can reach a network other than those it makes inside the namespace, and everything
that talks to its containers by address has to be in the namespace as well: `enter()`.

The namespace has no name and no mount, which others could cover, copy or hold: it is dockerd's, found by way of its
socket, and ends with it. Images persist in the cache (`<cache>/engine/data`), so that the next start is quick.
Everything else lives in `RUN` and in a mount namespace of its own, and ends with `stop()`.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from airgap import build, dockerapi, host, leftovers
from airgap.component import PACKAGE
from airgap.errors import AirgapError
from airgap.recipes import EXTRAS
from netspec import catalogue

RUN = Path("/run/netspec")
SOCKET = RUN / "docker.sock"
#: Locked by every process that uses the engine. Not in `RUN`, which goes with each engine.
USERS = Path("/run/netspec.lock")
#: How long dockerd may take to answer, in seconds, and how long to end.
START_SECONDS = 60
STOP_SECONDS = 20
#: Component whose `image.tar` is loaded -> image.
ENGINE_IMAGES = {"node-image": catalogue.IMAGES["node"], "outside-host": catalogue.IMAGES["agnhost"]}
#: Components whose recipe needs host.BUILD_PACKAGES.
_FROM_DEBIAN = {"base", "node-image"}
#: Where the registry (airgap/registry.py) answers: on this port of every gateway of a container network. The entrypoint
#: of the node image names it too.
REGISTRY_PORT = 5000
#: Directories with fixed names that dockerd and containerd use whatever their options say.
_HIDDEN = (Path("/run/docker"), Path("/run/containerd"))
_CLONE_NEWNET = 0x40000000
_OWN = Path("/proc/thread-self/ns/net")

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """A running engine: its API socket, and the file of its network namespace while it runs (`nsenter --net=FILE`)."""

    socket: Path
    netns: Path

    @property
    def docker_host(self) -> str:
        """The value of DOCKER_HOST for this engine."""
        return f"unix://{self.socket}"


_held: IO[str] | None = None


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _data() -> Path:
    """The data root; the running engine's own if there is one."""
    with_engine = RUN / "data"
    return with_engine.resolve() if with_engine.is_symlink() else build.cache_root() / "engine" / "data"


def kind_config() -> dict[str, object]:
    """What a kind config needs on this host besides the user's own settings; {} where nothing.

    Without CAP_SYS_RESOURCE kubelet cannot lower its own OOM score, which it tolerates only with
    the feature gate KubeletInUserNamespace. Users' clusters must not get it otherwise.
    """
    return {"featureGates": {"KubeletInUserNamespace": True}} if host.lacks_sys_resource() else {}


def status() -> EngineInfo | None:
    """The running engine, or None."""
    server = dockerapi.server(SOCKET)
    return EngineInfo(SOCKET, network_of(Path(f"/proc/{server}"))) if server else None


def network_of(process: Path) -> Path:
    """The network of the engine, by its folder in /proc: that of most of its threads. One that went into a container's
    may stay there for good, and it may be the first one, which is what the folder itself tells of."""
    found: list[tuple[Path, int]] = []
    for file in (process / "ns" / "net", *sorted(process.glob("task/*/ns/net"))):
        with contextlib.suppress(OSError):  # a thread has ended
            found.append((file, file.stat().st_ino))
    counted = Counter(inode for _, inode in found[1:])
    usual = max(counted, key=counted.__getitem__, default=0)
    return next((file for file, inode in found if inode == usual), process / "ns" / "net")


def extras(images: Collection[str]) -> list[str]:
    """The components that have these images, of those which the node image does not have."""
    return [name for name, references in EXTRAS.items() if not references.isdisjoint(images)]


def missing_packages(images: Collection[str] = ()) -> list[str]:
    """The Debian packages that building and starting the engine with these images installs on this host."""
    built = {entry.name for entry in build.missing([*ENGINE_IMAGES, *extras(images)])}
    return host.missing_packages(host.ENGINE_PACKAGES | (host.BUILD_PACKAGES if built & _FROM_DEBIAN else {}))


def start(progress: Progress = _say) -> EngineInfo:
    """Start the engine unless it runs. Raises `AirgapError`."""
    if running := status():
        return running
    host.require_root("The private container engine")
    host.install(host.ENGINE_PACKAGES, "The private container engine")
    with build.lock(build.cache_root() / "engine" / ".lock", progress, "the container engine is being started"):
        if running := status():
            return running
        _clear()
        return _start()


def hold() -> None:
    """Keep the engine from being stopped for as long as this process lives: before it has made its cluster, nothing
    else says that the engine is of use. Waits while the engine is being stopped."""
    global _held
    if _held is None:
        host.require_root("The private container engine")
        _held = USERS.open("w")
        fcntl.flock(_held, fcntl.LOCK_SH)


@contextlib.contextmanager
def _unused() -> Iterator[bool]:
    """Whether nobody holds the engine; nobody can while this lasts."""
    with USERS.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True


def _start() -> EngineInfo:
    data = build.cache_root() / "engine" / "data"
    log = data.parent / "dockerd.log"
    data.mkdir(parents=True, exist_ok=True)
    RUN.mkdir(mode=0o700, parents=True, exist_ok=True)
    (RUN / "data").symlink_to(data)
    (RUN / "daemon.json").write_text("{}")
    for name in ("images", "charts"):
        (RUN / name).mkdir(exist_ok=True)
    with log.open("w") as output:
        process = subprocess.Popen(
            _dockerd_command(data),
            env={**os.environ, "PATH": f"{_iptables()}:/usr/sbin:/usr/bin:/sbin:/bin"},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_SECONDS
    while (running := status()) is None:
        if process.poll() is not None or time.monotonic() > deadline:
            last = (log.read_text(errors="replace").strip().splitlines() or ["it printed nothing"])[-1]
            _clear()
            raise AirgapError(f"the private container engine did not start: {last}", f"its log is {log}")
        time.sleep(0.05)
    return running


def _iptables() -> Path:
    """A directory in which `iptables` is the nftables one, whatever the host's default: the node image uses that."""
    folder = RUN / "bin"
    folder.mkdir(exist_ok=True)
    for name in ("iptables", "ip6tables"):
        (folder / name).symlink_to(f"/usr/sbin/{name}-nft")
    return folder


def _dockerd_command(data: Path) -> list[str]:
    dockerd = [
        *(str(host.which("dockerd")), f"--host=unix://{SOCKET}", f"--data-root={data}", f"--exec-root={RUN}/exec"),
        *(f"--pidfile={RUN}/docker.pid", f"--config-file={RUN}/daemon.json", "--storage-driver=overlay2"),
        *("--oom-score-adjust=0", "--log-level=warn"),
    ]
    if host.lacks_sys_resource():
        front = RUN / "bin" / "runc-front"
        front.parent.mkdir(exist_ok=True)
        runc, script = shlex.quote(str(host.which("runc"))), shlex.quote(str(PACKAGE / "oci_front.py"))
        front.write_text(f'#!/bin/sh\nexec /usr/bin/python3 -ISE {script} {runc} "$@"\n')
        front.chmod(0o755)
        dockerd += [f"--add-runtime=front={front}", "--default-runtime=front"]
    # Namespaces of its own: network and mounts end with it. Its directories with fixed names are hidden from another
    # engine of this host, and the other way round.
    hide = " && ".join(f"mkdir -p {path} && mount -t tmpfs tmpfs {path}" for path in _HIDDEN)
    unshare = ["unshare", "--net", "--mount", "--propagation=slave"]
    # The registry is a child of what becomes dockerd, and ends with it.
    registry = f"/usr/bin/python3 -ISE {shlex.quote(str(PACKAGE / 'registry.py'))} {RUN}/images {REGISTRY_PORT}"
    begin = f"ip link set lo up && {hide} && {{ setpriv --pdeathsig KILL {registry} & }}"
    return [*unshare, "sh", "-c", f'{begin} && exec "$@"', "sh", *dockerd]


def enter() -> EngineInfo:
    """Move the calling thread into the engine's network namespace and set DOCKER_HOST.

    Threads and processes started afterwards are inside too, so call it early, from the main thread.
    Nothing outside the namespace (a package registry) can be reached any more. Raises `AirgapError`.
    """
    running = status()
    if running is None:
        raise AirgapError("the private container engine is not running", "start it with: python -m airgap engine up")
    if _OWN.stat().st_ino != running.netns.stat().st_ino:
        with running.netns.open("rb") as handle:
            _move(handle)
    os.environ["DOCKER_HOST"] = running.docker_host
    return running


@contextlib.contextmanager
def back_outside() -> Iterator[None]:
    """Afterwards the calling thread is where it was, in whatever network namespace the block has left it."""
    with _OWN.open("rb") as handle:
        try:
            yield
        finally:
            _move(handle)


def _move(netns: IO[bytes]) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(netns.fileno(), _CLONE_NEWNET) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise AirgapError(f"entering another network namespace failed: {reason}", "run the same command as root")


def build_images(images: Collection[str], progress: Progress = _say) -> None:
    """Build what is not built of what the engine itself runs, and of `images`, those that a plan names. Building needs
    the network, so do it before `enter()`. Raises `AirgapError`."""
    build.ensure([*ENGINE_IMAGES, *extras(images)], progress)


def ensure_images(images: Collection[str] = (), progress: Progress = _say) -> None:
    """Load what is not loaded of the images the engine itself runs, and offer `images` to nodes that pull them, and the
    charts of what runs them to helm.

    Takes milliseconds when they are there. Raises `AirgapError`.
    """
    build_images(images, progress)
    for name in extras(images):
        built = build.path_of(name)
        _link(RUN / "images" / f"{name}.tar", built / "images.tar")
        for chart in (built / "charts").glob("*"):
            _link(RUN / "charts" / chart.name, chart)
    paths = {name: build.path_of(name) for name in ENGINE_IMAGES}
    record = _data().parent / "loaded.json"
    loaded = json.loads(record.read_text()) if record.exists() else {}
    for name, reference in ENGINE_IMAGES.items():
        key = paths[name].name
        if loaded.get(name) == key and dockerapi.has_image(SOCKET, reference):
            continue
        started = time.monotonic()
        progress(f"loading {reference} into the container engine")
        docker("load", "--input", str(paths[name] / "image.tar"))
        docker("image", "prune", "--force")
        loaded[name] = key
        record.write_text(json.dumps(loaded))
        progress(f"loaded {reference} in {build.elapsed(time.monotonic() - started)}")


def _link(link: Path, to: Path) -> None:
    """Make or change a link in one step."""
    fresh = link.with_name(f"{link.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(to)
    fresh.rename(link)


def plugin_settings() -> dict[str, str]:
    """What the stand-in for a Pulumi plugin is told, by environment variable (airgap/standin)."""
    return {"NETSPEC_CHARTS": str(RUN / "charts")}


def docker(*arguments: str) -> str:
    """Run the docker client against this engine and return what it prints. Raises `AirgapError`."""
    command = [str(host.which("docker")), "--host", f"unix://{SOCKET}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AirgapError(
            f"`docker {' '.join(arguments)}` failed: {done.stderr.strip()}",
            "restart the engine: python -m airgap engine down, then up",
        )
    return done.stdout


def stop(progress: Progress = _say) -> None:
    """End the engine and everything in it, unless another process holds it. Does nothing when nothing is there; cleans
    up after a killed one too.

    Containers, their volumes, networks, processes, mounts and the namespace are gone afterwards;
    images stay in the cache. Raises `AirgapError`.
    """
    if not (RUN.exists() or _has_containers(_data())):
        return
    host.require_root("Stopping the private container engine")
    with _unused() as unused:
        if unused:
            _stop(progress)
        else:
            progress("the private container engine stays: another netspec command is using it")


def _stop(progress: Progress) -> None:
    with build.lock(build.cache_root() / "engine" / ".lock", progress, "the container engine is being started"):
        data = _data()
        if status() is None and _has_containers(data):
            # A killed engine: only dockerd itself can take its containers out of its data.
            _clear()
            try:
                _start()
            except AirgapError:
                shutil.rmtree(data, ignore_errors=True)
        if status() is not None:
            _purge()
        _clear()


def _has_containers(data: Path) -> bool:
    folder = data / "containers"
    return folder.is_dir() and any(folder.iterdir())


def _purge() -> None:
    if containers := docker("ps", "--all", "--quiet").split():
        docker("rm", "--force", "--volumes", *containers)
    docker("network", "prune", "--force")
    if volumes := docker("volume", "ls", "--quiet").split():
        docker("volume", "rm", "--force", *volumes)


def _clear() -> None:
    """Remove every trace but the data root."""
    ids = leftovers.container_ids(_data())
    # dockerd ends what it started; what is left then, or was left by a killed dockerd, gets no say.
    leftovers.kill(lambda: leftovers.processes(RUN, ("dockerd",)), signal.SIGTERM, STOP_SECONDS)
    leftovers.kill(lambda: leftovers.processes(RUN, leftovers.PROGRAMS, ids), signal.SIGKILL, STOP_SECONDS)
    leftovers.unmount([RUN, _data()])
    leftovers.remove_cgroups(ids)
    shutil.rmtree(RUN, ignore_errors=True)
    for folder in _HIDDEN:
        with contextlib.suppress(OSError):  # missing, or in use by others
            folder.rmdir()
