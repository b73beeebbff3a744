"""WebSockets over a connection that somebody else makes (RFC 6455): a handshake, then texts and what comes back."""

import base64
import hashlib
import secrets
from collections.abc import Sequence
from contextlib import ExitStack
from http.client import parse_headers
from typing import BinaryIO

from netspec.probes import HttpAsk
from netspec.verify.client import Connect, handshake

#: RFC 6455, 4.2.2.
_MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#: Bytes of a line of an answer's head.
_LONGEST = 65536


def accepted(key: str) -> str:
    """What a server says to a client's key.

    >>> accepted("dGhlIHNhbXBsZSBub25jZQ==")
    's3pPLMBiTxaQ9kYGzzhZRbK+xOo='
    """
    return base64.b64encode(hashlib.sha1(f"{key}{_MAGIC}".encode()).digest()).decode()


def exchanged(connect: Connect, ask: HttpAsk, texts: Sequence[str]) -> tuple[int, list[str]]:
    """The status, and what came back for each text; nothing unless the status is 101. Raises OSError where the
    connection breaks off, or where what came is not a WebSocket's."""
    key = base64.b64encode(secrets.token_bytes(16)).decode()
    headers = {
        "Host": ask.host,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": key,
        "Sec-WebSocket-Version": "13",
        **dict(ask.headers),
    }
    lines = [f"GET {ask.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    with ExitStack() as stack:
        sock = stack.enter_context(connect())
        if ask.tls:
            sock = stack.enter_context(handshake(sock, ask.host))
        sock.sendall("\r\n".join(lines).encode())
        stream = stack.enter_context(sock.makefile("rb"))
        words = stream.readline(_LONGEST).split(None, 2)
        if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
            raise OSError("no answer of HTTP came")
        status, got = int(words[1]), parse_headers(stream)
        if status != 101:
            return status, []
        if got.get("Sec-WebSocket-Accept") != accepted(key):
            raise OSError("what the server says to the key is not this key's")
        out = []
        for text in texts:
            sock.sendall(frame(text.encode()))
            out.append(_text(stream))
        return status, out


def frame(data: bytes) -> bytes:
    """A text that a client sends, at most 125 bytes of it: one frame, masked."""
    mask = secrets.token_bytes(4)
    return bytes([0x81, 0x80 | len(data)]) + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))


def _text(stream: BinaryIO) -> str:
    """The next frame of a server, a whole text."""
    head = stream.read(2)
    if len(head) < 2 or head[0] != 0x81 or head[1] > 125:
        raise OSError("no short text came")
    return stream.read(head[1]).decode("utf-8", "replace")
