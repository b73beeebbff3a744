"""The ports of Calico's rules: protocols by name or number, names, ranges, and all but some.

Source: projectcalico/calico, api/pkg/lib/numorstring (port.go, protocol.go), felix/rules/policy.go.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from netspec.diagnostics import Path
from netspec.ir.model import PolicyPort, Protocol
from netspec.manifests.fields import Bad, Object, items, port, port_number

_PROTOCOLS: dict[str, Protocol] = {"TCP": "TCP", "UDP": "UDP", "SCTP": "SCTP", "6": "TCP", "17": "UDP", "132": "SCTP"}
_LAST = 65535


class Ports(NamedTuple):
    """Reads the ports that a rule is about: `to` is the called, the peer of egress rules."""

    rule: Object
    path: Path
    to: Object
    to_path: Path

    def read(self) -> list[PolicyPort] | None:
        """None: of protocols that are not analysed (ICMP). Empty: every port."""
        protocol, other = (self._protocol(f) for f in ("protocol", "notProtocol"))
        l7 = "http" if self.rule.get("http") else ""
        ports, excluded = (items(self.to.get(f), (*self.to_path, f)) for f in ("ports", "notPorts"))
        if l7 and protocol not in (None, "TCP"):
            raise Bad((*self.path, "http"), "is for protocol TCP")
        if protocol is None and other is None:
            if ports or excluded:
                raise Bad(self.to_path, "has ports, for which the rule must have a protocol: TCP, UDP or SCTP")
            return [PolicyPort("TCP", l7=l7)] if l7 else []
        if protocol is None:
            return [PolicyPort(p) for p in ("TCP", "UDP", "SCTP") if p != other]
        if protocol not in _PROTOCOLS.values():
            return None
        kind = _PROTOCOLS[protocol]
        if excluded:
            return [PolicyPort(kind, low, high, l7=l7) for low, high in self._gaps(ports, excluded)] or None
        if not ports:
            return [PolicyPort(kind, l7=l7)]
        return [PolicyPort(kind, *each, l7=l7) for each in self._each(ports, "ports")]

    def _protocol(self, field: str) -> str | None:
        """A protocol's own name, or that of one without ports; None: there is none."""
        value = self.rule.get(field)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise Bad((*self.path, field), "is neither a protocol's name nor its number")
        return _PROTOCOLS.get(str(value).upper(), str(value))

    def _each(self, given: list[Any], field: str) -> Iterator[tuple[int | str, int | None]]:
        for i, value in enumerate(given):
            at = (*self.to_path, field, i)
            if isinstance(value, str) and ":" in value and value.replace(":", "").isdigit():
                low, _, high = value.partition(":")
                first, last = port_number(int(low), at), port_number(int(high), at)
                if last < first:
                    raise Bad(at, "ends before it begins")
                yield first, last
            elif isinstance(value, str) and value.isdigit():
                yield port_number(int(value), at), None
            else:
                yield port(value, at), None

    def _gaps(self, given: list[Any], excluded: list[Any]) -> Iterator[tuple[int, int]]:
        """The ports that are given, or all, without those that are not meant."""
        out: list[tuple[int, int]] = []
        for low, high in self._each(excluded, "notPorts"):
            if isinstance(low, str):
                raise Bad((*self.to_path, "notPorts"), "is a name, which is not analysed")
            out.append((low, high or low))
        for low, high in self._each(given, "ports") if given else [(1, _LAST)]:
            if isinstance(low, str):
                raise Bad((*self.to_path, "ports"), "is a name beside notPorts, which is not analysed")
            last = high or low
            for first, end in sorted(out):
                if low < first:
                    yield low, min(first - 1, last)
                low = max(low, end + 1)
            if low <= last:
                yield low, last
