"""What a stand-in serves that agnhost does not: a program of its own, with nothing but Python's library, that a
container of the stand-in runs (netspec.backends.common.standins). `server.py SPEECH PORT [HEADER...]`:

web-socket   HTTP at the paths that netspec asks agnhost for, and any request may become a WebSocket, which gets what
             it says back with the pod's name before it (RFC 6455)
authorizer   says who may: 200 with each HEADER to who has the token that everybody knows, 403 to who has another,
             401 to who has none
grpc         any call, of one message or of several: each, of less than 16 KiB, gets back what it says with the pod's
             name before it, as it comes (gRPC in clear: HTTP/2, RFC 9113)
collector    takes traces: OTLP over gRPC, of which it reads what it needs
provider     of OpenID Connect, at which everybody is ann at once: the authorization code flow with a proof of who asked
             for the code (OpenID Connect Core 3.1, RFC 6749, RFC 7636). It has one client, which everybody knows

All of it is said on standard output: requests as agnhost says them, and of each span its trace, itself and its parent.
"""

import base64
import gzip
import hashlib
import hmac
import json
import os
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

#: Who has it may (netspec/probes.py).
TOKEN = "Bearer netspec"
#: A provider's one client: its id and secret (netspec/probes.py). Seconds for which what it says of people is good.
CLIENT, _GOOD = ("netspec", "netspec"), 600
#: RFC 6455, 4.2.2.
_MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#: Seconds for which an answer may be held back, and a WebSocket may be silent.
_LONGEST, _SILENCE = 60.0, 90.0


# HTTP


