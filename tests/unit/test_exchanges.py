"""What takes more than a request and its answer: what is asked, the program that plays a workload which must speak it,
and what a client sees of it. The program is the one that pods run, as a process of its own on loopback."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import grpc
import pytest

from netspec.analysis.callees import own_certificate, spoken
from netspec.backends.common import server
from netspec.backends.common.standins import stand_ins
from netspec.catalogue import IMAGES
from netspec.plan import ManifestNode
from netspec.probes import COPIES, SOCKET, TIMES, TRACES, FactProbe, HttpAsk
from netspec.probing.door import door_facts
from netspec.toolchain.programs import Done
from netspec.verify.door import Door
from netspec.verify.model import Observation, Status
from tests.unit.test_http_probes import WEB, _answers, _ir

API = [{"service": "api", "port": 80}]


def _route(**options: Any) -> dict[str, Any]:
    return {"hosts": ["a.test"], "paths": [{"backends": WEB}], **options}


def _facts(*ingress: dict[str, Any]) -> dict[str, Any]:
    return {p.id.removeprefix("fact:"): p.expect for p in door_facts(_ir(*ingress))}


# What is asked


@pytest.mark.parametrize(
    ("options", "name", "expect"),
    [
        (
            {"webSocket": True},
            "web-socket:a.test/",
            {"status": 101, "from": ["shop/web"], "echoes": 2, "of nobody": 404},
        ),
        (
            {"timeouts": {"firstByteSeconds": 3}},
            "http-timeouts:a.test/shell",
            {"seconds": 3, "in time": 200, "too late": 504, "pods asked": 1, "of": ["shop/web"]},
        ),
        ({"timeouts": {"firstByteSeconds": 30}}, "http-timeouts:a.test/shell", None),
        (
            {"mirror": {"service": "api", "port": 80}},
            "http-mirror:a.test/echo",
            {"answers": 5, "copies": 5, "to": ["shop/api"]},
        ),
        ({"mirror": {"service": "web", "port": 80}}, "http-mirror:a.test/echo", None),
        ({"mirror": {"service": "real", "port": 80}}, "http-mirror:a.test/echo", None),
        (
            {"tracing": {"service": "api", "port": 80}},
            "http-traces:a.test/header?key=Traceparent",
            {
                "parent of the span": "the client's",
                "parent of the backend's": "the span",
                "not recorded": "not told",
                "to": ["shop/api"],
            },
        ),
        ({"tracing": {"service": "real", "port": 80}}, "http-traces:a.test/header?key=Traceparent", None),
        (
            {"externalAuth": {"service": "api", "port": 80}},
            "http-answer:GET:a.test/hostname:admitted",
            {"status": 200, "from": ["shop/web"]},
        ),
        (
            {"externalAuth": {"service": "api", "port": 80}},
            "http-answer:GET:a.test/hostname:refused",
            {"status": 403},
        ),
        (
            {"externalAuth": {"service": "api", "port": 80, "responseHeaders": ["X-User"]}},
            "http-answer:GET:a.test/header?key=X-User",
            {"status": 200, "text": "netspec"},
        ),
        ({"externalAuth": {"service": "real", "port": 80}}, "http-answer:GET:a.test/hostname:admitted", None),
    ],
    ids=str,
)
def test_options(options: dict[str, Any], name: str, expect: dict[str, Any] | None) -> None:
    assert _facts(_route(**options)).get(name) == expect


def test_a_route_without_a_mirror_is_asked_for_copies_too() -> None:
    """One of them is enough, and only one whose own pods get none."""
    others = [_route(hosts=[host]) for host in ("b.test", "c.test")]
    found = _facts(_route(mirror={"service": "api", "port": 80}), *others)
    assert {n: e["copies"] for n, e in found.items() if n.startswith("http-mirror")} == {
        "http-mirror:a.test/echo": 5,
        "http-mirror:b.test/echo": 0,
    }
    found = _facts(_route(mirror={"service": "api", "port": 80}), _route(hosts=["b.test"], paths=[{"backends": API}]))
    assert "http-mirror:b.test/echo" not in found


def test_what_is_passed_on_is_answered_by_its_pods_with_their_own_certificate() -> None:
    route = _route(tls={"passthrough": True}, redirectToHTTPS=True)
    ir, found = _ir(route), _facts(route)
    assert found == {
        "http-answer:GET:https://a.test/hostname": {"status": 200, "from": ["shop/web"]},
        "certificate:a.test": {"from": f"Secret shop/{own_certificate('web')}", "problem": ""},
    }
    assert set(_answers(ir)) == {"GET:a.test/", "GET:a.test/hostname", "GET:nobody.netspec.invalid/"}


# Who speaks it


def _objects(*ingress: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {n.id: n.manifest for n in stand_ins(_ir(*ingress)) if isinstance(n, ManifestNode)}


def _pod(objects: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
    spec: dict[str, Any] = objects[f"deployment:shop/{name}"]["spec"]["template"]["spec"]
    return spec


def test_a_stand_in_that_agnhost_cannot_be_has_a_program_and_what_probes_are_run_with() -> None:
    route = _route(
        webSocket=True,
        externalAuth={"service": "api", "port": 80, "path": "/verify", "responseHeaders": ["X-User", "X-Team"]},
    )
    objects = _objects(route)
    tools, main = _pod(objects, "web")["containers"]
    assert tools["args"] == ["pause"] and main["image"] == IMAGES["python"]
    assert main["command"] == ["python3", "-u", "/program/server.py", "web-socket", "8080"]
    assert main["ports"] == [{"containerPort": 8080, "protocol": "TCP"}]
    asked = _pod(objects, "api")["containers"][1]
    assert asked["command"][3:] == ["authorizer", "8080", "X-User", "X-Team"]
    text = objects["configmap:shop/netspec-stand-in"]["data"]["server.py"]
    assert text == Path(server.__file__).read_text()


def test_a_stand_in_that_ends_https_itself_has_a_certificate_of_its_own() -> None:
    route = _route(tls={"passthrough": True}, redirectToHTTPS=True)
    (container,) = _pod(_objects(route), "web")["containers"]
    assert container["args"][-1] == "--tls-private-key-file=/certificate/tls.key"
    assert _pod(_objects(route), "web")["volumes"] == [
        {"name": "certificate", "secret": {"secretName": own_certificate("web")}}
    ]


def test_of_one_port_that_two_routes_ask_for_the_one_is_spoken_that_excludes_the_other() -> None:
    socket_ = _route(webSocket=True)
    assert spoken(_ir(socket_)) == {("shop/web", 8080): "web-socket"}
    assert spoken(_ir(socket_, _route(hosts=["b.test"], protocol="grpc"))) == {("shop/web", 8080): "grpc"}
    assert spoken(_ir(_route(hosts=["b.test"], protocol="grpc"), socket_)) == {("shop/web", 8080): "grpc"}


# What is seen: the program, and a proxy that does what it must or not


class _Program:
    """The program at a port of its own; `said`: what it has said so far."""

    def __init__(self, folder: Path, speech: str, *headers: str) -> None:
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = found.getsockname()[1]
        self.log = folder / f"{speech}.log"
        command = [sys.executable, "-u", server.__file__, speech, str(self.port), *headers]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.1)
        raise AssertionError(self.log.read_text())

    @property
    def said(self) -> str:
        return self.log.read_text()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Any]:
    started: list[_Program] = []

    def begin(*words: str) -> _Program:
        started.append(_Program(tmp_path, *words))
        return started[-1]

    yield begin
    for program in started:
        program.process.kill()
        program.process.wait()


class _Access:
    """Pods whose logs are those of programs."""

    def __init__(self, logs: dict[str, _Program]) -> None:
        self._logs = logs

    def kubectl(self, *words: str) -> Done:
        assert words[0] == "logs"
        return Done(list(words), 0, self._logs[words[1]].said, "")


class _Resolver:
    def __init__(self, port: int) -> None:
        self._port = port

    def door(self, probe: FactProbe) -> tuple[str, int]:
        return "127.0.0.1", self._port


def _stream(address: str, port: int) -> Any:
    return closing(socket.create_connection((address, port), 10))


def _look(
    port: int,
    fact: str,
    path: str,
    expect: Any,
    logs: dict[str, _Program] | None = None,
    headers: tuple[tuple[str, str], ...] = (),
) -> Observation:
    """`logs`: pods of shop/api."""
    workloads = {socket.gethostname(): "shop/web", **dict.fromkeys(logs or {}, "shop/api")}
    access: Any = _Access(logs or {})
    resolver: Any = _Resolver(port)
    door = Door(access, resolver, _stream, "out", "127.0.0.1", workloads)
    ask = HttpAsk("GET", "a.test", path, headers=headers)
    return door.run([FactProbe("f", fact, "outside", expect, "p/p", 80, request=ask)])["f"]


def test_web_sockets(start: Any) -> None:
    port = start("web-socket").port
    expect = {"status": 101, "from": ["shop/web"], "echoes": 2}
    assert _look(port, SOCKET, "/", expect).status is Status.PASS
    assert _look(port, SOCKET, "/", {**expect, "from": ["shop/api"]}).status is Status.WRONG
    assert _look(port, SOCKET, "/", {**expect, "of nobody": 404}).observed["of nobody"] == 101
    refused = _look(start("authorizer").port, SOCKET, "/", expect)
    assert (refused.status, refused.observed["status"], refused.observed["echoes"]) == (Status.WRONG, 401, 0)


def test_the_program_answers_as_agnhost_does(start: Any) -> None:
    port = start("web-socket").port
    asked = {
        "/hostname": (200, socket.gethostname()),
        "/header?key=X-Sent": (200, "this"),
        "/header?key=X-Not-Sent": (200, ""),
        "/echo?msg=a%20b&code=503": (503, "a b"),
        "/other": (200, "NOW"),
    }
    for path, (status, text) in asked.items():
        seen = _look(port, "http-answer", path, {"status": status, "text": text}, headers=(("X-Sent", "this"),))
        assert seen.status is Status.PASS, seen


def test_who_may(start: Any) -> None:
    port = start("authorizer", "X-User").port
    for token, status, given in (("Bearer netspec", 200, "netspec"), ("Bearer other", 403, None), ("", 401, None)):
        headers = (("Authorization", token),) if token else ()
        expect = {"status": status, "headers": {"X-User": given}}
        seen = _look(port, "http-answer", "/verify", expect, headers=headers)
        assert seen.status is Status.PASS, seen


class _Proxy(BaseHTTPRequestHandler):
    """In front of the program: what comes later than a second is 504; each request is copied; spans are told of."""

    protocol_version = "HTTP/1.1"
    pod: _Program
    copy: _Program | None = None
    collector: Any = None
    copies = 1
    limit = 1.0

    def do_GET(self) -> None:
        for _ in range(self.copies if self.copy else 0):
            self.pass_on(self.copy)  # type: ignore[arg-type]
        parent = self.headers.get("traceparent", "")
        if self.collector is not None:
            parent = self.told(parent)
        status, body = self.pass_on(self.pod, {"traceparent": parent})
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def pass_on(self, to: _Program, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
        import http.client

        connection = http.client.HTTPConnection("127.0.0.1", to.port, timeout=self.limit)
        try:
            connection.request("GET", self.path, headers=headers or {})
            response = connection.getresponse()
            return response.status, response.read()
        except TimeoutError:
            return 504, b""
        finally:
            connection.close()

    def told(self, parent: str) -> str:
        version, trace, span, flags = parent.split("-")
        if flags == "01" or type(self).collector[1] == "all":
            type(self).collector[0](export(trace, "aaaaaaaaaaaaaaaa", span))
        return "-".join((version, trace, "aaaaaaaaaaaaaaaa", flags))

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _proxy(**more: Any) -> ThreadingHTTPServer:
    made = ThreadingHTTPServer(("127.0.0.1", 0), type("P", (_Proxy,), more))
    threading.Thread(target=made.serve_forever, daemon=True).start()
    return made


def field(number: int, value: bytes) -> bytes:
    assert len(value) < 128
    return bytes([number << 3 | 2, len(value)]) + value


def export(trace: str, span: str, parent: str) -> bytes:
    """An ExportTraceServiceRequest of one span."""
    ids = field(1, bytes.fromhex(trace)) + field(2, bytes.fromhex(span)) + field(4, bytes.fromhex(parent))
    return field(1, field(2, field(2, ids + field(5, b"GET"))))


def test_an_answer_that_is_late(start: Any) -> None:
    pod = start("web-socket")
    expect = {"seconds": 1, "in time": 200, "too late": 504, "pods asked": 1, "of": ["shop/api"]}
    with _Serving(_proxy(pod=pod)) as port:
        assert _look(port, TIMES, "/shell", expect, {"api-1": pod}).status is Status.PASS
    with _Serving(_proxy(pod=pod, limit=10.0)) as port:
        assert _look(port, TIMES, "/shell", expect, {"api-1": pod}).observed["too late"] == 200
    with _Serving(_proxy(pod=pod, copy=pod)) as port:
        assert _look(port, TIMES, "/shell", expect, {"api-1": pod}).observed["pods asked"] == 2


@pytest.mark.parametrize(("copies", "seen"), [(1, 5), (2, 10), (0, 0)])
def test_copies(start: Any, copies: int, seen: int) -> None:
    pod, other = start("web-socket"), start("authorizer")
    expect = {"answers": 5, "copies": seen and 5, "to": ["shop/api"]}
    with _Serving(_proxy(pod=pod, copy=other, copies=copies)) as port:
        found = _look(port, COPIES, "/echo", expect, {"api-1": other})
    assert found.observed == {**expect, "copies": seen}
    assert found.status is (Status.PASS if copies < 2 else Status.WRONG)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("told", ["sampled", "all"])
def test_traces(start: Any, packed: bool, told: str) -> None:
    """gRPC's own library is the client of the program that plays a collector."""
    pod, collector = start("web-socket"), start("collector")
    compression = grpc.Compression.Gzip if packed else grpc.Compression.NoCompression
    expect = {
        "parent of the span": "the client's",
        "parent of the backend's": "the span",
        "not recorded": "not told",
        "to": ["shop/api"],
    }
    with grpc.insecure_channel(f"127.0.0.1:{collector.port}", compression=compression) as channel:
        call = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")

        def send(message: bytes) -> None:
            assert call(message, timeout=10) == b""

        with _Serving(_proxy(pod=pod, collector=(send, told))) as port:
            seen = _look(port, TRACES, "/header?key=Traceparent", expect, {"api-1": collector})
    assert (seen.status is Status.PASS) is (told == "sampled"), seen
    assert seen.observed["not recorded"] == ("told" if told == "all" else "not told")


