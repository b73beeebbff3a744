"""Run in a network namespace of its own: etcd, an API server, a controller and backends, all on `lo`. Reads a plan of
what to do as JSON from standard input and prints the answers as JSON. What it started ends with it in any case."""

import base64
import hashlib
import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc

#: Seconds until something that must come has come.
PATIENCE = 60
#: The client's address, and another one.
CLIENT, OTHER = "10.200.0.1", "10.200.0.2"
METHOD = "/echo.Echo/Say"
#: Pod -> path and size of the body of what it got; and what the collector was sent.
seen: dict[str, list[tuple[str, int]]] = defaultdict(list)
spans: list[bytes] = []

started: list[subprocess.Popen[bytes]] = []


def start(folder: Path, name: str, *command: str, **env: str) -> None:
    log = (folder / f"{name}.log").open("wb")
    died = ["setpriv", "--pdeathsig", "KILL"]
    process = subprocess.Popen([*died, *command], stdout=log, stderr=log, env={**os.environ, **env})
    started.append(process)


def until(what: str, check: Any) -> Any:
    """What `check` gives, once it gives something."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            if found := check():
                return found
        except OSError:
            pass
        time.sleep(0.1)
    raise SystemExit(f"{what} did not come")


def addresses(backends: list[dict[str, Any]]) -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for address in (CLIENT, OTHER, *(b["address"] for b in backends)):
        subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)


def names(folder: Path, backends: list[dict[str, Any]]) -> None:
    """In place of cluster DNS and Service addresses: each Service's name is its first pod."""
    rows = {b["service"]: b["address"] for b in reversed(backends)}
    text = "".join(f"{address} {name}.shop.svc.cluster.local\n" for name, address in rows.items())
    (folder / "hosts").write_text(f"127.0.0.1 localhost\n{text}")
    subprocess.run(["mount", "--bind", folder / "hosts", "/etc/hosts"], check=True)


def control_plane(folder: Path, programs: dict[str, str]) -> dict[str, str]:
    """The environment with which kubectl and the controller reach it."""
    url = "http://127.0.0.1:2379"
    listen = [
        "--listen-client-urls",
        url,
        "--advertise-client-urls",
        url,
        "--listen-peer-urls",
        "http://127.0.0.1:2380",
    ]
    start(folder, "etcd", programs["etcd"], "--data-dir", str(folder / "etcd"), *listen)
    key = folder / "sa.key"
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    (folder / "tokens").write_text('token,admin,1,"system:masters"\n')
    start(
        folder,
        "apiserver",
        programs["kube-apiserver"],
        *("--etcd-servers", url, "--cert-dir", str(folder / "certs"), "--bind-address=127.0.0.1"),
        *("--secure-port=6443", f"--advertise-address={CLIENT}", "--service-cluster-ip-range=10.96.0.0/16"),
        *("--service-account-issuer=https://kubernetes.default.svc", f"--service-account-signing-key-file={key}"),
        *(f"--service-account-key-file={key}", f"--token-auth-file={folder / 'tokens'}"),
        *("--authorization-mode=AlwaysAllow", "--disable-admission-plugins=ServiceAccount"),
    )
    cluster = {"server": "https://127.0.0.1:6443", "insecure-skip-tls-verify": True}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": {"token": "token"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "c",
    }
    (folder / "kubeconfig").write_text(json.dumps(config))
    return {"KUBECONFIG": str(folder / "kubeconfig")}


