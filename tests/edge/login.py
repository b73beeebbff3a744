"""A provider of OpenID Connect, at which everybody is ann at once, and a browser that logs in there: the authorization
code flow with a proof of who asked for the code (OpenID Connect Core 3.1, RFC 6749, RFC 7636)."""

import base64
import hashlib
import hmac
import http.client
import json
import secrets
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlencode, urlsplit

from servers import certificate

HOST, ADDRESS, PORT = "id.example.net", "10.200.0.3", 8444
ISSUER = f"https://{HOST}:{PORT}"
#: The client's id and secret, as a Secret has them that the controller reads.
CLIENT_ID, CLIENT_SECRET = "front-door", "told-to-nobody"
#: Where programs find the authorities that they trust (Debian's place, which is Envoy Gateway's too).
_TRUSTED = "/etc/ssl/certs/ca-certificates.crt"


class Provider(BaseHTTPRequestHandler):
    """`codes`: those that were given out and not changed yet, with what was said when they were asked for."""

    protocol_version = "HTTP/1.1"
    codes: ClassVar[dict[str, dict[str, str]]] = {}

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path == "/.well-known/openid-configuration":
            endpoints = {"authorization_endpoint": f"{ISSUER}/authorize", "token_endpoint": f"{ISSUER}/token"}
            self._say(200, {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys", **endpoints})
        elif url.path != "/authorize":
            self._say(404, {})
        elif (asked.get("client_id"), asked.get("response_type")) != (CLIENT_ID, "code") or "state" not in asked:
            self._say(400, {"error": "invalid_request"})
        elif "openid" not in asked.get("scope", "").split():
            self._say(400, {"error": "invalid_scope"})
        else:
            code = secrets.token_urlsafe(16)
            self.codes[code] = asked
            back = urlencode({"code": code, "state": asked["state"]})
            self._say(302, {}, Location=f"{asked['redirect_uri']}?{back}")

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        given = {name: values[0] for name, values in parse_qs(text).items()}
        who = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {who}":
            self._say(401, {"error": "invalid_client"})
            return
        asked = self.codes.pop(given.get("code", ""), None)
        if asked is None or given.get("redirect_uri") != asked["redirect_uri"] or not _proven(asked, given):
            self._say(400, {"error": "invalid_grant"})
            return
        token = {"access_token": secrets.token_urlsafe(16), "token_type": "Bearer", "expires_in": 600}
        self._say(200, token | {"id_token": _signed({"iss": ISSUER, "sub": "ann", "aud": CLIENT_ID})})

    def _say(self, status: int, what: dict[str, Any], **headers: str) -> None:
        body = json.dumps(what).encode()
        self.send_response(status)
        for name, value in ({"Content-Type": "application/json", "Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _proven(asked: dict[str, str], given: dict[str, str]) -> bool:
    """RFC 7636, 4.6."""
    proof = hashlib.sha256(given.get("code_verifier", "").encode()).digest()
    return (asked.get("code_challenge_method"), asked.get("code_challenge")) == ("S256", _bare(proof))


def _bare(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _signed(claims: dict[str, Any]) -> str:
    now = int(time.time())
    parts = ({"alg": "HS256", "typ": "JWT"}, claims | {"iat": now, "exp": now + 600})
    text = ".".join(_bare(json.dumps(part).encode()) for part in parts)
    return f"{text}.{_bare(hmac.digest(CLIENT_SECRET.encode(), text.encode(), 'sha256'))}"


def provide(folder: Path) -> None:
    """Its address must be there; programs of this namespace trust its certificate and no other."""
    own = folder / "provider"
    own.mkdir()
    certificate(own, HOST)
    subprocess.run(["mount", "--bind", own / "tls.crt", _TRUSTED], check=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own / "tls.crt", own / "tls.key")
    server = ThreadingHTTPServer((ADDRESS, PORT), Provider)
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
