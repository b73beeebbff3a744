"""The private engine's namespaces beside neighbours: real namespaces and mounts; dockerd alone is a stand-in.

Each case runs in a mount namespace with a /run of its own, so that nothing of it stays on the machine.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from airgap import engine

ROOT = Path(__file__).resolve().parents[2]

#: Answers at the socket that it is given, and has a child that outlives it, as dockerd does.
DOCKERD = """\
import http.server, socketserver, subprocess, sys
path = next(word for word in sys.argv if word.startswith("--host=unix://")).removeprefix("--host=unix://")
shim = sys.executable.replace("dockerd", "containerd-shim")
subprocess.Popen([shim, "-c", "import time; time.sleep(100)", path])
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass
    def address_string(self):
        return "socket"
socketserver.ThreadingUnixStreamServer(path, Handler).serve_forever()
"""

#: Starts an engine, lets the neighbour do its work, enters the namespace, stops; prints what it saw.
CASE = """\
import json, os, signal, subprocess, sys, time
from pathlib import Path

scratch, neighbour, end = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
from airgap import engine, host, leftovers

engine.RUN, engine.USERS = Path("/run/netspec-case"), Path("/run/netspec-case.lock")
engine.SOCKET, engine._HIDDEN = engine.RUN / "docker.sock", (Path("/run/hidden"),)
engine._purge = lambda: None
leftovers.remove_cgroups = lambda _: None
host.install = lambda *_: None
which = host.which
host.which = lambda program: scratch / "dockerd" if program == "dockerd" else which(program)


def of_thread():
    return os.stat("/proc/thread-self/ns/net").st_ino


def namespaces():
    "Those of processes, and those that are mounted somewhere."
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            found.add((entry / "ns" / "net").stat().st_ino)
            found |= {int(w[5:-1]) for w in (entry / "mountinfo").read_text().split() if w.startswith("net:[")}
        except (OSError, ValueError):
            pass
    return found


def until(happened):
    deadline = time.monotonic() + 10
    while not happened() and time.monotonic() < deadline:
        time.sleep(0.02)
    return happened()


own = of_thread()
info = engine.start(lambda _: None)
namespace = info.netns.stat().st_ino
saw = {"apart": namespace != own, "started once": engine.start(lambda _: None) == info}
others = ["sh", "-ec", f"{neighbour}\\necho done; exec sleep 100"]
held = subprocess.Popen(others, stdout=subprocess.PIPE, text=True, start_new_session=True)
saw["neighbour"] = held.stdout.readline().strip()
if os.fork() == 0:
    with engine.back_outside():
        engine.enter()
        inside = of_thread() == namespace and os.environ["DOCKER_HOST"] == info.docker_host
    os._exit(0 if inside and of_thread() == own else 1)
saw["entered"] = os.wait()[1] == 0
if end == "killed":
    os.kill(int(info.netns.parts[2]), signal.SIGKILL)
    until(lambda: engine.status() is None)
engine.stop(lambda _: None)
saw["gone"] = until(lambda: namespace not in namespaces()) and not engine.RUN.exists() and engine.status() is None
saw["named"] = subprocess.check_output(["ip", "netns", "list"], text=True).split()
saw["theirs"] = (scratch / "theirs" / "file").exists()
os.killpg(held.pid, signal.SIGKILL)
print(json.dumps(saw))
"""

#: What somebody else does between `up` and `down`.
NEIGHBOURS = {
    "none": "",
    "ip netns add": "ip netns add other",
    "the run folder bound over itself": "mount --bind {run} {run}; mount --make-shared {run}",
    "all of /run bound over itself": "mount --rbind /run /run; mount --make-rshared /run",
    "mounts stacked": "for i in 1 2 3; do mount -t tmpfs tmpfs {run}/bin; done",
    "a folder of theirs inside": "mkdir {run}/x; mount --bind {scratch}/theirs {run}/x",
    "a mount held elsewhere": "mount --bind {run}/bin {run}/bin; unshare --mount sleep 100 & sleep 0.3",
}


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="namespaces and mounts need root and Linux")
@pytest.mark.parametrize("end", ["stopped", "killed"])
@pytest.mark.parametrize("neighbour", NEIGHBOURS)
def test_no_neighbour_keeps_the_engine_from_going(tmp_path: Path, neighbour: str, end: str) -> None:
    (tmp_path / "bin").mkdir()
    for name in ("dockerd", "containerd-shim"):  # the names by which processes are known
        (tmp_path / "bin" / name).symlink_to(Path(sys.executable).resolve())
    (tmp_path / "dockerd.py").write_text(DOCKERD)
    start = tmp_path / "dockerd"
    start.write_text(f'#!/bin/sh\nexec {tmp_path}/bin/dockerd {tmp_path}/dockerd.py "$@"\n')
    start.chmod(0o755)
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "file").touch()
    script = NEIGHBOURS[neighbour].format(scratch=tmp_path, run="/run/netspec-case")
    command = ["unshare", "--mount", "--propagation=private", sys.executable, "-c", CASE, str(tmp_path), script, end]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "NETSPEC_CACHE": str(tmp_path / "cache"), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    saw: dict[str, Any] = json.loads(done.stdout)
    assert saw == {
        "apart": True,
        "started once": True,
        "neighbour": "done",
        "entered": True,
        "gone": True,
        "named": ["other"] if neighbour == "ip netns add" else [],
        "theirs": True,
    }


def test_the_engine_s_network_is_that_of_most_of_its_threads(tmp_path: Path) -> None:
    """A thread that went into a container's network stayed there, and it is the first one."""

    def thread(folder: Path, network: str) -> None:
        (folder / "ns").mkdir(parents=True)
        os.link(tmp_path / network, folder / "ns" / "net")

    for network in ("own", "container"):
        (tmp_path / network).touch()
    lost, usual = tmp_path / "lost", tmp_path / "usual"
    for process, first in ((lost, "container"), (usual, "own")):
        thread(process, first)
        for number, network in enumerate((first, "own", "own", "own", "container")):
            thread(process / "task" / str(number), network)
    assert engine.network_of(lost).samefile(tmp_path / "own")
    assert engine.network_of(usual) == usual / "ns" / "net"
    assert engine.network_of(tmp_path / "nobody") == tmp_path / "nobody" / "ns" / "net"