def kubectl(programs: dict[str, str], env: dict[str, str], *words: str, stdin: str = "") -> str:
    done = subprocess.run(
        [programs["kubectl"], *words],
        input=stdin,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise OSError(done.stderr)
    return done.stdout


def apply(programs: dict[str, str], env: dict[str, str], objects: list[dict[str, Any]]) -> bool:
    """With the API's own strict validation: a field that a definition does not know is refused."""
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    return bool(kubectl(programs, env, "apply", "--server-side", "--validate=strict", "-f", "-", stdin=text))


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
        got = {"pod": self.pod, "path": path, "method": self.command, "headers": dict(self.headers), "bytes": length}
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


def websocket(request: dict[str, Any]) -> dict[str, Any]:
    key, text = base64.b64encode(os.urandom(16)).decode(), request["websocket"].encode()
    connection = http.client.HTTPConnection(CLIENT, 8000, timeout=10, source_address=(CLIENT, 0))
    try:
        headers = {"Host": request["host"], "Upgrade": "websocket", "Connection": "Upgrade"}
        connection.request("GET", "/", headers=headers | {"Sec-WebSocket-Key": key, "Sec-WebSocket-Version": "13"})
        assert connection.sock is not None
        stream = connection.sock.makefile("rb")
        status = int(stream.readline().split()[1])
        lines = iter(stream.readline, b"\r\n")
        got = dict(line.decode().strip().lower().split(": ", 1) for line in lines if line)
        if status != 101 or got.get("sec-websocket-accept") != accepted(key).lower():
            return {"status": status, "text": str(got)}
        connection.sock.sendall(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)
        head = stream.read(2)
        return {"status": status, "text": stream.read(head[1]).decode()}
    finally:
        connection.close()


def looked_up(request: dict[str, Any]) -> dict[str, Any]:
    """What backends got: copies come after the answer, and spans in batches."""
    deadline = time.monotonic() + 15
    if "seen" in request:
        while len(seen[request["seen"]]) < request["until"] and time.monotonic() < deadline:
            time.sleep(0.1)
        return {"seen": seen[request["seen"]]}
    trace = bytes.fromhex(request["spans"])
    while "from" in request and not any(trace in sent for sent in spans) and time.monotonic() < deadline:
        time.sleep(0.1)
    found = [sent for sent in spans if trace in sent]
    return {"has": bool(found), "parent": any(bytes.fromhex(request.get("from", "ff")) in sent for sent in found)}


def serve(backend: dict[str, Any]) -> None:
    if backend["kind"] == "dead":
        return
    if backend["kind"] in ("grpc", "collector"):
        says = {"grpc": "echo.Echo", "collector": "opentelemetry.proto.collector.trace.v1.TraceService"}
        calls = {
            "grpc": ("Say", lambda request, _: backend["pod"].encode() + b" " + request),
            # Its answer without fields is one of no bytes.
            "collector": ("Export", lambda request, _: spans.append(request) or b""),
        }
        name, call_ = calls[backend["kind"]]
        methods = {name: grpc.unary_unary_rpc_method_handler(call_)}
        server = grpc.server(futures.ThreadPoolExecutor(2))
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(says[backend["kind"]], methods),))
        server.add_insecure_port(f"{backend['address']}:{backend['port']}")
        server.start()
        backend["server"] = server  # kept alive
        return
    made = type("Pod", (Echo,), {"pod": backend["pod"]})
    for port in (backend["port"], 80):  # a pod's own, and its Service's
        http_server = ThreadingHTTPServer((backend["address"], port), made)
        if backend["kind"] == "tls":
            with tempfile.TemporaryDirectory() as own:
                certificate(Path(own), "sealed.example.com")
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(Path(own) / "tls.crt", Path(own) / "tls.key")
            http_server.socket = context.wrap_socket(http_server.socket, server_side=True)
        threading.Thread(target=http_server.serve_forever, daemon=True).start()


def ask(request: dict[str, Any]) -> dict[str, Any]:
    """One request, over a connection of its own; redirects are not followed."""
    source = (request.get("source", CLIENT), 0)
    connection: http.client.HTTPConnection
    host = request["host"]
    if request.get("tls"):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(host, 8443, timeout=10, source_address=source, context=context)
        connection._create_connection = _to(CLIENT, 8443)  # type: ignore[attr-defined]
    else:
        connection = http.client.HTTPConnection(CLIENT, 8000, timeout=10, source_address=source)
    try:
        headers = {"Host": host, **request.get("headers", {})}
        body = b"x" * request["size"] if "size" in request else None
        connection.request(request.get("method", "GET"), request.get("path", "/"), body=body, headers=headers)
        response = connection.getresponse()
        text = response.read().decode(errors="replace")
        out: dict[str, Any] = {"status": response.status, "headers": dict(response.getheaders()), "text": text}
        if request.get("tls"):
            der = connection.sock.getpeercert(binary_form=True) if connection.sock else b""  # type: ignore[attr-defined]
            out["certificate"] = hashlib.sha256(der or b"").hexdigest()
    except OSError as error:
        return {"status": 0, "headers": {}, "text": str(error)}
    finally:
        connection.close()
    try:
        out["got"] = json.loads(text)
    except ValueError:
        out["got"] = {}
    return out


