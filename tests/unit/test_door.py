"""The front door's own questions: what is derived, and what a client sees that speaks TLS, cookies and limits."""

import base64
import json
import socket
import ssl
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent import futures
from contextlib import closing
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import pytest

from netspec.analysis.callees import spoken
from netspec.backends.common.certificates import certificate_pem, key_pem
from netspec.backends.common.standins import Spoken, controller
from netspec.probes import (
    CERTIFICATE,
    GRPC,
    LIMIT,
    OLD_TLS,
    SHARES,
    STAYS,
    FactProbe,
    HttpAsk,
)
from netspec.probing import derive_probes
from netspec.probing.door import door_facts
from netspec.toolchain.programs import Done
from netspec.verify.about import About
from netspec.verify.causes import Causes
from netspec.verify.client import Client
from netspec.verify.door import AT_ONCE, ATTEMPTS, Door, limited, shared
from netspec.verify.model import Observation, Status
from netspec.verify.state import parse_state
from netspec.verify.streams import through
from tests.unit.test_http_probes import WEB, _ir

BOTH = [{"service": "web", "port": 80, "weight": 9}, {"service": "api", "port": 80, "weight": 1}]
#: In place of the outside host's netcat.
NETCAT = """
import os, socket, sys, threading
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def up():
    while data := os.read(0, 65536):
        s.sendall(data)
    s.shutdown(socket.SHUT_WR)
threading.Thread(target=up, daemon=True).start()
while data := s.recv(65536):
    os.write(1, data)
"""


def _facts(*ingress: dict[str, Any], **front: Any) -> dict[str, Any]:
    return {p.id.removeprefix("fact:"): p.expect for p in door_facts(_ir(*ingress, **front))}


def _route(**options: Any) -> dict[str, Any]:
    return {"hosts": ["a.test"], "paths": [{"backends": WEB}], **options}


# What is asked

CLIENT = "http-answer:GET:a.test/header?key=X-Forwarded-For"


def test_a_plain_route_is_asked_whom_its_pods_take_for_the_client() -> None:
    assert list(_facts(_route())) == [CLIENT]
    assert _facts(_route(), externalTrafficPolicy="Cluster") == {}
    assert _facts(_route(), service="ClusterIP") == {}


def test_certificates_of_each_host_and_old_versions_of_one() -> None:
    route = _route(hosts=["a.test", "b.test"], tls={"secret": "cert"})
    found = _facts(route, _route(hosts=["c.test"], tls={}))
    assert found["certificate:a.test"] == {"from": "Secret shop/cert", "problem": ""} == found["certificate:b.test"]
    assert found["certificate:c.test"] == {"from": "the controller", "problem": ""}
    assert [name for name in found if name.startswith("old-tls")] == ["old-tls:a.test"]


def test_shares_where_each_backend_has_a_workload_of_its_own() -> None:
    assert _facts(_route(paths=[{"backends": BOTH}]))["http-weights:a.test/hostname"] == {"shop/web": 9, "shop/api": 1}
    same = [{**WEB[0], "weight": 1}, {**WEB[0], "weight": 2}]
    assert not [n for n in _facts(_route(paths=[{"backends": same}])) if n.startswith("http-weights")]


