"""Payloads larger than one packet: a path that loses full-size packets still lets every small probe through."""

from collections.abc import Iterator

from netspec.probes import PacketProbe


def packets() -> Iterator[PacketProbe]:
    """Between the nodes, whatever runs on them: by pod address and through a Service, TCP and UDP."""
    for via in ("pod", "cluster-ip"):
        for protocol in ("TCP", "UDP"):
            yield PacketProbe(f"packets:{via}:{protocol}", via, protocol)
