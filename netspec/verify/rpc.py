"""Calls of gRPC over a connection that somebody else makes, as netspec/verify/client.py speaks HTTP over one."""

import selectors
import socket
import ssl
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from netspec.probes import HttpAsk
from netspec.verify.client import Connect, handshake
from netspec.verify.streams import PATIENCE

#: grpc.health.v1.HealthCheckResponse.ServingStatus
_SERVING = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
#: What the library says where nobody answered: not the server's word.
_NOBODY = ("UNAVAILABLE", "DEADLINE_EXCEEDED")
_CHUNK = 65536


def health(connect: Connect, ask: HttpAsk, services: Sequence[str]) -> dict[str, str]:
    """Service -> what the health checking protocol says of it, or the call's status. Raises OSError where no answer
    came."""
    import grpc

    out: dict[str, str] = {}
    with _channel(connect, ask) as channel:
        call = channel.unary_unary(ask.path)
        for service in services:
            try:
                out[service] = _status(call(_named(service), timeout=PATIENCE, metadata=_metadata(ask)))
            except grpc.RpcError as error:
                out[service] = _code(error)
    return out


def _named(service: str) -> bytes:
    """A message whose first field is the name."""
    return bytes([0x0A, len(service)]) + service.encode()


def _status(answer: bytes) -> str:
    """Its one field is the status (0 is left out)."""
    return _SERVING[answer[1] if len(answer) == 2 else 0]


def _metadata(ask: HttpAsk) -> list[tuple[str, str]]:
    return [(name.lower(), value) for name, value in ask.headers]


def _code(error: Any) -> str:
    code = error.code().name
    if code in _NOBODY:
        raise OSError(f"{code}: {error.details()}") from error
    return str(code)


@contextmanager
def _channel(connect: Connect, ask: HttpAsk) -> Iterator[Any]:
    import grpc

    with ExitStack() as stack:
        sock = stack.enter_context(connect())
        if ask.tls:
            sock = stack.enter_context(handshake(sock, ask.host, protocols=("h2",)))
            assert isinstance(sock, ssl.SSLSocket)
            if sock.selected_alpn_protocol() != "h2":
                raise OSError("HTTP/2 is not offered")
        path = stack.enter_context(_bridged(sock))
        options = [("grpc.default_authority", ask.host)]
        yield stack.enter_context(grpc.insecure_channel(f"unix:{path}", options=options))


@contextmanager
def _bridged(stream: socket.socket) -> Iterator[Path]:
    """A socket in the file system that leads to the stream, for one caller: the library makes its own connections."""
    with tempfile.TemporaryDirectory(prefix="netspec-door-") as folder, socket.socket(socket.AF_UNIX) as listening:
        path = Path(folder) / "door"
        listening.bind(str(path))
        listening.listen(1)
        listening.settimeout(PATIENCE)
        thread = threading.Thread(target=_pass_on, args=(listening, stream), daemon=True)
        thread.start()
        try:
            yield path
        finally:
            thread.join(PATIENCE)


def _pass_on(listening: socket.socket, stream: socket.socket) -> None:
    """Both ways in one thread, for a TLS connection is not to be used by two; until either end is through."""
    with suppress(OSError):
        caller, _ = listening.accept()
        with caller, selectors.DefaultSelector() as selector:
            others: Mapping[socket.socket, socket.socket] = {caller: stream, stream: caller}
            for end in others:
                selector.register(end, selectors.EVENT_READ)
            while ready := selector.select(PATIENCE):
                for key, _ in ready:
                    side = key.fileobj
                    assert isinstance(side, socket.socket)
                    while True:
                        data = side.recv(_CHUNK)
                        if not data:
                            return
                        others[side].sendall(data)
                        if not (isinstance(side, ssl.SSLSocket) and side.pending()):
                            break
