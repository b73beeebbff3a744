"""The script a pod runs, run here by the local shell, against loopback and a program with agnhost's manners."""

import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from verify_support import fake_agnhost

from netspec.diagnostics import Problem
from netspec.probes import Outcome
from netspec.verify.script import Question, Reply, outcome, replies, script

#: Connects for real, with agnhost's arguments, words and exit codes (TCP alone).
DIALLER = """\
#!/usr/bin/env python3
import socket, sys
host, port = sys.argv[2].rsplit(":", 1)
try:
    socket.create_connection((host, int(port)), 1).close()
except TimeoutError:
    sys.exit("TIMEOUT")
except ConnectionRefusedError:
    sys.exit("REFUSED")
except OSError as error:
    sys.exit(f"OTHER: {error}")
"""


def ask(agnhost: Path, questions: list[Question], controls: tuple[Question, ...] = ()) -> dict[int, list[Reply]]:
    text = script(controls, questions, agnhost=str(agnhost))
    done = subprocess.run(["sh", "-c", text], capture_output=True, text=True, timeout=60, check=False)
    return replies(done.stdout)


@pytest.fixture
def listener() -> Iterator[int]:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


@pytest.fixture
def closed_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def full_port() -> Iterator[int]:
    """A listener whose queue is full: the kernel drops what comes, as a policy would."""
    with closing(socket.socket()) as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        fillers = []
        for _ in range(3):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(server.getsockname())
            fillers.append(filler)
        yield server.getsockname()[1]
        for filler in fillers:
            filler.close()


def test_real_connections_become_outcomes(tmp_path: Path, listener: int, closed_port: int, full_port: int) -> None:
    dialler = tmp_path / "agnhost"
    dialler.write_text(DIALLER)
    dialler.chmod(0o755)
    seen = ask(
        dialler, [Question(i, "flow", f"127.0.0.1:{p}") for i, p in enumerate((listener, closed_port, full_port))]
    )
    assert {n: outcome(rows[0]) for n, rows in seen.items()} == {
        0: Outcome.CONNECTED,
        1: Outcome.REFUSED,
        2: Outcome.TIMED_OUT,
    }
    assert seen[2][0].end - seen[2][0].start >= 0.9


def test_every_question_is_answered_once_and_controls_twice(tmp_path: Path) -> None:
    agnhost = fake_agnhost(tmp_path / "agnhost", {"10.0.0.1:80": ""})
    controls = (Question(0, "flow", "10.0.0.1:80"), Question(1, "flow", "10.0.0.2:80"))
    seen = ask(agnhost, [Question(n, "flow", "10.0.0.1:80") for n in range(2, 60)], controls)
    assert {n: len(rows) for n, rows in seen.items()} == {0: 2, 1: 2} | dict.fromkeys(range(2, 60), 1)
    first, last = seen[0]
    assert all(first.end <= rows[0].start and rows[0].end <= last.start for n, rows in seen.items() if n > 1)


def test_udp_and_what_agnhost_says_reach_the_reader(tmp_path: Path) -> None:
    agnhost = fake_agnhost(tmp_path / "agnhost", {"10.0.0.1:81/udp": "", "10.0.0.1:81": "TIMEOUT"})
    seen = ask(agnhost, [Question(0, "flow", "10.0.0.1:81", "UDP"), Question(1, "flow", "10.0.0.1:81", "TCP")])
    assert (outcome(seen[0][0]), outcome(seen[1][0])) == (Outcome.CONNECTED, Outcome.TIMED_OUT)


def test_a_file_comes_back_as_one_line(tmp_path: Path) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text("nameserver 10.96.0.10\nsearch a.svc\nb\n")
    seen = ask(tmp_path / "agnhost", [Question(0, "file", str(file)), Question(1, "file", str(tmp_path / "none"))])
    assert seen[0][0].output == "nameserver 10.96.0.10|search a.svc|b|"
    assert seen[1][0].status != 0


@pytest.mark.skipif(not shutil.which("busybox"), reason="busybox is not on PATH")
def test_the_servers_view_of_the_client_comes_back(tmp_path: Path) -> None:
    def serve(server: socket.socket) -> None:
        connection, peer = server.accept()
        with connection:
            connection.recv(4096)
            body = f"{peer[0]}:{peer[1]}"
            connection.sendall(f"HTTP/1.0 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())

    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/clientip"
        seen = ask(tmp_path / "agnhost", [Question(0, "client-address", url)])
        thread.join(10)
    assert seen[0][0].output.startswith("127.0.0.1:")


def test_a_missing_program_tells_nothing(tmp_path: Path) -> None:
    seen = ask(tmp_path / "none", [Question(0, "flow", "127.0.0.1:1")])
    assert outcome(seen[0][0]) is Outcome.CHECK_FAILED


@pytest.mark.parametrize(
    ("kind", "status", "output", "expected"),
    [
        ("flow", 0, "", Outcome.CONNECTED),
        ("flow", 1, "TIMEOUT", Outcome.TIMED_OUT),
        ("flow", 1, "TIMEOUT: read udp 10.0.0.1:3->10.0.0.2:4: i/o timeout", Outcome.TIMED_OUT),
        ("flow", 1, "REFUSED: read udp: connection refused", Outcome.REFUSED),
        ("flow", 1, "DNS: lookup web: no such host", Outcome.UNRESOLVED),
        ("flow", 1, "OTHER: dial tcp 10.0.0.1:80: connect: no route to host", Outcome.CHECK_FAILED),
        ("flow", 1, "UNKNOWN: bad port", Outcome.CHECK_FAILED),
        ("flow", 143, "", Outcome.CHECK_FAILED),
        ("name-flow", 143, "", Outcome.UNRESOLVED),
    ],
)
def test_only_a_time_out_counts_as_denied(kind: str, status: int, output: str, expected: Outcome) -> None:
    assert outcome(Reply(0, kind, 0.0, 0.0, status, output)) is expected


def test_lines_that_are_no_answers_are_left_out() -> None:
    text = "Defaulted container\nflow\t1\t10.0\t10.5\t0\t\nflow\tx\t1\t1\t0\t\nflow\t2\t1\n"
    assert replies(text) == {1: [Reply(1, "flow", 10.0, 10.5, 0, "")]}


@pytest.mark.parametrize("target", ["10.0.0.1:80; rm -rf /", "$(id):80", "a b", ""])
def test_a_target_cannot_carry_a_command(target: str) -> None:
    with pytest.raises(Problem):
        script((), [Question(0, "flow", target)])


def test_questions_go_round_the_lanes() -> None:
    text = script((), [Question(n, "flow", "10.0.0.1:80") for n in range(5)], lanes=2)
    lanes = [line for line in text.splitlines() if line.startswith("{ f")]
    assert [line.count("f ") for line in lanes] == [3, 2]
