"""Reading an object's fields as the API server would: a wrong type or an unknown field is an error, never a guess.

null is the type's zero value wherever Go's decoder meets it (encoding/json): an absent mapping, list or number, and ""
for text, also within a list or map.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from netspec.diagnostics import Path
from netspec.ir.model import IPNetwork, Protocol
from netspec.ir.selectors import Operator, Requirement, Selector

Object = dict[str, Any]
IPAddress = IPv4Address | IPv6Address

_OPERATORS: dict[str, Operator] = {o: o for o in ("In", "NotIn", "Exists", "DoesNotExist")}
_PROTOCOLS: dict[str, Protocol] = {p: p for p in ("TCP", "UDP", "SCTP")}


class Bad(Exception):
    """An object that the API server would not take; `path` is where in the object."""

    def __init__(self, path: Path, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.path, self.message, self.hint = path, message, hint


class Missing(Bad):
    """What the object asks for and the input does not have: the object is used, what depends on it is left open."""


def mapping(value: Any, path: Path) -> Object:
    """A mapping; absent (null) is empty."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Bad(path, "is not a mapping")
    return value


def items(value: Any, path: Path) -> list[Any]:
    """A list; absent (null) is empty."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise Bad(path, "is not a list")
    return value


def text(value: Any, path: Path) -> str:
    """Text; null is empty."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Bad(path, "is not text", "quote it" if isinstance(value, bool | int | float) else None)
    return value


def object_name(value: Any, path: Path) -> str:
    """An object's. One that the API server would not take (an underscore, a capital) means what it says all the same;
    a slash would not be told from the namespace's, and the rest of what is refused here does not print."""
    found = text(value, path)
    if not found:
        raise Bad(path, "is required")
    if "/" in found or not found.isprintable():
        raise Bad(path, "is not a name", "lower case letters, digits, - and . in between, up to 253")
    return found


def known(value: Any, path: Path, fields: frozenset[str]) -> Object:
    """A mapping with no field but these."""
    found = mapping(value, path)
    if not found.keys() <= fields:
        name = next(k for k in found if k not in fields)
        import difflib

        close = difflib.get_close_matches(str(name), fields, n=1)
        raise Bad((*path, name), "is an unknown field", f"did you mean {close[0]}?" if close else None)
    return found


def labels(value: Any, path: Path) -> Mapping[str, str]:
    found = mapping(value, path)
    for key, label in found.items():
        if not isinstance(label, str):
            if label is None:  # kubernetes#131671
                return labels({k: "" if v is None else v for k, v in found.items()}, path)
            raise Bad((*path, key), "is a label and must be text", "quote it")
    return found


_SELECTOR = frozenset(("matchLabels", "matchExpressions"))
_REQUIREMENT = frozenset(("key", "operator", "values"))


def selector(value: Any, path: Path) -> Selector:
    """meta/v1 LabelSelector; absent is empty, which matches everything."""
    found = known(value, path, _SELECTOR)
    if not found:
        return _EVERYTHING
    wanted = labels(found.get("matchLabels"), (*path, "matchLabels"))
    expressions = found.get("matchExpressions")
    if not expressions:
        return Selector(tuple(sorted(wanted.items())))
    at = (*path, "matchExpressions")
    return Selector(
        tuple(sorted(wanted.items())),
        tuple(_requirement(e, (*at, i)) for i, e in enumerate(items(expressions, at))),
    )


_EVERYTHING = Selector()


def _requirement(value: Any, path: Path) -> Requirement:
    found = known(value, path, _REQUIREMENT)
    operator = _OPERATORS.get(text(found.get("operator"), (*path, "operator")))
    if operator is None:
        raise Bad((*path, "operator"), "is not one of In, NotIn, Exists and DoesNotExist")
    values = [text(v, (*path, "values", i)) for i, v in enumerate(items(found.get("values"), (*path, "values")))]
    if bool(values) != (operator in ("In", "NotIn")):
        raise Bad((*path, "values"), f"must {'' if operator in ('In', 'NotIn') else 'not '}be given with {operator}")
    return Requirement(text(found.get("key"), (*path, "key")), operator, tuple(values))


def protocol(value: Any, path: Path, *, empty: bool = False) -> Protocol:
    """TCP where absent; and where `empty`, as in containers and Services but not in policies, which tell "" from absent
    (kubernetes, pkg/apis/core/v1 zz_generated.defaults, pkg/apis/networking/v1/defaults.go)."""
    if value is None or (empty and value == ""):
        return "TCP"
    found = _PROTOCOLS.get(value) if isinstance(value, str) else None
    if found is None:
        raise Bad(path, "is not one of TCP, UDP and SCTP")
    return found


def port_number(value: Any, path: Path) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 65535:
        raise Bad(path, "is not a port (1-65535)")
    return value


def port(value: Any, path: Path) -> int | str:
    """A number or a port name (IANA service name: a letter in it, at most 15 characters)."""
    if isinstance(value, str):
        if not 1 <= len(value) <= 15 or not any(c.isalpha() for c in value):
            raise Bad(path, "is neither a port (1-65535) nor a port name", "a number is written without quotes")
        return value
    return port_number(value, path)


#: Python takes masks and zones too.
_CIDR = re.compile(r"([0-9A-Fa-f.:]+)/([0-9]+)\Z")
_ADDRESS = re.compile(r"[0-9A-Fa-f.:]+\Z")
#: Zeros in front, which Go's older parser takes (decimal, not octal) and Kubernetes with it (k8s.io/utils/net,
#: ParseCIDRSloppy and ParseIPSloppy; kubernetes#100895).
_ZEROS = re.compile(r"(?<![0-9A-Fa-f])0+(?=[0-9A-Fa-f])")


def address(value: Any) -> IPAddress | None:
    """An address in any notation that Kubernetes takes; None for what is none."""
    if not isinstance(value, str) or not _ADDRESS.match(value):
        return None
    try:
        found = ip_address(_ZEROS.sub("", value))
    except ValueError:
        return None
    return found if found.version == 4 else found.ipv4_mapped or found


@lru_cache(maxsize=1 << 16)
def _network(value: str) -> IPNetwork | None:
    written = _CIDR.match(value)
    if written is None:
        return None
    try:
        found = ip_network(f"{_ZEROS.sub('', written[1])}/{written[2]}", strict=False)
    except ValueError:
        return None
    if isinstance(found, IPv6Network) and found.prefixlen >= _MAPPED:
        inner = found.network_address.ipv4_mapped
        return found if inner is None else IPv4Network((inner, found.prefixlen - _MAPPED))
    return found


#: Bits before the IPv4 address in ::ffff:192.0.2.1.
_MAPPED = 96


def network(value: Any, path: Path) -> IPNetwork:
    """A CIDR; bits behind the mask are dropped, as the API server allows them."""
    found = _network(value) if isinstance(value, str) else None
    if found is None:
        raise Bad(path, "is not a CIDR", "for instance 10.0.0.0/8 or 2001:db8::/32")
    return found
