"""The ports of Cilium's rules: ranges, protocols, names, and where L7 rules decide.

Sources of the rules: Cilium 1.19, pkg/policy/api/l4.go and rule_validation.go (fields, and what is refused),
pkg/policy/l4.go (which proxy a rule goes to), pkg/types/portmap.go (names).
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from netspec.diagnostics import Path
from netspec.ir.model import Direction, PolicyPort, Protocol
from netspec.manifests.fields import Bad, Object, items, known, mapping, text

_PROTOCOLS: tuple[Protocol, ...] = ("TCP", "UDP", "SCTP")
#: Protocols without ports, which are not analysed. (ICMP has rules of its own.)
_OTHERS = ("VRRP", "IGMP")
_RULE = frozenset(("ports", "rules", "terminatingTLS", "originatingTLS", "serverNames", "listener"))
_L7 = frozenset(("http", "kafka", "dns", "l7proto", "l7"))
_PORT = frozenset(("port", "protocol", "endPort"))
#: A service's name (RFC 6335): 15 characters at most, a letter among them.
_NAME = re.compile(r"(?=.*[a-zA-Z])[a-zA-Z0-9](?:-?[a-zA-Z0-9])*\Z")
_NAME_LENGTH = 15
_MOST = 40
_LAST = 65535


class Ports(NamedTuple):
    """Reads the ports of a rule. `port_of`: what a name means on the pods of the cluster (egress), None for nothing."""

    direction: Direction
    denies: bool
    port_of: Callable[[str, Protocol], int | None]

    def read(self, rule: Object, path: Path) -> list[PolicyPort]:
        """None: the rule has none, or none that is analysed. Raises Bad for what Cilium does not take."""
        at = (*path, "toPorts")
        given = items(rule.get("toPorts"), at)
        if given and items(rule.get("icmps"), (*path, "icmps")):
            raise Bad((*path, "icmps"), "is not possible beside toPorts", "write two rules")
        mode = mapping(rule.get("authentication"), (*path, "authentication")).get("mode", "disabled")
        needs = "" if mode == "disabled" else "authentication"
        return [port for i, each in enumerate(given) for port in self._rule(each, (*at, i), needs)]

    def _rule(self, value: Any, path: Path, needs: str) -> Iterator[PolicyPort]:
        found = known(value, path, frozenset(("ports",)) if self.denies else _RULE)
        ports = items(found.get("ports"), (*path, "ports"))
        if len(ports) > _MOST:
            raise Bad((*path, "ports"), f"has {len(ports)} ports, and {_MOST} are possible")
        l7 = self._l7(found, path)
        is_dns = bool(mapping(found.get("rules"), (*path, "rules")).get("dns"))
        if is_dns and not ports:
            raise Bad((*path, "ports"), "must be given, where dns rules decide")
        for i, port in enumerate(ports):
            at = (*path, "ports", i)
            for protocol, low, high in self._port(known(port, at, _PORT), at, l7):
                if is_dns and high is not None:
                    raise Bad((*at, "endPort"), "is not possible, where dns rules decide")
                yield PolicyPort(protocol, low, high, l7=l7 or needs)

    def _port(self, found: Object, path: Path, l7: str) -> Iterator[tuple[Protocol, int | str | None, int | None]]:
        """The port of each protocol that it is of: (protocol, port or None for all, end of a range)."""
        given = text(found.get("protocol"), (*path, "protocol")).upper() or "ANY"
        if given not in (*_PROTOCOLS, *_OTHERS, "ANY"):
            raise Bad((*path, "protocol"), f"is not one of {', '.join((*_PROTOCOLS, *_OTHERS, 'ANY'))}")
        if l7 not in ("", "dns", "TLS", "listener") and given != "TCP":
            raise Bad((*path, "protocol"), f"must be TCP, where {l7} rules decide")
        name = text(found.get("port"), (*path, "port"))
        end = found.get("endPort") or 0
        if isinstance(end, bool) or not isinstance(end, int) or not 0 <= end <= _LAST:
            raise Bad((*path, "endPort"), "is not a port (0-65535)")
        is_name = bool(_NAME.match(name)) and len(name) <= _NAME_LENGTH
        low = 0 if is_name else self._number(name, path)
        if not is_name and not low and l7:
            raise Bad((*path, "port"), f"must be one port, where {l7} rules decide")
        for protocol in _PROTOCOLS if given == "ANY" else (p for p in _PROTOCOLS if p == given):
            if is_name:
                number = name.lower() if self.direction == "Ingress" else self.port_of(name.lower(), protocol)
                if number is not None:
                    yield protocol, number, None
            elif not low and end in (0, _LAST):
                yield protocol, None, None
            else:
                yield protocol, max(low, 1), end if end > low else None

    @staticmethod
    def _number(name: str, path: Path) -> int:
        """As Go reads it: 0 in front is octal."""
        is_octal = len(name) > 1 and name.startswith("0")
        digits = re.fullmatch(r"0[0-7]+" if is_octal else r"[0-9]+", name)
        number = int(name, 8 if is_octal else 10) if digits else _LAST + 1
        if number > _LAST:
            raise Bad((*path, "port"), "is neither a port nor a port name", 'it is text: "80"')
        return number

    def _l7(self, found: Object, path: Path) -> str:
        """What decides beside the port."""
        rules = known(found.get("rules"), (*path, "rules"), _L7)
        given = [field for field in ("http", "kafka", "dns") if rules.get(field)]
        given += [text(rules["l7proto"], (*path, "rules", "l7proto"))] if rules.get("l7proto") else []
        if len(given) > 1:
            raise Bad((*path, "rules"), f"has {' and '.join(given)}, which Cilium does not take together")
        if given == ["dns"] and self.direction == "Ingress":
            raise Bad((*path, "rules", "dns"), "is for egress")
        if given == ["dns"] and {"matchPattern": "*"} in rules["dns"]:
            return ""  # every name
        if given:
            return given[0]
        if found.get("listener"):
            return "listener"
        return "TLS" if any(found.get(f) for f in ("terminatingTLS", "originatingTLS", "serverNames")) else ""
