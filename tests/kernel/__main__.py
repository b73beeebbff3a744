"""The command line: `python -m tests.kernel`."""

import ipaddress
import json
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from airgap import build, host
from airgap.component import PACKAGE, check_disk
from airgap.errors import AirgapError
from netspec import catalogue
from netspec.backends.registry import REGISTRY
from netspec.compiler import compile_spec
from netspec.probes import FlowProbe, Outcome
from netspec.spec.load import load
from tests.kernel.guest import Guest, make_disk

_SCRIPTS = PACKAGE / "src" / "kernel"
_ROOT = PACKAGE.parent
#: Seconds.
_PATHS, _CLUSTER, _APPLY, _END = 120, 540, 300, 120
#: Lines of what `netspec up` said, and of its log, that are shown where it failed: they are gone afterwards.
_LAST = 12
#: How often each flow is asked.
_TIMES = 6


@dataclass(frozen=True, slots=True)
class Proof:
    """What was to be seen, whether it was, and what was seen instead or besides."""

    name: str
    proven: bool
    seen: str


def main() -> int:
    """Prints a line for each proof; 1 where one failed."""
    started = time.monotonic()
    try:
        host.require_root("A second kernel")
        build.ensure(["second-kernel", "node-image"])
        check_disk({build.cache_root(): 8})
        with TemporaryDirectory(prefix="kernel-", dir=build.cache_root()) as folder:
            proofs = [*_attempt(paths, Path(folder)), *_attempt(cluster, Path(folder))]
    except AirgapError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    width = max(len(proof.name) for proof in proofs)
    for proof in proofs:
        print(f"{proof.name:<{width}}  {'proven' if proof.proven else 'FAILED'}  {proof.seen}")
    print(f"on {version(build.path_of('second-kernel'))}, in {time.monotonic() - started:.0f} s")
    return 0 if all(proof.proven for proof in proofs) else 1


def version(component: Path) -> str:
    """The second kernel's name, as it says it itself."""
    done = subprocess.run([component / "linux.uml", "--version"], capture_output=True, text=True, check=True)
    return f"user-mode Linux {done.stdout.strip()}"


def _attempt(prove: Callable[[Path], list[Proof]], folder: Path) -> list[Proof]:
    print(f"{prove.__name__} ...", file=sys.stderr, flush=True)
    try:
        return prove(folder)
    except AirgapError as error:
        return [Proof(prove.__name__, False, str(error))]


def _share(folder: Path, name: str) -> Path:
    share = folder / name
    share.mkdir()
    shutil.copy2(_SCRIPTS / f"{name}.sh", share)
    return share


def paths(folder: Path) -> list[Proof]:
    """Two kernels and a link between them: what a tunnel of a CNI is made of."""
    kernel = build.path_of("second-kernel")
    share, switch = _share(folder, "paths"), folder / "switch"
    guests = []
    for role in "ab":
        disk = folder / f"paths-{role}.img"
        make_disk([kernel / "root.tar"], disk)
        guests.append(Guest(kernel, disk, share, "paths.sh", role, mebibytes=512, init="/usr/local/sbin/proof"))
    with subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", str(kernel / "uml_switch"), "-unix", str(switch)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            link = [f"eth0=daemon,,unix,{switch}"]
            with guests[1].running(link), guests[0].running(link):
                guests[0].await_end(_PATHS)
        finally:
            process.terminate()
    return results(share / "results")


def results(file: Path) -> list[Proof]:
    """What a script of a guest wrote: name, `ok` or `failed`, what was seen, between tabs."""
    rows = [line.split("\t", 2) for line in file.read_text().splitlines()]
    return [Proof(name, verdict == "ok", seen) for name, verdict, seen in rows]


