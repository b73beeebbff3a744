"""The server: moto's, with a log of what was changed, the webhook of tokens, and a way to steer it."""

import io
import json
import os
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterable
from typing import Any

os.environ.setdefault("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")

from moto.ec2.models import ec2_backends
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

from airgap.aws import operations, teeth, tokens
from airgap.aws.records import WORLD

Start = Callable[..., Any]
_READS = ("Describe", "Get", "List", "BatchGet")
#: What a call is about: the first of these that it gives.
_ABOUT = ("addonName", "nodegroupName", "principalArn", "serviceAccount", "name")
_QUERIED = ("RoleName", "PolicyArn", "LaunchTemplateName", "SubnetId", "GroupId", "CidrBlock", "VpcId")


def call_of(method: str, path: str, target: str, body: bytes) -> str | None:
    """A call that changes something, in words; None for one that only reads.

    >>> call_of("POST", "/clusters/a/addons", "", b'{"addonName": "coredns"}')
    'POST /clusters/a/addons coredns'
    >>> call_of("POST", "/", "", b"Action=DeleteSubnet&SubnetId=subnet-1"), call_of("GET", "/clusters/a", "", b"")
    ('DeleteSubnet subnet-1', None)
    """
    if path.startswith("/clusters"):
        given = json.loads(body) if body else {}
        about = next((str(given[key]) for key in _ABOUT if key in given), "")
        return None if method == "GET" else f"{method} {urllib.parse.unquote(path)} {about}".strip()
    query = {key: values[0] for key, values in urllib.parse.parse_qs(body.decode("utf-8", "replace")).items()}
    action = query.get("Action") or target.rpartition(".")[2]
    if not action or action.startswith(_READS):
        return None
    return " ".join([action, *(query[key] for key in _QUERIED if key in query)])


def own(path: str, body: bytes) -> Any:
    """What this stand-in answers itself."""
    if path == "/netspec/calls":
        return WORLD.calls
    if path == "/netspec/times":
        return WORLD.times
    if path == "/netspec/held":
        return WORLD.held
    if path == "/netspec/interfaces":
        found = [backend for regions in ec2_backends.values() for backend in regions.values()]
        return [interface.description for backend in found for interface in backend.enis.values()]
    if path == "/netspec/set":
        for key, value in json.loads(body).items():
            setattr(WORLD, key, value)
        return {}
    _, _, account, region, cluster = path.split("/")
    return tokens.review(json.loads(body), account, region, cluster)


def refusal(path: str, code: str, message: str) -> tuple[str, str]:
    """Content type and body of an error: EKS speaks JSON, EC2 and IAM XML of two shapes, which read as one."""
    if path.startswith("/clusters"):
        return "application/json", json.dumps({"message": message})
    error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return "text/xml", f"<Response><Errors>{error}</Errors>{error}</Response>"


def hold() -> None:
    WORLD.held += 1
    for _ in range(6000):
        if not WORLD.holding:
            break
        time.sleep(0.02)


def application() -> Callable[[dict[str, Any], Start], Iterable[bytes]]:
    inner = DomainDispatcherApplication(create_backend_app)

    def answer(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        if path.startswith(("/netspec/", "/token-review/")):
            text = json.dumps(own(path, body)).encode()
            start("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(text)))])
            return [text]
        call = call_of(environ["REQUEST_METHOD"], path, environ.get("HTTP_X_AMZ_TARGET", ""), body)
        for begins, (code, message) in WORLD.refusing.items():
            if call and call.startswith(begins):
                kind, said = refusal(path, code, message)
                start("403 Forbidden", [("Content-Type", kind), ("x-amzn-ErrorType", code)])
                return [said.encode()]
        if call:
            WORLD.log(call)
        found: Iterable[bytes] = inner(environ, start)
        if call and WORLD.holding and call.startswith(WORLD.holding):
            hold()
        return found

    return answer


def main(port: int) -> None:
    """On loopback; the port's number is the first line on stdout (0: a free one)."""
    operations.install()
    teeth.install()
    server = make_server("127.0.0.1", port, application(), threaded=True, request_handler=MotoRequestHandler)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