@pytest.mark.parametrize(
    ("options", "expect"),
    [
        ({"sticky": {"cookie": "pod"}}, {"cookie": "pod", "with": "one pod", "without": "one pod"}),
        ({"rateLimit": {"requests": 2, "burst": 5}}, {"requests": 2, "per": "second", "burst": 5, "then": 429}),
        ({"rateLimit": {"requests": 100, "burst": 5}}, None),
        ({"rateLimit": {"requests": 10, "burst": 101}}, None),
        ({"basicAuth": {"secret": "u", "standIn": True}}, {"status": 200, "from": ["shop/web"]}),
        ({"basicAuth": {"secret": "u"}}, None),
        ({"cors": {"origins": ["https://o.test"], "methods": ["PUT"]}}, {"status": "success", "allows": True}),
        ({"cors": {"origins": ["*"]}}, None),
        ({"requestHeaders": {"set": {"X-From": "edge"}}}, {"status": 200, "text": "edge"}),
        ({"requestHeaders": {"remove": ["X-From"]}}, {"status": 200, "text": ""}),
        ({"responseHeaders": {"set": {"X-To": "edge"}}}, {"status": 200, "headers": {"X-To": "edge"}}),
        (
            {"errorPages": {"statuses": ["500-599"], "service": "api", "port": 80, "path": "/hostname"}},
            {"status": 503, "from": ["shop/api"]},
        ),
        ({"errorPages": {"statuses": ["404"], "service": "api", "port": 80}}, {"status": 404, "own": False}),
        ({"errorPages": {"statuses": ["301"], "service": "api", "port": 80}}, None),
    ],
    ids=str,
)
def test_options(options: dict[str, Any], expect: dict[str, Any] | None) -> None:
    found = {name: e for name, e in _facts(_route(**options)).items() if name != CLIENT}
    assert next(iter(found.values()), None) == expect


def test_a_preflight_request_of_a_stranger_and_a_wrong_password() -> None:
    found = _facts(_route(cors={"origins": ["https://o.test"]}, basicAuth={"secret": "u", "standIn": True}))
    assert {"allows": False} in found.values() and {"status": 401} in found.values()


def test_nothing_is_asked_of_routes_that_do_not_let_the_outside_in() -> None:
    assert _facts(_route(allowFrom=["192.0.2.0/24"], cors={"origins": ["https://o.test"]})) == {}


# What is seen


class _Proxy(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    count = 0

    def do_GET(self) -> None:
        host = self.headers["Host"].partition(":")[0]
        type(self).count += 1
        pod = "web-1" if "pod=1" in self.headers.get("Cookie", "") else f"web-{self.count % 2}"
        if host == "shares.test":
            pod = "api-1" if self.count % 10 == 0 else "web-1"
        status = 429 if host == "limit.test" and self.count > 3 else 200
        self.send_response(status)
        if host == "sticky.test":
            self.send_header("Set-Cookie", f"pod={pod[-1]}; HttpOnly")
        if host == "closing.test":
            self.send_header("Connection", "close")
        self.send_header("Content-Length", str(len(pod)))
        self.end_headers()
        self.wfile.write(pod.encode())

    def log_message(self, format: str, *args: Any) -> None:
        pass


class _Resolver:
    def __init__(self, port: int) -> None:
        self._port = port

    def door(self, probe: FactProbe) -> tuple[str, int]:
        return "127.0.0.1", self._port


class _Access:
    """A cluster with one Secret."""

    def __init__(self, pem: str) -> None:
        self._pem = pem

    def kubectl(self, *words: str) -> Done:
        if words[2] != "cert":
            return Done(list(words), 1, "", 'Error from server (NotFound): secrets "x" not found')
        data = {"tls.crt": base64.b64encode(self._pem.encode()).decode()}
        return Done(list(words), 0, json.dumps({"data": data}), "")


def _stream(address: str, port: int) -> Any:
    return closing(socket.create_connection((address, port), 10))


def _serve(server: ThreadingHTTPServer) -> Iterator[int]:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.fixture
def plain() -> Iterator[int]:
    yield from _serve(ThreadingHTTPServer(("127.0.0.1", 0), type("P", (_Proxy,), {})))


PAST = {"since": "200101000000Z", "until": "210101000000Z"}
PEM = certificate_pem(["a.test"])


@pytest.fixture(params=[{}, PAST], ids=["in time", "expired"])
def secure(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[int, str]]:
    text = certificate_pem(["a.test"], **request.param)
    (tmp_path / "crt").write_text(text)
    (tmp_path / "key").write_text(key_pem())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Proxy)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    for port in _serve(server):
        yield port, text