@contextmanager
def _network(address: str) -> Iterator[int]:
    """A process in a network namespace without an uplink, with one end of a link, `proof`, that has this address; and
    without a /run, so that a container engine of this machine is not taken for the cluster's."""
    link = f"ip tuntap add proof mode tap && ip addr add {address} dev proof && ip link set proof up"
    made = f"ip link set lo up && {link} && mount -t tmpfs tmpfs /run && echo made && exec sleep 3600"
    holder = ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--mount", "sh", "-c", made]
    with subprocess.Popen(holder, stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout is None or process.stdout.readline() != "made\n":
                raise AirgapError("no network namespace could be made with a tap in it", "see the lines above")
            yield process.pid
        finally:
            process.kill()


def cluster(folder: Path) -> list[Proof]:
    """A cluster with kube-proxy in mode ipvs, which netspec finds there: applied and verified as any user's."""
    kernel = build.path_of("second-kernel")
    share, disk = _share(folder, "cluster"), folder / "cluster.img"
    node = folder / "node.tar"
    _top_layer(build.path_of("node-image") / "image.tar", node)
    make_disk([kernel / "root.tar", node], disk)
    guest = Guest(kernel, disk, share, "cluster.sh", mebibytes=5120, init="/sbin/init")
    with _network("192.0.2.1/30") as holder, guest.running(["eth0=tuntap,proof"], f"/proc/{holder}/ns/net"):
        guest.await_((share / "kubeconfig").exists, _CLUSTER, "the cluster does not come up")
        kubectl = _netspec(folder, holder)
        proofs = list(_asked(kubectl))
        why = _cached(kubectl)
        (share / "done").touch()
        guest.await_end(_END)
    services, packets = carried((share / "ip_vs").read_text()), untracked((share / "raw").read_text())
    cache = why or f"a name found by a pod that asks 169.254.20.10 alone, {packets} packets not tracked"
    return [
        *proofs,
        Proof("kube-proxy's mode ipvs", bool(services), "; ".join(services) or "IPVS carries no Service"),
        Proof("NodeLocal's address and path (CoreDNS in its place)", not why and packets > 0, cache),
        Proof("cgroup v2", True, f"the kubelet runs with {(share / 'cgroup').read_text().strip()}"),
    ]


def _top_layer(archive: Path, target: Path) -> None:
    """The last layer of a docker archive's image: what the node has above its base system."""
    with tarfile.open(archive) as tar:
        manifest = tar.extractfile("manifest.json")
        assert manifest is not None
        name = json.load(manifest)[0]["Layers"][-1]
        layer = tar.extractfile(name)
        assert layer is not None
        with target.open("wb") as out:
            shutil.copyfileobj(layer, out)


def _netspec(folder: Path, holder: int) -> Callable[..., str]:
    """`up` in a project of its own, without the verification: a bridge enforces nothing, so that the canary would say
    that nothing is proven. Returns how to ask the cluster by kubectl."""
    project = folder / "project"
    shutil.copytree(_SCRIPTS / "project", project)
    for name in ("Pulumi.yaml", "__main__.py"):
        shutil.copy2(_ROOT / name, project)
    shutil.copy2(folder / "cluster" / "kubeconfig", project)
    program = str(Path(sys.executable).with_name("netspec"))
    inside = ["nsenter", f"--target={holder}", "--net", "--mount", f"--wd={project}", program]

    def run(*words: str, stdin: str = "", limit: float = 60) -> str:
        command = [*inside, *words]
        try:
            done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=limit, check=False)
        except subprocess.TimeoutExpired:
            return f"did not end in {limit:.0f} s"
        return "" if done.returncode == 0 else (done.stderr or done.stdout).strip() or "failed"

    if said := run("up", "stacks/proof.yaml", "--stack", "proof", "--no-verify", limit=_APPLY):
        logs = sorted((project / ".netspec" / "logs").glob("*.log"))
        told = logs[-1].read_text().splitlines()[-_LAST:] if logs else []
        raise AirgapError(
            "\n  ".join(("netspec up:", *said.splitlines()[-_LAST:])), "\n  ".join(("its log ends:", *told))
        )
    return lambda *words, **more: run("exec", "--stack", "proof", "--", "kubectl", *words, **more)


def _asked(kubectl: Callable[..., str]) -> Iterator[Proof]:
    """Each flow that the spec predicts from its client to its Service, some times, as packets."""
    result = compile_spec(load(_SCRIPTS / "project" / "stacks" / "proof.yaml"), "proof", REGISTRY)
    for probe in result.probes:
        if isinstance(probe, FlowProbe) and (probe.source, probe.via) == ("proof/client", "cluster-ip"):
            if probe.destination != "proof/web" or probe.expect is not Outcome.CONNECTED:
                continue
            said = [_connect(kubectl, "deployment/client", probe.port, probe.protocol) for _ in range(_TIMES)]
            good = said.count("")
            seen = f"{good} of {_TIMES} connected" + "".join(f"; {why}" for why in dict.fromkeys(said) if why)
            yield Proof(f"{probe.protocol} through a Service", good == _TIMES, seen)


def _connect(kubectl: Callable[..., str], source: str, port: int, protocol: str) -> str:
    asks = ["/agnhost", "connect", f"web.proof.svc.cluster.local:{port}", "--timeout=5s"]
    return kubectl("-n", "proof", "exec", source, "--", *asks, f"--protocol={protocol.lower()}")


def _cached(kubectl: Callable[..., str]) -> str:
    """Why a pod whose only DNS server is NodeLocal's address finds no Service by its name; "" where it does."""
    text = (_SCRIPTS / "cache.yaml").read_text()
    for name in ("coredns", "agnhost"):
        text = text.replace(f"@{name.upper()}@", catalogue.IMAGES[name])
    ready = ["--for=condition=Ready", "pod", "--timeout=90s"]
    return (
        kubectl("apply", "-f", "-", stdin=text)
        or kubectl("-n", "kube-system", "wait", *ready, "cache", limit=100)
        or kubectl("-n", "proof", "wait", *ready, "cached", limit=100)
        or _connect(kubectl, "cached", 80, "TCP")
    )


def untracked(rules: str) -> int:
    """How many packets went past connection tracking, by `iptables -S -v`."""
    return sum(
        int(line.split("-c ")[1].split()[0]) for line in rules.splitlines() if "NOTRACK" in line or "--notrack" in line
    )


def carried(table: str) -> list[str]:
    """The virtual Services of /proc/net/ip_vs, with their endpoints: `SCTP 10.96.0.7:90 rr, 2 endpoints`."""
    found: list[list[str]] = []
    for line in table.splitlines():
        match line.split():
            case ["TCP" | "UDP" | "SCTP" as protocol, where, scheduler, *_]:
                found.append([f"{protocol} {_place(where)} {scheduler}"])
            case ["->", where, *_] if found and ":" in where and not where.startswith("Remote"):
                found[-1].append(where)
    return [f"{service}, {len(endpoints)} endpoints" for service, *endpoints in found]


def _place(where: str) -> str:
    address, port = where.split(":")
    return f"{ipaddress.ip_address(int(address, 16))}:{int(port, 16)}"


if __name__ == "__main__":
    sys.exit(main())
