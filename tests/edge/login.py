"""The stand-in for a provider of OpenID Connect, and logins there by the browser that verification has too."""

import base64
import http.client
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from servers import certificate

from netspec.backends.common.server import Provider
from netspec.verify.client import Answer
from netspec.verify.login import Browser, Get, target

HOST, ADDRESS, PORT = "id.example.net", "10.200.0.3", 8444
ISSUER = f"https://{HOST}:{PORT}"
#: The client's id and secret, as a Secret has them that the controller reads.
CLIENT_ID, CLIENT_SECRET = "front-door", "told-to-nobody"
#: Where programs find the authorities that they trust (Debian's place, which is Envoy Gateway's too).
_TRUSTED = "/etc/ssl/certs/ca-certificates.crt"


class Known(Provider):
    """At its name, over HTTPS, and as a pod: all give out and take the same codes."""

    client = (CLIENT_ID, CLIENT_SECRET)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


def in_clear(backend: dict[str, Any]) -> None:
    """As a pod, on each of its ports."""
    for port in backend["ports"]:
        server = ThreadingHTTPServer((backend["address"], port), Known)
        threading.Thread(target=server.serve_forever, daemon=True).start()


def provide(folder: Path) -> None:
    """Its address must be there; programs of this namespace trust its certificate and no other."""
    own = folder / "provider"
    own.mkdir()
    certificate(own, HOST)
    subprocess.run(["mount", "--bind", own / "tls.crt", _TRUSTED], check=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own / "tls.crt", own / "tls.key")
    server = ThreadingHTTPServer((ADDRESS, PORT), Known)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def _getting(connect: Callable[[str], http.client.HTTPConnection]) -> Get:
    """Of a host that `connect` reaches."""

    def get(host: str, path: str, cookies: str) -> Answer:
        connection = connect(host)
        try:
            connection.request("GET", path, headers={"Host": host} | ({"Cookie": cookies} if cookies else {}))
            response = connection.getresponse()
            text = response.read().decode(errors="replace")
            location = {"location": response.headers.get("Location", "")}
            return Answer(response.status, location, text, tuple(response.headers.get_all("Set-Cookie") or ()))
        finally:
            connection.close()

    return get


def _provider(location: str) -> str:
    """Where the provider sends the browser to, as it answers without asking who it is."""
    url = urlsplit(location)
    context = ssl.create_default_context(cafile=_TRUSTED)
    connection = http.client.HTTPSConnection(url.hostname or "", url.port, timeout=10, context=context)
    try:
        connection.request("GET", f"{url.path}?{url.query}")
        response = connection.getresponse()
        response.read()
        return response.headers.get("Location", f"no redirect, but {response.status}")
    finally:
        connection.close()


def logged_in(host: str, path: str, connect: Callable[[str], http.client.HTTPConnection]) -> dict[str, Any]:
    """A whole login; and what becomes of one that is not what the provider said, or of a session that is forged."""
    get = _getting(connect)
    browser = Browser(host, get)
    first = browser.get(path)
    back = _provider(first.headers["location"])
    came = browser.get(target(back))
    answer = browser.get(path)
    asked = urlsplit(first.headers["location"]).query
    out = {
        "statuses": [step.status for step in (first, came, answer)],
        "provider": first.sent_to,
        "asked": {name: values[0] for name, values in parse_qs(asked).items()},
        "back": back.partition("?")[0],
        "came": came.headers["location"],
        "text": answer.body,
        "attributes": [sorted(found) for name, found in browser.said.items() if name in browser.cookies],
    }
    return out | dict(_refused(host, path, get, browser))


def _refused(host: str, path: str, get: Get, whole: Browser) -> Iterator[tuple[str, int]]:
    for what, change in (("code", {"code": "made-up"}), ("state", {"state": "made-up"})):
        other = Browser(host, get)
        back = _provider(other.get(path).headers["location"])
        yield f"a made-up {what}", other.get(target(back, **change)).status
        yield f"after a made-up {what}", other.get(path).status
    # Somebody else's browser, which did not begin this login.
    stranger = Browser(host, get)
    begun = Browser(host, get).get(path).headers["location"]
    yield "a stranger's code", stranger.get(target(_provider(begun))).status
    (name,) = [name for name in whole.cookies if "hmac" in name.lower()]
    whole.cookies[name] = base64.b64encode(bytes(32)).decode(), whole.cookies[name][1]
    yield "a forged session", whole.get(path).status
