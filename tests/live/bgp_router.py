"""A router of the test's own: peers tell it by BGP which addresses they answer for (RFC 4271, 6793), and the kernel of
the network that it runs in sends there. `bgp_router.py AS PORT FILE`: the file says what it knows, as JSON.

It listens, tells its peers nothing, and takes IPv4 alone. What it put into the kernel it takes out at its end.
"""

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

OPEN, UPDATE, NOTIFICATION, KEEPALIVE = 1, 2, 3, 4
#: Seconds without a word after which a session is over, and between two of its own words.
HOLD, SAY = 15, 4
_MARKER = b"\xff" * 16
_NEXT_HOP = 3


def message(type_: int, body: bytes = b"") -> bytes:
    return _MARKER + struct.pack(">HB", 19 + len(body), type_) + body


def opening(asn: int, address: str) -> bytes:
    """With two capabilities: IPv4 unicast, and AS numbers of four octets."""
    capabilities = b"\x01\x04\x00\x01\x00\x01" + b"\x41\x04" + struct.pack(">I", asn)
    parameter = bytes([2, len(capabilities)]) + capabilities
    fixed = struct.pack(">BHH", 4, min(asn, 23456), HOLD) + socket.inet_aton(address)
    return message(OPEN, fixed + bytes([len(parameter)]) + parameter)


def prefixes(data: bytes) -> Iterator[str]:
    at = 0
    while at < len(data):
        bits, size = data[at], (data[at] + 7) // 8
        yield f"{socket.inet_ntoa(data[at + 1 : at + 1 + size].ljust(4, bytes(1)))}/{bits}"
        at += 1 + size


def update(body: bytes) -> tuple[list[str], str, list[str]]:
    """What is withdrawn, the next hop, and what is reached by it."""
    (withdrawn,) = struct.unpack(">H", body[:2])
    rest = body[2 + withdrawn :]
    (length,) = struct.unpack(">H", rest[:2])
    attributes, hop = rest[2 : 2 + length], ""
    while attributes:
        flags, type_ = attributes[:2]
        long = flags & 0x10
        size = int.from_bytes(attributes[2:4], "big") if long else attributes[2]
        start = 4 if long else 3
        if type_ == _NEXT_HOP:
            hop = socket.inet_ntoa(attributes[start : start + size])
        attributes = attributes[start + size :]
    return list(prefixes(body[2 : 2 + withdrawn])), hop, list(prefixes(rest[2 + length :]))


class Router:
    """`known`: peer -> what it answers for -> by which next hop."""

    def __init__(self, asn: int, file: Path) -> None:
        self._asn, self._file, self._lock = asn, file, threading.Lock()
        self.known: dict[str, dict[str, str]] = {}

    def serve(self, port: int) -> None:
        """For ever."""
        with socket.create_server(("", port)) as listening:
            while True:
                connection, (address, _) = listening.accept()
                threading.Thread(target=self._session, args=(connection, address), daemon=True).start()

    def _session(self, connection: socket.socket, peer: str) -> None:
        over = threading.Event()

        def keep_alive() -> None:
            while not over.wait(SAY):
                connection.sendall(message(KEEPALIVE))

        with connection, connection.makefile("rb") as stream:
            connection.settimeout(HOLD)
            try:
                for type_, body in self._messages(stream):
                    if type_ == OPEN:
                        connection.sendall(opening(self._asn, connection.getsockname()[0]) + message(KEEPALIVE))
                        threading.Thread(target=keep_alive, daemon=True).start()
                        self._change(partial(self.known.setdefault, peer, {}))
                    elif type_ == UPDATE:
                        self._change(partial(self._take, peer, *update(body)))
                    elif type_ == NOTIFICATION:
                        break
            except OSError:
                pass
            finally:
                over.set()
                self._change(partial(self.known.pop, peer, None))

    def _messages(self, stream: Any) -> Iterator[tuple[int, bytes]]:
        while len(head := stream.read(19)) == 19 and head[:16] == _MARKER:
            yield head[18], stream.read(int.from_bytes(head[16:18], "big") - 19)

    def _take(self, peer: str, withdrawn: list[str], hop: str, reached: list[str]) -> None:
        table = self.known.setdefault(peer, {})
        for prefix in withdrawn:
            table.pop(prefix, None)
        table.update(dict.fromkeys(reached, hop))

    def _change(self, change: Callable[[], object]) -> None:
        """And the kernel, and the file."""
        with self._lock:
            before = self._routes()
            change()
            after = self._routes()
            for prefix in before.keys() | after.keys():
                if before.get(prefix) != after.get(prefix):
                    self._route(prefix, after.get(prefix, []))
            whole = self._file.with_suffix(".new")
            whole.write_text(json.dumps({"peers": sorted(self.known), "routes": after}))
            whole.rename(self._file)

    def _routes(self) -> dict[str, list[str]]:
        found: dict[str, set[str]] = {}
        for table in self.known.values():
            for prefix, hop in table.items():
                found.setdefault(prefix, set()).add(hop)
        return {prefix: sorted(hops) for prefix, hops in sorted(found.items())}

    def _route(self, prefix: str, hops: list[str]) -> None:
        words = [word for hop in hops for word in ("nexthop", "via", hop)]
        action = ["replace", prefix, *words] if hops else ["delete", prefix]
        subprocess.run(["ip", "route", *action], check=False)

    def end(self) -> None:
        with self._lock:
            for prefix in self._routes():
                self._route(prefix, [])


def main(asn: str, port: str, file: str) -> None:
    router = Router(int(asn), Path(file))

    def stop(_number: int, _frame: FrameType | None) -> None:
        router.end()
        os._exit(0)

    signal.signal(signal.SIGTERM, stop)
    router.serve(int(port))


if __name__ == "__main__":
    main(*sys.argv[1:])
