"""Run in a network namespace of its own: etcd, an API server, a controller of Gateways and backends, all on `lo`.
Reads a plan of what to do as JSON from standard input and prints the answers as JSON."""

import http.client
import json
import socket
import ssl
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from frontdoor import addresses, apply, control, control_plane, end, kubectl, secret, until
from servers import METHOD, certificate, seen, serve


def to(request: dict[str, Any]) -> http.client.HTTPConnection:
    """A connection of its own, by TLS with the host's name (SNI)."""
    if not request.get("tls"):
        return http.client.HTTPConnection("127.0.0.1", request["port"], timeout=10)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection(request["host"], timeout=10, context=context)
    connection._create_connection = lambda *_: socket.create_connection(  # type: ignore[attr-defined]
        ("127.0.0.1", request["port"]), 10
    )
    return connection


def ask(request: dict[str, Any]) -> dict[str, Any]:
    """One request; redirects are not followed."""
    if request.get("seen"):
        return {"got": seen[request["seen"]]}
    if request.get("grpc"):
        return call(request)
    if request.get("udp"):
        return datagram(request)
    connection = to(request)
    # As clients say it where the port is not the scheme's own (RFC 9112, 3.2).
    headers = {"Host": f"{request['host']}:{request['port']}", **request.get("headers", {})}
    try:
        connection.request(request.get("method", "GET"), request.get("path", "/"), headers=headers)
        response = connection.getresponse()
        text = response.read().decode(errors="replace")
        found = {name.title(): value for name, value in response.getheaders()}
        out: dict[str, Any] = {"status": response.status, "headers": found, "text": text, "got": {}}
        if request.get("tls"):
            out["name"] = named(connection)
    except (OSError, http.client.HTTPException) as error:
        return {"status": 0, "headers": {}, "text": str(error), "got": {}}
    finally:
        connection.close()
    try:
        return out | {"got": json.loads(text)}
    except ValueError:
        return out


def named(connection: http.client.HTTPConnection) -> str:
    """The name in the certificate that was shown."""
    der = connection.sock.getpeercert(binary_form=True)  # type: ignore[attr-defined]
    command = ["openssl", "x509", "-inform", "der", "-noout", "-subject", "-nameopt", "multiline"]
    shown = subprocess.run(command, input=der, capture_output=True, check=True).stdout.decode()
    return shown.rpartition("= ")[2].strip()


def datagram(request: dict[str, Any]) -> dict[str, Any]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.sendto(request["udp"].encode(), ("127.0.0.1", request["port"]))
        try:
            return {"text": sock.recv(1024).decode()}
        except OSError as error:
            return {"text": "", "error": str(error)}


def call(request: dict[str, Any]) -> dict[str, Any]:
    options = [("grpc.default_authority", request["host"])]
    metadata = [(name.lower(), value) for name, value in request.get("headers", {}).items()]
    with grpc.insecure_channel(f"127.0.0.1:{request['port']}", options=options) as channel:
        try:
            answer = channel.unary_unary(request.get("path", METHOD))(b"hello", timeout=10, metadata=metadata)
        except grpc.RpcError as error:
            return {"status": str(error.code()), "text": str(error.details()), "got": {}}
    return {"status": "OK", "text": answer.decode(), "got": {"pod": answer.decode().partition(" ")[0]}}


def main() -> None:
    plan = json.load(sys.stdin)
    folder, programs = Path(plan["folder"]), plan["programs"]
    addresses(plan["backends"])
    for backend in plan["backends"]:
        serve(backend)
    env = control_plane(folder, programs)
    until("the API server", lambda: kubectl(programs, env, "get", "--raw", "/readyz"))
    tls = secret("tls", certificate(folder, "*.test.io")[0], "kubernetes.io/tls")
    apply(programs, env, plan["definitions"])
    kubectl(programs, env, "wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    apply(programs, env, plan["namespaces"])
    apply(programs, env, [tls, *plan["objects"]])
    control(folder, plan, env)
    log = folder / "controller.log"
    try:
        for request in plan["ready"]:
            until(f"{request['host']} at {request['port']}", lambda request=request: ask(request)["status"] == 200)
    except SystemExit as never:
        raise SystemExit(f"{never}: {log.read_text(errors='replace')[-6000:]}") from never
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, plan["requests"]))
    answers += [ask(request) for request in plan["afterwards"]]
    json.dump({"answers": answers, "log": log.read_text(errors="replace")[-8000:]}, sys.stdout)


if __name__ == "__main__":
    try:
        main()
    finally:
        end()
