"""Run in a network namespace of its own: a controller of Gateways and backends, all on `lo`; Envoy Gateway without a
cluster (its objects from a file), another one beside an API server. Reads a plan of what to do as JSON from standard
input and prints the answers as JSON."""

import http.client
import json
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from frontdoor import METHOD, addresses, apply, control_plane, kubectl, seen, serve, start, started, until


def ask(request: dict[str, Any]) -> dict[str, Any]:
    """One request, over a connection of its own; redirects are not followed."""
    if request.get("seen"):
        return {"got": seen[request["seen"]]}
    if request.get("grpc"):
        return call(request)
    connection = http.client.HTTPConnection("127.0.0.1", request["port"], timeout=10)
    headers = {"Host": request["host"], **request.get("headers", {})}
    try:
        connection.request(request.get("method", "GET"), request.get("path", "/"), headers=headers)
        response = connection.getresponse()
        text = response.read().decode(errors="replace")
        out: dict[str, Any] = {"status": response.status, "headers": dict(response.getheaders()), "text": text}
    except OSError as error:
        return {"status": 0, "headers": {}, "text": str(error), "got": {}}
    finally:
        connection.close()
    try:
        return out | {"got": json.loads(text)}
    except ValueError:
        return out | {"got": {}}


def call(request: dict[str, Any]) -> dict[str, Any]:
    options = [("grpc.default_authority", request["host"])]
    metadata = [(name.lower(), value) for name, value in request.get("headers", {}).items()]
    with grpc.insecure_channel(f"127.0.0.1:{request['port']}", options=options) as channel:
        try:
            answer = channel.unary_unary(request.get("path", METHOD))(b"hello", timeout=10, metadata=metadata)
        except grpc.RpcError as error:
            return {"status": str(error.code()), "text": str(error.details()), "got": {}}
    return {"status": "OK", "text": answer.decode(), "got": {"pod": answer.decode().partition(" ")[0]}}


def gateway(folder: Path, plan: dict[str, Any]) -> None:
    """Envoy Gateway with what it would have from the network: its certificates, and Envoy where it looks for it."""
    program = plan["programs"]["envoy-gateway"]
    for name in ("resources", "config", "state", "run"):
        (folder / name).mkdir()
    (folder / "resources" / "all.yaml").write_text("---\n".join(json.dumps(obj) + "\n" for obj in plan["objects"]))
    place = folder / "data" / "envoy-versions" / plan["version"] / "bin"
    place.mkdir(parents=True)
    (place / "envoy").symlink_to(plan["programs"]["envoy"])
    certgen = [program, "certgen", "--local", "--config-home", str(folder / "config")]
    subprocess.run(certgen, check=True, capture_output=True)
    host = {
        "configHome": str(folder / "config"),
        "dataHome": str(folder / "data"),
        "stateHome": str(folder / "state"),
        "runtimeDir": str(folder / "run"),
    }
    custom = {
        "resource": {"type": "File", "file": {"paths": [str(folder / "resources")]}},
        "infrastructure": {"type": "Host", "host": host},
    }
    settings = {
        "apiVersion": "gateway.envoyproxy.io/v1alpha1",
        "kind": "EnvoyGateway",
        "gateway": {"controllerName": "gateway.envoyproxy.io/gatewayclass-controller"},
        "provider": {"type": "Custom", "custom": custom},
        "logging": {"level": {"default": "info"}},
    }
    (folder / "gateway.yaml").write_text(json.dumps(settings))
    start(folder, "gateway", program, "server", "--config-path", str(folder / "gateway.yaml"))


def beside_an_api_server(folder: Path, plan: dict[str, Any]) -> None:
    programs = plan["programs"]
    env = control_plane(folder, programs)
    until("the API server", lambda: kubectl(programs, env, "get", "--raw", "/readyz"))
    for kind in ("definitions", "namespaces", "objects"):
        apply(programs, env, plan[kind])
        if kind == "definitions":
            kubectl(programs, env, "wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    start(folder, "gateway", programs["controller"], *plan["args"], **env)


def main() -> None:
    plan = json.load(sys.stdin)
    folder = Path(plan["folder"])
    addresses(plan["backends"])
    for backend in plan["backends"]:
        serve(backend)
    gateway(folder, plan) if "envoy" in plan["programs"] else beside_an_api_server(folder, plan)
    log = folder / "gateway.log"
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
        for process in reversed(started):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
