"""Peers of intents and expectations: who calls, and who is called."""

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import PlainValidator, WithJsonSchema

from netspec.spec.types import NAME_HINT, cidr_text, did_you_mean, is_name, problem, short

PeerKind = Literal["workload", "namespace", "service", "cidr", "outside", "anywhere", "dns", "entity"]
#: Who a peer is that has no label and no address in the spec.
ENTITIES = ("world", "cluster", "host", "remote-node", "kube-apiserver")
#: A DNS name, in which * stands for what is between two dots, and ** in front for any number of such parts.
_DNS_NAME = re.compile(r"(?=.{1,253}\Z)(\*\*\.)?[-a-z0-9_*]+(\.[-a-z0-9_*]+)+\Z")


@dataclass(frozen=True, slots=True)
class PeerRef:
    """One side of an intent or expectation. `name`: "namespace/name", a namespace, a CIDR, a DNS name or an entity; ""
    for the two words."""

    kind: PeerKind
    name: str = ""


_PEER_HINT = "write {workload: ns/name}, {namespace: ns}, {service: ns/name}, {cidr: 10.0.0.0/8}, outside or anywhere"
_NAMED: tuple[PeerKind, ...] = ("workload", "namespace", "service", "cidr")
#: What only an intent may name, of a stack that has policies for it.
_MORE: tuple[PeerKind, ...] = ("dns", "entity")


def _pair(value: str, what: str) -> str:
    namespace, slash, name = value.partition("/")
    if not slash or not is_name(namespace) or not is_name(name):
        raise problem("NS016", f"{short(value)} is not a {what}", "write it as namespace/name")
    return value


def _intent_peer(value: Any) -> PeerRef:
    return _peer(value, (*_NAMED, *_MORE))


def _peer(value: Any, kinds: tuple[PeerKind, ...] = _NAMED) -> PeerRef:
    if value == "outside":
        return PeerRef("outside")
    if value == "anywhere":
        return PeerRef("anywhere")
    if isinstance(value, str):
        return PeerRef("workload", _pair(value, "workload"))
    if not isinstance(value, dict) or len(value) != 1:
        raise problem("NS016", "expected one peer", _PEER_HINT)
    ((key, name),) = value.items()
    if key in ("outside", "anywhere"):
        raise problem("NS016", f"{key} takes no value", f"write the word alone: {key}")
    kind = next((k for k in kinds if k == key), None)
    if kind is None:
        if key in _MORE:
            raise problem("NS016", f"{key} is for `policies` alone", _PEER_HINT)
        raise problem("NS010", f"unknown kind of peer {short(str(key))}", did_you_mean(str(key), kinds) or _PEER_HINT)
    if not isinstance(name, str):
        raise problem("NS011", f"{kind}: expected text", _PEER_HINT)
    if kind == "cidr":
        return PeerRef(kind, cidr_text(name))
    if kind == "dns":
        if not _DNS_NAME.match(name):
            raise problem("NS016", f"{short(name)} is not a DNS name", "for instance api.example.com or *.example.com")
        return PeerRef(kind, name)
    if kind == "entity":
        if name not in ENTITIES:
            hint = did_you_mean(name, ENTITIES) or f"one of {', '.join(ENTITIES)}"
            raise problem("NS016", f"{short(name)} is not an entity", hint)
        return PeerRef(kind, name)
    if kind == "namespace":
        if not is_name(name):
            raise problem("NS016", f"{short(name)} is not a namespace", NAME_HINT)
        return PeerRef(kind, name)
    return PeerRef(kind, _pair(name, kind))


def _one(kind: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {kind: schema}, "required": [kind], "additionalProperties": False}


_WORKLOAD = {"type": "string", "pattern": "^[-a-z0-9]+/[-a-z0-9]+$", "description": "a workload: namespace/name"}
_WORKLOAD_PORT = {
    "type": "string",
    "pattern": "^(outside|anywhere|[-a-z0-9]+/[-a-z0-9]+):[-a-z0-9]+(/(TCP|UDP|SCTP))?$",
    "description": "a peer and a port of it: namespace/name:port",
}
_PEERS = [*(_one(k, {"type": "string"}) for k in _NAMED), {"enum": ["outside", "anywhere"]}, _WORKLOAD]
_DNS = {"type": "string", "description": "a DNS name; * stands for what is between two dots"}

Peer = Annotated[PeerRef, PlainValidator(_peer), WithJsonSchema({"title": "peer", "anyOf": _PEERS})]
#: A peer of an intent.
IntentPeer = Annotated[
    PeerRef,
    PlainValidator(_intent_peer),
    WithJsonSchema({"title": "peer", "anyOf": [*_PEERS, _one("dns", _DNS), _one("entity", {"enum": list(ENTITIES)})]}),
]
#: A peer whose port, where it has one, was split off before (Expectation).
PeerWithPort = Annotated[
    PeerRef, PlainValidator(_peer), WithJsonSchema({"title": "peer", "anyOf": [*_PEERS, _WORKLOAD_PORT]})
]
