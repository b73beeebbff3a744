"""Run in a network namespace of its own: etcd, an API server, a controller and backends, all on `lo`. Reads a plan of
what to do as JSON from standard input and prints the answers as JSON. What it started ends with it in any case."""

import base64
import hashlib
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import envoygateway
import grpc
import images
import login
from servers import METHOD, accepted, certificate, seen, serve, spans

#: Seconds until something that must come has come.
PATIENCE = 120
#: The client's address, and another one.
CLIENT, OTHER = "10.200.0.1", "10.200.0.2"
#: Where clients find the controller.
ports = {"http": 8000, "https": 8443}

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
    for address in (CLIENT, OTHER, login.ADDRESS, *(b["address"] for b in backends)):
        subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)


def names(folder: Path, backends: list[dict[str, Any]]) -> None:
    """In place of cluster DNS and Service addresses: each Service's name is its first pod."""
    rows = {b["service"]: b["address"] for b in reversed(backends)}
    text = "".join(f"{address} {name}.shop.svc.cluster.local\n" for name, address in rows.items())
    (folder / "hosts").write_text(f"127.0.0.1 localhost\n{login.ADDRESS} {login.HOST}\n{text}")
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


def websocket(request: dict[str, Any]) -> dict[str, Any]:
    key, text = base64.b64encode(os.urandom(16)).decode(), request["websocket"].encode()
    connection = to(request["host"], tls=False)
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


def to(host: str, tls: bool = True, source: str = CLIENT) -> http.client.HTTPConnection:
    """A connection of its own; the certificate is looked at afterwards, if at all."""
    if not tls:
        return http.client.HTTPConnection(CLIENT, ports["http"], timeout=10, source_address=(source, 0))
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection(host, timeout=10, context=context)
    connection._create_connection = lambda *_: socket.create_connection(  # type: ignore[attr-defined]
        (CLIENT, ports["https"]), 10, (source, 0)
    )
    return connection


def ask(request: dict[str, Any]) -> dict[str, Any]:
    """One request; redirects are not followed."""
    connection = to(request["host"], bool(request.get("tls")), request.get("source", CLIENT))
    try:
        headers = {"Host": request["host"], **request.get("headers", {})}
        body = b"x" * request["size"] if "size" in request else None
        for _ in range(request.get("before", 0)):  # on the same connection
            connection.request("GET", "/", headers=headers)
            connection.getresponse().read()
        connection.request(request.get("method", "GET"), request.get("path", "/"), body=body, headers=headers)
        response = connection.getresponse()
        text = response.read().decode(errors="replace")
        found = {name.title(): value for name, value in response.getheaders()}
        out: dict[str, Any] = {"status": response.status, "headers": found, "text": text}
        if request.get("tls"):
            der = connection.sock.getpeercert(binary_form=True) if connection.sock else b""  # type: ignore[attr-defined]
            out["certificate"] = hashlib.sha256(der or b"").hexdigest()
    except (OSError, http.client.HTTPException) as error:
        return {"status": 0, "headers": {}, "text": f"{type(error).__name__}: {error}", "got": {}}
    finally:
        connection.close()
    try:
        out["got"] = json.loads(text)
    except ValueError:
        out["got"] = {}
    return out


def call(request: dict[str, Any]) -> dict[str, Any]:
    """A gRPC call over HTTP/2 in clear."""
    options = [("grpc.default_authority", request["host"])]
    with grpc.insecure_channel(f"{CLIENT}:{ports['http']}", options=options) as channel:
        try:
            answer = channel.unary_unary(METHOD)(b"hello", timeout=10)
        except grpc.RpcError as error:
            return {"status": str(error.code()), "text": str(error.details())}
    return {"status": "OK", "text": answer.decode()}


def answered(request: dict[str, Any]) -> dict[str, Any]:
    if "seen" in request or "spans" in request:
        return looked_up(request)
    if "login" in request:
        return login.logged_in(request["login"], "/x?y=1", to)
    if "again" in request:
        return kept(request)
    return call(request) if "grpc" in request else websocket(request) if "websocket" in request else ask(request)


