"""Routes by BGP on the running cluster, and a router outside; what breaks them is a table of its own (faults_bgp.py).

Not run where the running stack has no BGP (NETSPEC_LIVE_STACK=dev-bgp). The router is the nodes' own daemon, started in
the network of the host beside the cluster.
"""

import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from faulting import running_beside, undone
from faults_bgp import ROUTES, SESSIONS, UP
from live_cluster import STACK, Live

from netspec.backends.registry import REGISTRY
from netspec.compiler import CompileResult, compile_spec
from netspec.spec.load import loads
from netspec.verify.model import Answer, Run, Status, explain
from netspec.verify.sites import addresses_of, site_of

SPEC = Path(__file__).resolve().parents[2] / "stacks" / "boutique.yaml"
#: What the router announces: of a documentation range (RFC 5737).
ANNOUNCED, PEER_AS = "198.51.100.0/24", 65000

pytestmark = pytest.mark.usefixtures("of_bgp")


@pytest.fixture(scope="module")
def of_bgp(live: Live) -> None:
    if SESSIONS not in {probe.id for probe in live.probes}:
        pytest.skip("not run: the running stack has no BGP")


def seen(run: Run, id_: str) -> tuple[Status, str]:
    (found,) = (o for o in run.observations if o.probe.id == id_)
    return found.status, explain(found)


def green(live: Live) -> Run:
    """Sessions take a moment to come back."""
    limit = time.monotonic() + UP
    while (run := live.verify()).answer is not Answer.GREEN and time.monotonic() < limit:
        time.sleep(2)
    assert run.answer is Answer.GREEN, [explain(o) for o in run.unexpected]
    return run


def test_every_node_is_in_session_with_every_other(live: Live) -> None:
    run = green(live)
    assert seen(run, SESSIONS)[0] is Status.PASS
    assert seen(run, ROUTES)[0] is Status.PASS


# A router outside


@contextmanager
def router(live: Live, folder: Path) -> Iterator[Path]:
    """A BGP speaker in the outside host's network, with a session to every node; its control socket."""
    site = site_of(live.ir)
    nodes = live.kubectl("get", "nodes", "-o", "name").replace("node/", "").split()
    host = site.node(nodes[0])
    assert host is not None
    program = folder / "bird"
    name = f"{live.ir.cluster_name}-outside"
    copied = subprocess.run(
        ["docker", "exec", nodes[0], "sh", "-c", "cat /proc/$(pgrep -o -x bird)/root/usr/sbin/bird"],
        capture_output=True,
        check=True,
        timeout=30,
    )
    program.write_bytes(copied.stdout)
    program.chmod(0o755)
    own = addresses_of(name)[0]
    lines = [f"router id {own};", "protocol device {}", f"protocol static {{ route {ANNOUNCED} blackhole; }}"]
    for number, node in enumerate(nodes):
        lines.append(
            f"protocol bgp node{number} {{ local {own} as {PEER_AS}; neighbor {addresses_of(node)[0]} as 64512; "
            "connect retry time 5; connect delay time 2; error wait time 5,10; import all; export all; }"
        )
    (folder / "bird.conf").write_text("\n".join(lines) + "\n")
    control = folder / "bird.ctl"
    files = ("-c", str(folder / "bird.conf"), "-s", str(control), "-P", str(folder / "pid"))
    with running_beside(name, str(program), "-f", *files):
        yield control


def asked(control: Path, command: str) -> str:
    """What the router says; a line that begins with 0000 is its last."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(control))
        connection.sendall(f"{command}\n".encode())
        said = b""
        while b"\n0000" not in said and (more := connection.recv(65536)):
            said += more
    return said.decode()


def with_router(live: Live) -> CompileResult:
    """The stack with a peer outside: as its spec would say it."""
    spec = yaml.safe_load(SPEC.read_text())
    if STACK not in spec["stacks"]:
        pytest.skip(f"not run: the running stack is none of {SPEC.name}")
    peer = {"name": "outside", "address": addresses_of(f"{live.ir.cluster_name}-outside")[0], "asNumber": PEER_AS}
    spec["stacks"][STACK]["cni"]["bgp"] = {"peers": [peer]}
    return compile_spec(loads(yaml.safe_dump(spec), "boutique.yaml"), STACK, REGISTRY)


def test_a_router_outside_learns_and_announces_routes(live: Live, tmp_path: Path) -> None:
    result = with_router(live)
    assert result.plan is not None and result.ir is not None
    (peer,) = (m for m in result.plan.manifests() if m["kind"] == "BGPPeer")
    peered = replace(live, ir=result.ir, probes=result.probes)
    name = ("bgppeers.crd.projectcalico.org", peer["metadata"]["name"])

    def removed() -> None:
        live.kubectl("delete", *name, "--ignore-not-found")
        green(live)

    with undone(removed), router(live, tmp_path) as control:
        live.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump(peer))
        run = green(peered)
        assert seen(run, SESSIONS)[0] is Status.PASS
        learnt = asked(control, "show route")
        assert len(set(re.findall(r"\b10\.244\.[0-9.]+/26\b", learnt))) >= 2, learnt
        nodes = live.kubectl("get", "nodes", "-o", "name").replace("node/", "").split()
        for node in nodes:
            live.on_node(node, f"ip -4 route show proto bird | grep -q '^{ANNOUNCED} via '")
        # And when it goes, each node says so.
        subprocess.run(["pkill", "-TERM", "-F", str(tmp_path / "pid")], check=True)
        limit = time.monotonic() + UP
        while (found := seen(peered.verify(), SESSIONS))[0] is Status.PASS and time.monotonic() < limit:
            time.sleep(2)
        # As confd's template calls a peering of nodes that a selector names.
        named = f"Node_{peer['spec']['peerIP'].replace('.', '_')}"
        assert found[0] is Status.WRONG and named in found[1]