def _look(
    port: int, fact: str, host: str, expect: Any, pem: str = "", tls: bool = False, path: str = "/"
) -> Observation:
    workloads = {"web-0": "shop/web", "web-1": "shop/web", "api-1": "shop/api"}
    door = Door(_Access(pem), _Resolver(port), _stream, "out", "127.0.0.1", workloads)  # type: ignore[arg-type]
    probe = FactProbe("f", fact, "outside", expect, "p/p", 443, request=HttpAsk("GET", host, path, tls=tls))
    return door.run([probe])["f"]


def test_a_door_that_answers_nothing_is_not_asked_everything(plain: int) -> None:
    """Each question would wait for as long; another door is another matter."""
    opened: Counter[int] = Counter()

    class Resolver:
        def door(self, probe: FactProbe) -> tuple[str, int]:
            return "127.0.0.1", plain if probe.peer == "p/open" else 1

    def stream(address: str, port: int) -> Any:
        opened[port] += 1
        if port == 1:
            raise OSError("nobody there")
        return _stream(address, port)

    door = Door(_Access(""), Resolver(), stream, "out", "127.0.0.1", {"web-0": "shop/web"})  # type: ignore[arg-type]
    probes = [
        FactProbe(f"{peer}:{n}", "http-answer", "outside", {"status": 200}, peer, 80, request=HttpAsk("GET", host, "/"))
        for peer in ("p/shut", "p/open")
        for n, host in enumerate(f"{n}.test" for n in range(40))
    ]
    seen = door.run(probes)
    assert {o.status for id_, o in seen.items() if id_.startswith("p/shut")} == {Status.CHECK_FAILED}
    assert {o.detail for id_, o in seen.items() if id_.startswith("p/shut")} == {
        "no answer from the front door: OSError: nobody there"
    }
    assert {o.status for id_, o in seen.items() if id_.startswith("p/open")} == {Status.PASS}
    assert opened[1] <= AT_ONCE * ATTEMPTS and opened[plain] == 40


def test_shares_and_clients_that_stay(plain: int) -> None:
    assert _look(plain, SHARES, "shares.test", {"shop/web": 9, "shop/api": 1}).status is Status.PASS
    assert _look(plain, SHARES, "shares.test", {"shop/web": 1, "shop/api": 1}).status is Status.WRONG
    expect = {"cookie": "pod", "with": "one pod", "without": "several pods"}
    assert _look(plain, STAYS, "sticky.test", expect).status is Status.PASS
    assert _look(plain, STAYS, "other.test", expect).status is Status.WRONG


def test_a_connection_that_the_other_end_closes_is_made_again(plain: int) -> None:
    with Client(partial(_stream, "127.0.0.1", plain), False) as client:
        statuses = [client.ask(HttpAsk("GET", host, "/")).status for host in ("closing.test", "a.test", "closing.test")]
    assert statuses == [200] * 3


def test_a_door_that_is_shut_is_a_failed_check() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        seen = _look(unused.getsockname()[1], "http-answer", "a.test", {"status": 200})
    assert seen.status is Status.CHECK_FAILED and "refused" in seen.detail.lower()


def test_a_limit(plain: int) -> None:
    assert (
        _look(plain, LIMIT, "limit.test", {"requests": 1, "per": "hour", "burst": 3, "then": 429}).status is Status.PASS
    )


@pytest.mark.parametrize(
    ("admits", "ok"), [(5, True), (6, True), (4, False), (7, False), (100, False)], ids=lambda v: str(v)
)
def test_a_limit_within_its_bounds(admits: int, ok: bool) -> None:
    """Five at once, one a second more: of answers that take no time one may come on top."""
    statuses = iter([200] * admits + [429] * 100)
    expect = {"requests": 1, "per": "second", "burst": 5, "then": 429}
    assert limited(expect, lambda: next(statuses), lambda: 0.0, lambda _: None)[0] is ok