def test_the_program_answers_each_message_of_a_call_as_it_comes(start: Any) -> None:
    pod, name, to_send = start("grpc"), socket.gethostname().encode(), SimpleQueue[bytes | None]()
    with grpc.insecure_channel(f"127.0.0.1:{pod.port}", compression=grpc.Compression.Gzip) as channel:
        answers = channel.stream_stream("/a.B/Call")(iter(to_send.get, None), timeout=10)
        for text in (b"1", b"22" * 500):
            to_send.put(text)
            assert next(answers) == name + b" " + text
            assert channel.unary_unary("/c.D/Call")(b"alone", timeout=10) == name + b" alone"
        to_send.put(None)
        assert list(answers) == [] and answers.code() is grpc.StatusCode.OK


def test_a_long_call_in_many_frames(start: Any) -> None:
    """More than the window that a connection begins with."""
    collector = start("collector")
    span = export("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "00f067aa0ba902b7")
    with grpc.insecure_channel(f"127.0.0.1:{collector.port}") as channel:
        call = channel.unary_unary("/a.B/Export")
        for _ in range(2):
            assert call(span * 5000, timeout=20) == b""
    line = "span 0af7651916cd43dd8448eb211c80319c b7ad6b7169203331 00f067aa0ba902b7\n"
    assert collector.said == line * 10000


class _Serving:
    def __init__(self, made: ThreadingHTTPServer) -> None:
        self._made = made

    def __enter__(self) -> int:
        return int(self._made.server_address[1])

    def __exit__(self, *_: object) -> None:
        self._made.shutdown()
        self._made.server_close()
