"""An HTTP client over a connection that somebody else makes: requests one after the other, each answer in full."""

import ssl
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from socket import socket
from types import TracebackType

from netspec.probes import HttpAsk
from netspec.verify.streams import PATIENCE

#: RFC 9110, 15.4.
REDIRECTS = (301, 302, 303, 307, 308)
#: What a connection that breaks off raises.
BROKEN = (OSError, HTTPException)

Connect = Callable[[], AbstractContextManager[socket]]


@dataclass(frozen=True, slots=True)
class Answer:
    """`headers`: names in lower case; of one that comes twice both values, joined. `cookies`: each that was set."""

    status: int
    headers: dict[str, str]
    body: str
    cookies: tuple[str, ...] = ()

    @property
    def sent_to(self) -> str:
        """Where one is sent to, without what goes along."""
        return self.headers.get("location", "").partition("?")[0]


class Client:
    """Speaks to one host. A connection that the other end has closed after an answer is made again."""

    def __init__(self, connect: Connect, tls: bool, port: int = 0) -> None:
        """`port`: that of the URL, 0 for the scheme's own."""
        self._connect, self._tls = connect, tls
        self._port = "" if port in (0, 443 if tls else 80) else f":{port}"
        self._open = ExitStack()
        self._connection: HTTPConnection | None = None

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._close()

    def ask(self, request: HttpAsk, *more: tuple[str, str]) -> Answer:
        """`more`: headers besides. Raises one of BROKEN where no answer came."""
        if self._connection is not None:
            try:
                return self._send(self._connection, request, more)
            except BROKEN:
                self._close()
        return self._send(self._opened(request.host), request, more)

    def _send(self, connection: HTTPConnection, request: HttpAsk, more: tuple[tuple[str, str], ...]) -> Answer:
        body = b"x" * request.size if request.size else None
        host = {"Host": f"{request.host}{self._port}"}
        connection.request(request.method, request.path, body, {**host, **dict(request.headers), **dict(more)})
        response = connection.getresponse()
        text = response.read().decode("utf-8", "replace")
        headers: dict[str, str] = {}
        for name, value in response.getheaders():
            name = name.lower()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        if response.will_close:
            self._close()
        return Answer(response.status, headers, text, tuple(response.headers.get_all("Set-Cookie") or ()))

    def _opened(self, host: str) -> HTTPConnection:
        connection = HTTPConnection(host, timeout=PATIENCE)
        sock = self._open.enter_context(self._connect())
        connection.sock = self._open.enter_context(handshake(sock, host)) if self._tls else sock
        self._connection = connection
        return connection

    def _close(self) -> None:
        self._connection = None
        self._open.close()


def handshake(
    sock: socket, host: str, trusted: str = "", names: bool = False, protocols: Sequence[str] = ()
) -> ssl.SSLSocket:
    """TLS to `host` (SNI). `trusted`: the one certificate (PEM) that is, else any; `names`: it must be the host's.
    `protocols`: those that are offered (ALPN)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = names
    context.verify_mode = ssl.CERT_REQUIRED if trusted else ssl.CERT_NONE
    if protocols:
        context.set_alpn_protocols(list(protocols))
    if trusted:
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(cadata=trusted)
    return context.wrap_socket(sock, server_hostname=host)
