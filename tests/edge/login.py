"""The stand-in for a provider of OpenID Connect, and a browser that logs in there."""

import base64
import http.client
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from servers import certificate

from netspec.backends.common.server import Provider

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


class Browser:
    """Keeps cookies of one host, which `connect` reaches."""

    def __init__(self, host: str, connect: Callable[[str], http.client.HTTPConnection]) -> None:
        self.host, self.connect = host, connect
        self.cookies: dict[str, str] = {}
        self.attributes: dict[str, set[str]] = {}

    def get(self, target: str) -> dict[str, Any]:
        connection = self.connect(self.host)
        try:
            cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
            connection.request("GET", target, headers={"Host": self.host} | ({"Cookie": cookies} if cookies else {}))
            response = connection.getresponse()
            text = response.read().decode(errors="replace")
            for line in response.headers.get_all("Set-Cookie") or ():
                self.keep(line)
            return {"status": response.status, "location": response.headers.get("Location", ""), "text": text}
        finally:
            connection.close()

    def keep(self, line: str) -> None:
        """RFC 6265, 5.2: one whose time is over is forgotten."""
        (name, _, value), *rest = (part.strip().partition("=") for part in line.split(";"))
        said = {key.lower(): text for key, _, text in rest}
        if "1970" in said.get("expires", "") or said.get("max-age") == "0":
            self.cookies.pop(name, None)
        else:
            self.cookies[name], self.attributes[name] = value, set(said)


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


def _target(location: str, **change: str) -> str:
    url = urlsplit(location)
    query = {name: values[0] for name, values in parse_qs(url.query).items()} | change
    return f"{url.path}?{urlencode(query)}" if query else url.path


def logged_in(host: str, path: str, connect: Callable[[str], http.client.HTTPConnection]) -> dict[str, Any]:
    """A whole login; and what becomes of one that is not what the provider said, or of a session that is forged."""
    browser = Browser(host, connect)
    first = browser.get(path)
    asked = urlsplit(first["location"])
    back = _provider(first["location"])
    came = browser.get(_target(back))
    answer = browser.get(path)
    out = {
        "statuses": [step["status"] for step in (first, came, answer)],
        "provider": f"{asked.scheme}://{asked.netloc}{asked.path}",
        "asked": {name: values[0] for name, values in parse_qs(asked.query).items()},
        "back": back.partition("?")[0],
        "came": came["location"],
        "text": answer["text"],
        "attributes": [sorted(found) for name, found in browser.attributes.items() if name in browser.cookies],
    }
    return out | dict(_refused(host, path, connect, browser))


def _refused(
    host: str, path: str, connect: Callable[[str], http.client.HTTPConnection], whole: Browser
) -> Iterator[tuple[str, int]]:
    for what, change in (("code", {"code": "made-up"}), ("state", {"state": "made-up"})):
        other = Browser(host, connect)
        back = _provider(other.get(path)["location"])
        yield f"a made-up {what}", other.get(_target(back, **change))["status"]
        yield f"after a made-up {what}", other.get(path)["status"]
    # Somebody else's browser, which did not begin this login.
    stranger = Browser(host, connect)
    yield "a stranger's code", stranger.get(_target(_provider(Browser(host, connect).get(path)["location"])))["status"]
    (name,) = [name for name in whole.cookies if "hmac" in name.lower()]
    whole.cookies[name] = base64.b64encode(bytes(32)).decode()
    yield "a forged session", whole.get(path)["status"]
