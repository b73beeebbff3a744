"""What answers behind a controller: pods that say who they are and what they got, by HTTP, TLS, WebSocket and gRPC; a
collector of traces."""

import base64
import hashlib
import json
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from collections import defaultdict
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc

METHOD = "/echo.Echo/Say"
#: Pod -> path and size of the body of what it got; and what the collector was sent.
seen: dict[str, list[tuple[str, int]]] = defaultdict(list)
spans: list[bytes] = []


class Echo(BaseHTTPRequestHandler):
    """Says who it is and what it got."""

    protocol_version = "HTTP/1.1"
    pod = ""

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        status, path = 200, self.path
        seen[self.pod].append((path, length))
        if self.headers.get("Upgrade", "").lower() == "websocket":
            self.socket()
            return
        if path.startswith("/slow/"):
            time.sleep(float(path.rpartition("/")[2]))
        if path.startswith("/status/"):
            status = int(path.rpartition("/")[2])
        if path.startswith("/verify") and self.headers.get("Authorization") != "Bearer good":
            status = 401
        headers = {name.title(): value for name, value in self.headers.items()}
        got = {"pod": self.pod, "path": path, "method": self.command, "headers": headers, "bytes": length}
        body = json.dumps(got).encode()
        self.send_response(status)
        for name, value in (("X-User", "ann"), ("X-Backend", self.pod), ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        if path.startswith("/slow-end/"):
            self.wfile.flush()
            time.sleep(float(path.rpartition("/")[2]))
        if self.command != "HEAD":
            self.wfile.write(body)

    def socket(self) -> None:
        """One message and its echo (RFC 6455): lengths below 126, the client's masked."""
        self.send_response(101)
        for name, value in (
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Accept", accepted(self.headers["Sec-WebSocket-Key"])),
        ):
            self.send_header(name, value)
        self.end_headers()
        head = self.rfile.read(2)
        mask, data = self.rfile.read(4), self.rfile.read(head[1] & 127)
        text = self.pod.encode() + b" " + bytes(b ^ mask[i % 4] for i, b in enumerate(data))
        self.wfile.write(bytes([0x81, len(text)]) + text)
        self.close_connection = True

    do_GET = do_POST = do_PUT = do_HEAD = do_OPTIONS = answer

    def log_message(self, format: str, *args: Any) -> None:
        pass


def accepted(key: str) -> str:
    """RFC 6455, 4.2.2."""
    return base64.b64encode(hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()).decode()


def serve(backend: dict[str, Any]) -> None:
    """At its address, on each of its ports."""
    if backend["kind"] == "dead":
        return
    if backend["kind"] in ("grpc", "collector"):
        _calls(backend)
        return
    if backend["kind"] == "udp":
        threading.Thread(target=_datagrams, args=(backend,), daemon=True).start()
        return
    made = type("Pod", (Echo,), {"pod": backend["pod"]})
    for port in backend["ports"]:
        _listen(ThreadingHTTPServer((backend["address"], port), made), backend["kind"] == "tls")


def _calls(backend: dict[str, Any]) -> None:
    says = {"grpc": "echo.Echo", "collector": "opentelemetry.proto.collector.trace.v1.TraceService"}
    calls = {
        "grpc": ("Say", lambda request, _: backend["pod"].encode() + b" " + request),
        # Its answer without fields is one of no bytes.
        "collector": ("Export", lambda request, _: spans.append(request) or b""),
    }
    name, call = calls[backend["kind"]]
    methods = {name: grpc.unary_unary_rpc_method_handler(call)}
    server = grpc.server(futures.ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(says[backend["kind"]], methods),))
    server.add_insecure_port(f"{backend['address']}:{backend['ports'][0]}")
    server.start()
    backend["server"] = server  # kept alive


def _datagrams(backend: dict[str, Any]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((backend["address"], backend["ports"][0]))
        while True:
            data, sender = sock.recvfrom(1024)
            sock.sendto(backend["pod"].encode() + b" " + data, sender)


def _listen(server: ThreadingHTTPServer, tls: bool) -> None:
    if tls:
        with tempfile.TemporaryDirectory() as own:
            certificate(Path(own), "sealed.example.com")
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(Path(own) / "tls.crt", Path(own) / "tls.key")
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def certificate(folder: Path, host: str) -> tuple[dict[str, Any], str]:
    """A Secret's data, and the digest of what it holds."""
    key, cert = folder / "tls.key", folder / "tls.crt"
    subject = ["-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, *subject]
    subprocess.run(command, check=True, capture_output=True)
    data = {name: base64.b64encode(file.read_bytes()).decode() for name, file in (("tls.key", key), ("tls.crt", cert))}
    der = ssl.PEM_cert_to_DER_cert(cert.read_text())
    return data, hashlib.sha256(der).hexdigest()