def test_a_limit_that_takes_long_to_be_whole_again_has_no_lower_bound() -> None:
    expect = {"requests": 1, "per": "hour", "burst": 5, "then": 429}
    assert limited(expect, lambda: 429, lambda: 0.0, lambda _: None)[0]


def test_a_workload_that_gets_nothing_has_not_its_share() -> None:
    assert not shared({"a": 9, "b": 1}, {"a": 200})[0]
    assert not shared({"a": 9, "b": 1}, {"a": 180, "b": 18, "503 no server": 2})[0]


def test_certificates(secure: tuple[int, str]) -> None:
    port, pem = secure
    expect = {"from": "Secret shop/cert", "problem": ""}
    seen = _look(port, CERTIFICATE, "a.test", expect, pem, tls=True)
    if "2021" in seen.detail:
        assert (seen.status, seen.observed["problem"]) == (Status.WRONG, "certificate has expired")
        probe = FactProbe("f", CERTIFICATE, "outside", expect, "p/p", 443, request=HttpAsk("GET", "a.test", "/"))
        about = About(_ir(_route()), parse_state([]))
        (cause,) = Causes(about).of([Observation(probe, seen.status, seen.observed, seen.detail)])
        said = "the certificate for a.test is refused: certificate has expired (valid from 2020-01-01 to 2021-01-01)"
        assert cause.what == said
        return
    assert (seen.status, seen.detail) == (Status.PASS, "valid from 2020-01-01 to 2049-12-31")
    assert _look(port, CERTIFICATE, "b.test", expect, pem, tls=True).status is Status.WRONG
    assert _look(port, CERTIFICATE, "b.test", {"from": "the controller", "problem": ""}, tls=True).status is Status.PASS
    other = {"from": "Secret shop/other", "problem": ""}
    assert _look(port, CERTIFICATE, "a.test", other, pem, tls=True).observed["from"] == "elsewhere"
    versions = {"TLSv1.1": "refused", "TLSv1.2": "accepted"}
    assert _look(port, OLD_TLS, "a.test", versions, tls=True).status is Status.PASS
    assert _look(port, "http-answer", "a.test", {"status": 200}, tls=True).status is Status.PASS


@pytest.mark.parametrize(("pem", "expired"), [(certificate_pem(["a.test"], **PAST), True), (PEM, False), ("", False)])
def test_a_certificate_that_is_served_no_more(plain: int, pem: str, expired: bool) -> None:
    """A controller that has no HTTPS with one whose time is over; else it has none for another reason."""
    seen = _look(plain, CERTIFICATE, "a.test", {"from": "Secret shop/cert", "problem": ""}, pem, tls=True)
    assert (seen.status is Status.WRONG) is expired
    assert not expired or seen.observed["problem"] == "certificate has expired"
    assert expired or seen.status is Status.CHECK_FAILED
    if expired:
        # What else is asked of the host over HTTPS has the same cause; another host's, or over plain HTTP, has not.
        asks = [HttpAsk("GET", "a.test", "/", tls=True), HttpAsk("GET", "b.test", "/", tls=True)]
        probes = [
            FactProbe(f"{n}", "http-answer", "outside", {}, "p/p", 443, request=ask) for n, ask in enumerate(asks)
        ]
        failed = [Observation(probe, Status.CHECK_FAILED, None, f"no answer: {probe.id}") for probe in probes]
        cause, other = Causes(About(_ir(_route()), parse_state([]))).of([seen, *failed])
        said = "the certificate for a.test is refused: certificate has expired (valid from 2020-01-01 to 2021-01-01)"
        assert (cause.what, cause.probes, other.probes) == (said, ("f", "0"), ("1",))