class Handler(BaseHTTPRequestHandler):
    """As agnhost's netexec answers; other paths too."""

    protocol_version = "HTTP/1.1"
    timeout = _SILENCE

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        say(f"{self.command} {url.path}?{unquote_plus(url.query)}")
        if self.headers.get("Upgrade", "").lower() == "websocket":
            self.become_socket()
            return
        match url.path:
            case "/hostname":
                self.say(socket.gethostname())
            case "/header":
                self.say(self.headers.get(query.get("key", ""), ""))
            case "/echo":
                self.say(query.get("msg", ""), int(query.get("code") or 200))
            case "/clientip":
                self.say(caller(*self.client_address[:2]))
            case "/shell":
                words = query.get("cmd", "").split()
                if words[:1] == ["sleep"]:
                    time.sleep(min(float(words[1]), _LONGEST))
                self.say("")
            case _:
                self.say("NOW")

    def say(self, text: str, status: int = 200, **headers: str) -> None:
        body = text.encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def become_socket(self) -> None:
        self.send_response(101)
        key = self.headers.get("Sec-WebSocket-Key", "") + _MAGIC
        accepted = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        for name, value in (("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accepted)):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.flush()
        self.close_connection = True
        pod = f"{socket.gethostname()} ".encode()
        for opcode, data in messages(self.rfile):
            if opcode == 9:  # a ping
                self.wfile.write(frame(10, data))
            elif opcode in (1, 2):
                self.wfile.write(frame(opcode, pod + data))
            self.wfile.flush()
        self.wfile.write(frame(8, b""))

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = answer

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """What is asked has been said."""


def caller(address: str, port: int) -> str:
    """
    >>> caller("::ffff:10.0.0.1", 5), caller("fd00::1", 5)
    ('10.0.0.1:5', '[fd00::1]:5')
    """
    address = address.removeprefix("::ffff:") if "." in address else address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


class Authorizer(Handler):
    headers_given: ClassVar[tuple[str, ...]] = ()

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        given = self.headers.get("Authorization")
        status = 200 if given == TOKEN else 401 if given is None else 403
        say(f"{self.command} {self.path} {status}")
        self.say("", status, **(dict.fromkeys(self.headers_given, "netspec") if status == 200 else {}))

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = answer


class Provider(BaseHTTPRequestHandler):
    """It is whom it is asked as. `codes`: those that were given out and not changed yet, with what was said when they
    were asked for."""

    protocol_version = "HTTP/1.1"
    timeout = _SILENCE
    client: ClassVar[tuple[str, str]] = CLIENT
    codes: ClassVar[dict[str, dict[str, str]]] = {}

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path == "/.well-known/openid-configuration":
            own = self.issuer()
            endpoints = {"authorization_endpoint": f"{own}/authorize", "token_endpoint": f"{own}/token"}
            self.say(200, {"issuer": own, "jwks_uri": f"{own}/keys", **endpoints})
        elif url.path != "/authorize":
            self.say(404, {})
        elif (asked.get("client_id"), asked.get("response_type")) != (self.client[0], "code") or "state" not in asked:
            self.say(400, {"error": "invalid_request"})
        elif "openid" not in asked.get("scope", "").split():
            self.say(400, {"error": "invalid_scope"})
        else:
            code = bare(os.urandom(16))
            self.codes[code] = asked
            back = urlencode({"code": code, "state": asked["state"]})
            self.say(302, {}, Location=f"{asked.get('redirect_uri')}?{back}")

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        given = {name: values[0] for name, values in parse_qs(text).items()}
        who = base64.b64encode(":".join(self.client).encode()).decode()
        if self.headers.get("Authorization") != f"Basic {who}":
            self.say(401, {"error": "invalid_client"})
            return
        asked = self.codes.pop(given.get("code", ""), None)
        if asked is None or given.get("redirect_uri") != asked.get("redirect_uri") or not proven(asked, given):
            self.say(400, {"error": "invalid_grant"})
            return
        token = {"access_token": bare(os.urandom(16)), "token_type": "Bearer", "expires_in": _GOOD}
        claims = {"iss": self.issuer(), "sub": "ann", "aud": self.client[0]}
        self.say(200, token | {"id_token": signed(claims, self.client[1])})

    def issuer(self) -> str:
        return f"https://{self.headers.get('Host', '')}"

    def say(self, status: int, what: dict[str, Any], **headers: str) -> None:
        body = json.dumps(what).encode()
        self.send_response(status)
        for name, value in ({"Content-Type": "application/json", "Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        say(f"{self.command} {urlsplit(self.path).path} {code}")


def proven(asked: dict[str, str], given: dict[str, str]) -> bool:
    """RFC 7636, 4.6."""
    proof = hashlib.sha256(given.get("code_verifier", "").encode()).digest()
    return (asked.get("code_challenge_method"), asked.get("code_challenge")) == ("S256", bare(proof))


def bare(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(claims: dict[str, Any], key: str) -> str:
    """RFC 7515, by HMAC with SHA-256."""
    now = int(time.time())
    parts = ({"alg": "HS256", "typ": "JWT"}, claims | {"iat": now, "exp": now + _GOOD})
    text = ".".join(bare(json.dumps(part).encode()) for part in parts)
    return f"{text}.{bare(hmac.digest(key.encode(), text.encode(), 'sha256'))}"


def messages(stream: BufferedIOBase) -> Iterator[tuple[int, bytes]]:
    """Opcode and data of each frame that a client sends, until it closes; of several frames each is one."""
    while len(head := stream.read(2)) == 2:
        opcode, length = head[0] & 15, head[1] & 127
        if length > 125:
            length = int.from_bytes(stream.read(2 if length == 126 else 8), "big")
        mask, data = stream.read(4), stream.read(length)
        if opcode == 8:
            return
        yield opcode, bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))


def frame(opcode: int, data: bytes) -> bytes:
    """A server's: not masked.

    >>> frame(1, b"hi"), len(frame(1, b"x" * 126)), len(frame(2, b"x" * 70000))
    (b'\\x81\\x02hi', 130, 70010)
    """
    size = len(data)
    length = (
        bytes([size]) if size < 126 else b"\x7e" + struct.pack(">H", size) if size < 1 << 16 else b"\x7f" + _long(size)
    )
    return bytes([0x80 | opcode]) + length + data


def _long(size: int) -> bytes:
    return struct.pack(">Q", size)


# gRPC

#: Of a frame: its length, type, flags and stream (RFC 9113, 4.1); types, and a flag of each.
_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 8
_END, _ACK, _END_HEADERS, _PADDED = 1, 1, 4, 8
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#: :status 200 is entry 8 of HPACK's static table, content-type its name 31 (RFC 7541, appendix A), not indexed.
_GRPC = b"application/grpc"
_ANSWER = b"\x88\x0f\x10" + bytes([len(_GRPC)]) + _GRPC
_TRAILERS = b"\x00\x0bgrpc-status\x010"


def http2(type_: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([type_, flags]) + struct.pack(">I", stream) + payload


def calls(connection: socket.socket, answer: Callable[[bytes], bytes]) -> None:
    """One connection of a client of gRPC: each message is answered by one as it comes, and a call ends well when its
    client has ended it. What is called, and what a client says in headers, is not read."""
    begun: dict[int, bytes] = {}
    with connection, connection.makefile("rb") as stream:
        if stream.read(len(_PREFACE)) != _PREFACE:
            return
        connection.sendall(http2(_SETTINGS, 0, 0))
        while len(head := stream.read(9)) == 9:
            type_, flags, id_ = head[3], head[4], int.from_bytes(head[5:], "big") & 0x7FFFFFFF
            payload = stream.read(int.from_bytes(head[:3], "big"))
            if type_ in (_SETTINGS, _PING) and not flags & _ACK:
                connection.sendall(http2(type_, _ACK, 0, payload if type_ == _PING else b""))
            elif type_ == _DATA:
                if payload:
                    more = struct.pack(">I", len(payload))
                    connection.sendall(http2(_WINDOW_UPDATE, 0, 0, more) + http2(_WINDOW_UPDATE, 0, id_, more))
                data = payload[1 : len(payload) - payload[0]] if flags & _PADDED else payload
                said = b"" if id_ in begun else http2(_HEADERS, _END_HEADERS, id_, _ANSWER)
                whole, begun[id_] = told(begun.get(id_, b"") + data)
                for message in map(answer, whole):
                    said += http2(_DATA, 0, id_, b"\0" + struct.pack(">I", len(message)) + message)
                if flags & _END:
                    del begun[id_]
                    said += http2(_HEADERS, _END_HEADERS | _END, id_, _TRAILERS)
                connection.sendall(said)
            elif type_ == _RESET:
                begun.pop(id_, None)


def told(data: bytes) -> tuple[list[bytes], bytes]:
    """The messages (length-prefixed, perhaps compressed) that are whole, and what follows.

    >>> told(b"\\0\\0\\0\\0\\2hi\\0\\0\\0\\0\\3no")
    ([b'hi'], b'\\x00\\x00\\x00\\x00\\x03no')
    """
    found = []
    while len(data) >= 5 and len(data) >= (end := 5 + int.from_bytes(data[1:5], "big")):
        found.append(gzip.decompress(data[5:end]) if data[0] else data[5:end])
        data = data[end:]
    return found, data


def echoed(message: bytes) -> bytes:
    say(f"message of {len(message)} bytes")
    return f"{socket.gethostname()} ".encode() + message


def collected(message: bytes) -> bytes:
    """An export's answer has no fields."""
    for line in spans(message):
        say(line)
    return b""


def spans(message: bytes) -> Iterator[str]:
    """Of an ExportTraceServiceRequest: "span TRACE ITSELF PARENT"."""
    for of_resource in fields(message, 1):
        for of_scope in fields(of_resource, 2):
            for span in fields(of_scope, 2):
                ids = [next(fields(span, number), b"").hex() or "-" for number in (1, 2, 4)]
                yield f"span {' '.join(ids)}"


def fields(message: bytes, wanted: int) -> Iterator[bytes]:
    """The values of a field of a protobuf message that have a length.

    >>> list(fields(b"\\x0a\\x02hi\\x10\\x05\\x0a\\x01x", 1))
    [b'hi', b'x']
    """
    at = 0
    while at < len(message):
        key, at = varint(message, at)
        match key & 7:
            case 0:
                _, at = varint(message, at)
            case 1:
                at += 8
            case 5:
                at += 4
            case _:
                size, at = varint(message, at)
                if key >> 3 == wanted:
                    yield message[at : at + size]
                at += size


def varint(data: bytes, at: int) -> tuple[int, int]:
    """The number, and where the next begins.

    >>> varint(b"\\xac\\x02", 0)
    (300, 2)
    """
    number = shift = 0
    while True:
        byte = data[at]
        number, at, shift = number | (byte & 127) << shift, at + 1, shift + 7
        if byte < 128:
            return number, at


# All of them


def say(line: str) -> None:
    """In one piece: print writes the end of a line apart, and unbuffered another thread's line may come between."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def listening(port: int) -> socket.socket:
    """For IPv4 and, where the pod has it, IPv6."""
    try:
        return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
    except (OSError, ValueError):
        return socket.create_server(("", port), backlog=64)


def serve(speech: str, sock: socket.socket, headers: tuple[str, ...] = ()) -> None:
    """For ever."""
    if speech in ("grpc", "collector"):
        answer = collected if speech == "collector" else echoed
        while True:
            connection, _ = sock.accept()
            threading.Thread(target=calls, args=(connection, answer), daemon=True).start()
    asked: dict[str, type[BaseHTTPRequestHandler]] = {
        "web-socket": Handler,
        "authorizer": type("Asked", (Authorizer,), {"headers_given": headers}),
        "provider": Provider,
    }
    server = ThreadingHTTPServer(("", 0), asked[speech], bind_and_activate=False)
    server.socket.close()
    server.socket = sock
    server.serve_forever()


def main(speech: str, port: str, *headers: str) -> None:
    serve(speech, listening(int(port)), headers)


if __name__ == "__main__":
    main(*sys.argv[1:])