def _to(address: str, port: int) -> Any:
    import socket

    return lambda _host, timeout=10, source_address=None: socket.create_connection(
        (address, port), timeout, source_address
    )


def call(request: dict[str, Any]) -> dict[str, Any]:
    """A gRPC call over HTTP/2 in clear."""
    options = [("grpc.default_authority", request["host"])]
    with grpc.insecure_channel(f"{CLIENT}:8000", options=options) as channel:
        try:
            answer = channel.unary_unary(METHOD)(b"hello", timeout=10)
        except grpc.RpcError as error:
            return {"status": str(error.code()), "text": str(error.details())}
    return {"status": "OK", "text": answer.decode()}


def answered(request: dict[str, Any]) -> dict[str, Any]:
    if "seen" in request or "spans" in request:
        return looked_up(request)
    return call(request) if "grpc" in request else websocket(request) if "websocket" in request else ask(request)


def certificate(folder: Path, host: str) -> tuple[dict[str, Any], str]:
    """A Secret's data, and the digest of what it holds."""
    key, cert = folder / "tls.key", folder / "tls.crt"
    subject = ["-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, *subject]
    subprocess.run(command, check=True, capture_output=True)
    data = {name: base64.b64encode(file.read_bytes()).decode() for name, file in (("tls.key", key), ("tls.crt", cert))}
    der = ssl.PEM_cert_to_DER_cert(cert.read_text())
    return data, hashlib.sha256(der).hexdigest()


def main() -> None:
    plan = json.load(sys.stdin)
    folder, programs = Path(plan["folder"]), plan["programs"]
    addresses(plan["backends"])
    names(folder, plan["backends"])
    for backend in plan["backends"]:
        serve(backend)
    env = control_plane(folder, programs)
    until("the API server", lambda: kubectl(programs, env, "get", "--raw", "/readyz"))
    tls, digest = certificate(folder, "tls.example.com")
    users = base64.b64encode(b"ann:{SHA}" + base64.b64encode(hashlib.sha1(b"pw").digest())).decode()
    secrets = [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "tls", "namespace": "shop"},
            "type": "kubernetes.io/tls",
        }
        | {"data": tls},
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "users", "namespace": "shop"},
            "data": {"users": users},
        },
    ]
    until("the definitions", lambda: apply(programs, env, plan["definitions"]))
    kubectl(programs, env, "wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    until("the objects", lambda: apply(programs, env, plan["namespaces"]))
    try:
        apply(programs, env, [*secrets, *plan["objects"]])
    except OSError as error:
        json.dump({"answers": [], "refused": str(error), "digest": digest, "log": ""}, sys.stdout)
        return
    start(folder, "controller", programs["controller"], *plan["args"], **env)
    ready = plan["ready"]
    try:
        until("the first route", lambda: ask(ready)["status"] == 200)
        until("the last route", lambda: ask(plan["last"])["status"] == 200)
    except SystemExit as never:
        raise SystemExit(
            f"{never}: {ask(ready)} {(folder / 'controller.log').read_text(errors='replace')[-3000:]}"
        ) from never
    answers = [answered(r) for r in plan["requests"]]
    log = (folder / "controller.log").read_text(errors="replace")
    json.dump({"answers": answers, "refused": "", "digest": digest, "log": log[-4000:]}, sys.stdout)


if __name__ == "__main__":
    try:
        main()
    finally:
        for process in reversed(started):
            process.send_signal(signal.SIGKILL)
            process.wait()