def test_grpc_routes_are_asked_by_calls_of_one_message_and_of_several() -> None:
    both = [{"service": "web", "port": 80}, {"service": "api", "port": 80}]
    all_ = {"from": ["shop/web"], "calls": 2, "in one call": 2}
    assert _facts(_route(protocol="grpc"))["grpc-answer:a.test/netspec.Echo/Call"] == all_
    found = _facts(_route(protocol="grpc", paths=[{"path": "/x.Y", "backends": both}]))
    # Here is a method that no rule takes.
    assert found["grpc-answer:a.test/x.Y/Call"] == all_ | {
        "from": ["shop/api", "shop/web"],
        "of no rule": "UNIMPLEMENTED",
    }


def test_a_stand_in_behind_a_grpc_route_serves_grpc_and_is_not_asked_by_http() -> None:
    ir = _ir(_route(protocol="grpc"))
    web = ir.workloads_by_id["shop/web"]
    tools, server = controller(web, 1, Spoken({8080: "grpc"}))["spec"]["template"]["spec"]["containers"]
    assert tools["args"] == ["pause"] and server["command"][-2:] == ["grpc", "8080"]
    said = [p.id for p in derive_probes(ir) if isinstance(p, FactProbe) and p.peer == "shop/web"]
    assert spoken(ir) == {("shop/web", 8080): "grpc"} and said == []


@pytest.fixture(params=[False, True], ids=["in clear", "TLS"])
def rpc(request: pytest.FixtureRequest) -> Iterator[tuple[int, bool]]:
    """By gRPC's own library: a method that answers each message at once, and one that waits for the call's end."""

    def at_once(messages: Iterator[bytes], _: Any) -> Iterator[bytes]:
        return (b"web-1 " + message for message in messages)

    def at_the_end(messages: Iterator[bytes], _: Any) -> Iterator[bytes]:
        return (b"web-1 " + message for message in list(messages))

    server = grpc.server(futures.ThreadPoolExecutor(4))
    for service, method in (("shop.Cart", at_once), ("shop.Late", at_the_end)):
        handlers = {"Call": grpc.stream_stream_rpc_method_handler(method)}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    pair = [(key_pem().encode(), certificate_pem(["a.test"]).encode())]
    where = "127.0.0.1:0"
    tls = grpc.ssl_server_credentials(pair)
    port = server.add_secure_port(where, tls) if request.param else server.add_insecure_port(where)
    server.start()
    yield port, request.param
    server.stop(None)


def test_calls_of_grpc(rpc: tuple[int, bool], monkeypatch: pytest.MonkeyPatch) -> None:
    port, tls = rpc
    monkeypatch.setattr("netspec.verify.rpc.PATIENCE", 3.0)
    expect = {"from": ["shop/web"], "calls": 2, "in one call": 2, "of no rule": "UNIMPLEMENTED"}
    assert _look(port, GRPC, "a.test", expect, tls=tls, path="/shop.Cart/Call").status is Status.PASS
    other = _look(port, GRPC, "a.test", expect | {"from": ["shop/api"]}, tls=tls, path="/shop.Cart/Call")
    assert (other.status, other.observed["from"]) == (Status.WRONG, ["shop/web"])
    nobody = _look(port, GRPC, "a.test", expect, tls=tls, path="/shop.Nobody/Call")
    assert (nobody.observed["calls"], nobody.observed["in one call"]) == (0, 0)
    late = _look(port, GRPC, "a.test", expect, tls=tls, path="/shop.Late/Call")
    assert (late.status, late.observed["calls"], late.observed["in one call"]) == (Status.WRONG, 2, 0)


def test_a_connection_through_another_host_s_program(secure: tuple[int, str]) -> None:
    port, _ = secure
    connect = partial(through, sys.executable, "-c", NETCAT, "127.0.0.1", str(port))
    with Client(connect, True) as client:
        assert [client.ask(HttpAsk("GET", "a.test", "/")).status for _ in range(2)] == [200, 200]