def kept(request: dict[str, Any]) -> dict[str, Any]:
    """One request, and with the cookie that it brought as many as are wanted: the pods that answered those."""
    first = ask(request)
    cookie = first["headers"].get("Set-Cookie", "").partition(";")[0]
    others = [ask({**request, "headers": {"Cookie": cookie}}) for _ in range(request["again"])]
    return {**first, "again": [answer["got"].get("pod") for answer in others]}


def secret(name: str, data: dict[str, str], kind: str = "Opaque") -> dict[str, Any]:
    """`data`: as it stands in the object."""
    meta = {"name": name, "namespace": "shop"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": kind, "data": data}


def encoded(text: bytes) -> str:
    return base64.b64encode(text).decode()


def hashed(crypt: bool) -> bytes:
    """Ann's password, as crypt(3) does it or as {SHA}."""
    if crypt:
        command = ["openssl", "passwd", "-6", "-salt", "salt", "pw"]
        return subprocess.run(command, check=True, capture_output=True).stdout.strip()
    return b"{SHA}" + base64.b64encode(hashlib.sha1(b"pw").digest())


def main() -> None:
    plan = json.load(sys.stdin)
    folder, programs = Path(plan["folder"]), plan["programs"]
    ports.update(plan["ports"])
    addresses(plan["backends"])
    names(folder, plan["backends"])
    login.provide(folder)
    for backend in plan["backends"]:
        login.in_clear(backend) if backend["kind"] == "provider" else serve(backend)
    env = control_plane(folder, programs)
    until("the API server", lambda: kubectl(programs, env, "get", "--raw", "/readyz"))
    tls, digest = certificate(folder, "tls.example.com")
    users = encoded(b"ann:" + hashed(plan["crypt"]))
    client = {"client-id": login.CLIENT_ID, "client-secret": login.CLIENT_SECRET}
    secrets = [
        secret("tls", tls, "kubernetes.io/tls"),
        secret("users", {plan["users"]: users}),
        secret("client", {name: encoded(text.encode()) for name, text in client.items()}),
    ]
    if plan["definitions"]:
        until("the definitions", lambda: apply(programs, env, plan["definitions"]))
        kubectl(programs, env, "wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    until("the objects", lambda: apply(programs, env, plan["namespaces"]))
    try:
        apply(programs, env, [*secrets, *plan["objects"]])
    except OSError as error:
        json.dump({"answers": [], "refused": str(error), "digest": digest, "log": ""}, sys.stdout)
        return
    control(folder, plan, env)
    try:
        for what in ("ready", "last"):
            until(f"the {what} route", lambda what=what: ask(plan[what])["status"] == 200)
    except SystemExit as never:
        log = (folder / "controller.log").read_text(errors="replace")
        raise SystemExit(f"{never}: {ask(plan['ready'])} {log[-6000:]}") from never
    answers = [answered(r) for r in plan["requests"]]
    log = (folder / "controller.log").read_text(errors="replace")
    json.dump({"answers": answers, "refused": "", "digest": digest, "log": log[-8000:]}, sys.stdout)


def control(folder: Path, plan: dict[str, Any], env: dict[str, str]) -> None:
    """The controller itself, with its proxy where that is another program."""
    programs = plan["programs"]
    if "envoy" in programs:
        command = envoygateway.prepared(folder, programs, plan["version"], env)
    elif "image" in programs:
        command = images.prepared(folder, programs["image"], plan["args"], env["KUBECONFIG"])
    else:
        command = [programs["controller"], *plan["args"]]
    start(folder, "controller", *command, **env)


def end() -> None:
    """The last first; Envoy Gateway ends its Envoy."""
    for process in reversed(started):
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


if __name__ == "__main__":
    try:
        main()
    finally:
        end()
