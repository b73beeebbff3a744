"""The value types of the spec: what one scalar may be. Each reports its own rule's code."""

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Network, IPv6Network, NetmaskValueError, ip_address, ip_network
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from netspec.ir.base import Protocol
from netspec.ir.pods import WORKLOAD_LABEL

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_DNS_1123 = re.compile(rf"{_LABEL}\Z")
_DNS_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?\Z")
_SUBDOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})*\Z")
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]\Z")
_OPTION = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z")
_PORT_NAME = re.compile(r"(?=.*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z")


def problem(code: str, message: str, hint: str | None = None) -> PydanticCustomError:
    """An error of one rule; `spec.errors` takes it apart again."""
    return PydanticCustomError("rule", "{message}", {"code": code, "message": message, "hint": hint})


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """
    >>> did_you_mean("workers", ["worker", "image"])
    'did you mean worker?'
    """
    close = difflib.get_close_matches(word, list(known), n=1)
    if not close:
        close = [k for k in known if k.lower() == word.lower()]
    return f"did you mean {close[0]}?" if close else None


def _matching(code: str, pattern: re.Pattern[str], limit: int, what: str, hint: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        if len(value) > limit:
            raise problem(code, f"{short(value)} is longer than {limit} characters", hint)
        if not pattern.match(value):
            raise problem(code, f"{short(value)} is not {what}", hint)
        return value

    return check


def is_name(value: str) -> bool:
    """Whether it is a DNS label (RFC 1123)."""
    return bool(_DNS_1123.match(value))


def short(value: str) -> str:
    """A value as a message shows it."""
    return repr(value if len(value) <= 70 else value[:67] + "...")


NAME_HINT = "lower-case letters, digits and -, starting and ending with a letter or digit, at most 63 characters"


def _expression(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise problem("NS016", f"{short(value)} is not a regular expression: {error}") from None
    return value


RegularExpression = Annotated[str, AfterValidator(_expression)]
#: RFC 9110, field names and values.
HeaderName = Annotated[
    str, AfterValidator(_matching("NS201", re.compile(r"[-!#$%&'*+.^_`|~0-9A-Za-z]+\Z"), 256, "a header's name", ""))
]
HeaderValue = Annotated[
    str, AfterValidator(_matching("NS201", re.compile(r"[!-~]([ !-~]*[!-~])?\Z"), 4096, "a header's value", ""))
]

#: Namespaces, workloads, intents, stacks, Service ports (RFC 1123 label).
Name = Annotated[
    str,
    AfterValidator(_matching("NS201", _DNS_1123, 63, "a DNS label (RFC 1123)", NAME_HINT)),
    WithJsonSchema({"title": "name", "type": "string", "pattern": f"^{_LABEL}$", "maxLength": 63}),
]
#: Services (RFC 1035 label: begins with a letter).
ServiceName = Annotated[
    str,
    AfterValidator(
        _matching("NS201", _DNS_1035, 63, "a Service name (RFC 1035 label)", "as a DNS label, but a letter first")
    ),
    WithJsonSchema({"title": "name", "type": "string", "pattern": "^[a-z]([-a-z0-9]*[a-z0-9])?$", "maxLength": 63}),
]
#: NetworkPolicies (RFC 1123 subdomain).
ObjectName = Annotated[
    str,
    AfterValidator(
        _matching("NS201", _SUBDOMAIN, 253, "a DNS subdomain (RFC 1123)", "lower-case letters, digits, - and .")
    ),
    WithJsonSchema({"title": "name", "type": "string", "maxLength": 253}),
]


def _domain(value: str) -> str:
    _matching("NS201", _SUBDOMAIN, 253, "a domain name (RFC 1123)", "lower-case letters, digits, - and .")(value)
    if any(len(label) > 63 for label in value.split(".")):
        raise problem("NS201", f"{short(value)} is not a domain name (RFC 1035)", "at most 63 characters between dots")
    return value


#: Stub domains.
Domain = Annotated[
    str,
    AfterValidator(_domain),
    WithJsonSchema({"title": "domain", "type": "string", "maxLength": 253, "examples": ["corp.example"]}),
]


def _external_name(value: str) -> str:
    _domain(value.removesuffix("."))
    return value


#: What an ExternalName Service stands for; it may end in a dot.
ExternalName = Annotated[
    str,
    AfterValidator(_external_name),
    WithJsonSchema({"title": "domain", "type": "string", "maxLength": 254, "examples": ["db.example.com"]}),
]
#: Names of container ports (IANA service name).
PortName = Annotated[
    str,
    AfterValidator(
        _matching(
            "NS201", _PORT_NAME, 15, "a port name (IANA)", "lower-case letters, digits and -, with a letter; at most 15"
        )
    ),
    WithJsonSchema({"title": "port name", "type": "string", "maxLength": 15}),
]


#: Labels that are set on pods by others than the spec: what a selector says of them would not be what happens.
_SET_BY = {WORKLOAD_LABEL: "netspec", "pod-template-hash": "the Deployment controller"}


def _label_key(value: str) -> str:
    if value in _SET_BY:
        raise problem("NS210", f"{value} is set by {_SET_BY[value]}", "use a label of your own")
    prefix, slash, name = value.rpartition("/")
    if slash and (len(prefix) > 253 or not _SUBDOMAIN.match(prefix)):
        raise problem("NS202", f"{short(value)} is not a label key: the part before / is not a domain")
    if len(name) > 63 or not _QUALIFIED.match(name):
        raise problem("NS202", f"{short(value)} is not a label key", "letters, digits, -, _ and ., at most 63")
    return value


def _label_value(value: str) -> str:
    if value and (len(value) > 63 or not _QUALIFIED.match(value)):
        hint = "letters, digits, -, _ and ., at most 63 characters, or empty"
        raise problem("NS202", f"{short(value)} is not a label value", hint)
    return value


LabelKey = Annotated[
    str, AfterValidator(_label_key), WithJsonSchema({"title": "label key", "type": "string", "maxLength": 317})
]
LabelValue = Annotated[
    str, AfterValidator(_label_value), WithJsonSchema({"title": "label value", "type": "string", "maxLength": 63})
]
Labels = dict[LabelKey, LabelValue]


def _unscoped(value: str) -> None:
    """Python's addresses may have a zone, which may be any text; Kubernetes' and CoreDNS's have none."""
    if "%" in value:
        raise ValueError
    ip_address(value)


def cidr_text(value: str) -> str:
    try:
        if "/" not in value:
            raise problem("NS012", f"{short(value)} has no prefix length", f"write {value}/32 for one address")
        address, _, prefix = value.partition("/")
        if not (prefix.isascii() and prefix.isdigit()):
            raise ValueError
        _unscoped(address)
        network(value)
    except (ValueError, AddressValueError, NetmaskValueError):
        raise problem("NS012", f"{short(value)} is not a CIDR", "an address and a prefix: 10.0.0.0/16") from None
    return value


def network(cidr: str) -> IPv4Network | IPv6Network:
    """What a CIDR of a spec means: bits behind the mask are dropped. `cidr` is one that `Cidr` takes."""
    return ip_network(cidr, strict=False)


def _address(value: str) -> str:
    try:
        _unscoped(value)
    except ValueError:
        raise problem("NS012", f"{short(value)} is not an IP address", "four numbers: 10.0.0.53") from None
    return value


def _cluster_ip(value: str) -> str:
    return value if value == "None" else _address(value)


#: An address of a Service's own, or the word None.
ClusterIp = Annotated[
    str,
    AfterValidator(_cluster_ip),
    WithJsonSchema({"title": "IP address", "type": "string", "examples": ["None", "10.96.0.20"]}),
]


#: An option of resolv.conf(5).
DnsOptionName = Annotated[
    str,
    AfterValidator(_matching("NS201", _OPTION, 63, "an option of resolv.conf", "a word: ndots, timeout, rotate")),
    WithJsonSchema({"title": "option", "type": "string", "maxLength": 63}),
]


def _app_protocol(value: str) -> str:
    prefix, slash, name = value.rpartition("/")
    if (slash and not _SUBDOMAIN.match(prefix)) or len(name) > 63 or not _QUALIFIED.match(name):
        raise problem("NS201", f"{short(value)} is not a protocol's name", "http, or example.com/own-protocol")
    return value


#: core/v1 ServicePort.appProtocol: an IANA service name or a qualified name.
AppProtocol = Annotated[
    str, AfterValidator(_app_protocol), WithJsonSchema({"title": "protocol name", "type": "string", "maxLength": 317})
]
Cidr = Annotated[
    str, AfterValidator(cidr_text), WithJsonSchema({"title": "CIDR", "type": "string", "examples": ["10.0.0.0/16"]})
]
Address = Annotated[str, AfterValidator(_address), WithJsonSchema({"title": "IP address", "type": "string"})]

_NUMBER = {"title": "port number", "type": "integer", "minimum": 1, "maximum": 65535}


def _port_number(value: int) -> int:
    if not 1 <= value <= 65535:
        raise problem("NS015", f"{value} is not a port", "a port is 1 to 65535")
    return value


PortNumber = Annotated[int, AfterValidator(_port_number), WithJsonSchema(_NUMBER)]


def _int_or_name(value: Any) -> int | str:
    if isinstance(value, int) and not isinstance(value, bool):
        return _port_number(value)
    if isinstance(value, str):
        return _matching("NS201", _PORT_NAME, 15, "a port name (IANA)", "a number, or a container port's name")(value)
    raise problem("NS011", "expected a port number or a port name")


#: A port number, or the name of a container port (Kubernetes' IntOrString).
PortOrName = Annotated[
    int | str,
    PlainValidator(_int_or_name),
    WithJsonSchema({"title": "port number or name", "anyOf": [_NUMBER, {"type": "string", "maxLength": 15}]}),
]


@dataclass(frozen=True, slots=True)
class PortRange:
    """A port of an intent or expectation, of the form 8080, 8080/TCP, 8000-8010/TCP or name/UDP."""

    port: int | str
    end_port: int | None = None
    protocol: Protocol = "TCP"


_PORT_TEXT = {"type": "string", "pattern": "^[-a-z0-9]+(/(TCP|UDP|SCTP))?$"}
_PROTOCOLS: dict[str, Protocol] = {"TCP": "TCP", "UDP": "UDP", "SCTP": "SCTP"}
_PORT_HINT = "write 8080/TCP, 53/UDP, 8000-8010/TCP or a port's name"


def _port_range(value: Any) -> PortRange:
    if isinstance(value, int) and not isinstance(value, bool):
        return PortRange(_port_number(value))
    if not isinstance(value, str):
        raise problem("NS011", "expected a port", _PORT_HINT)
    number, slash, protocol = value.partition("/")
    kind = _PROTOCOLS.get(protocol if slash else "TCP")
    if kind is None:
        hint = did_you_mean(protocol.upper(), _PROTOCOLS) or _PORT_HINT
        raise problem("NS016", f"{short(value)}: the protocol must be TCP, UDP or SCTP", hint)
    first, dash, last = number.partition("-")
    if re.fullmatch("[0-9]{1,9}", first) and (not dash or re.fullmatch("[0-9]{1,9}", last)):
        if dash and int(last) < int(first):
            raise problem("NS016", f"{short(value)}: the range ends before it begins", _PORT_HINT)
        return PortRange(_port_number(int(first)), _port_number(int(last)) if dash else None, kind)
    if len(number) > 63 or not _DNS_1123.match(number):  # a Service's port may be called so
        raise problem("NS016", f"{short(value)} is not a port", _PORT_HINT)
    return PortRange(number, None, kind)


Port = Annotated[
    PortRange,
    PlainValidator(_port_range),
    WithJsonSchema({"title": "port", "anyOf": [_NUMBER, _PORT_TEXT]}),
]


def _port_or_all(value: Any) -> PortRange | Literal["all"]:
    return "all" if value == "all" else _port_range(value)


#: A port of an intent, or the word `all`: every port of every protocol, declared or not.
PortOrAll = Annotated[
    PortRange | Literal["all"],
    PlainValidator(_port_or_all),
    WithJsonSchema({"title": "port", "anyOf": [_NUMBER, _PORT_TEXT]}),
]
