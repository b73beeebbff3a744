"""Translated policies as the spec's intents: one for each pair of peers, named after them."""

from collections import defaultdict
from collections.abc import Mapping

from netspec.importing.intents import Intent, Translation, port_text
from netspec.importing.model import Draft, Item
from netspec.importing.words import dns_label
from netspec.ir.model import IntentPeer, Ir, PolicyPort
from netspec.passes.endpoints import EVERY_PORT

Pair = tuple[IntentPeer, IntentPeer]


def add_intents(draft: Draft, done: list[tuple[Item, Translation]], ir: Ir) -> Mapping[Pair, str]:
    """Fills the draft's policies; gives the name of each pair's."""
    intents: dict[Pair, list[Intent]] = defaultdict(list)
    origins: dict[Pair, dict[str, None]] = defaultdict(dict)
    for item, translation in done:
        for intent in translation.intents:
            pair = intent.source, intent.destination
            intents[pair].append(intent)
            origins[pair][origin(item)] = None
    named: dict[Pair, str] = {}
    taken: set[str] = set()
    for pair, members in intents.items():
        named[pair] = _name(pair, taken)
        taken.add(named[pair])
        data = {"name": named[pair], "from": _peer(pair[0]), "to": _peer(pair[1]), "ports": _ports(members)}
        comment = ", ".join(origins[pair])
        draft.sections["policies"].append(Item(data, f"policy {named[pair]}", comment=comment))
    return named


def origin(item: Item) -> str:
    """A native policy as a comment names it."""
    name = item.what.removeprefix("NetworkPolicy ")
    return f"{name} ({item.comment})" if item.comment else name


def _ports(members: list[Intent]) -> list[str]:
    ports: dict[PolicyPort, None] = {p: None for m in members for p in m.ports}
    return ["all"] if set(EVERY_PORT) <= set(ports) else [port_text(p) for p in ports]


def _peer(peer: IntentPeer) -> object:
    return {peer.kind: peer.name} if peer.name else peer.kind


def _name(pair: Pair, taken: set[str]) -> str:
    """`web-to-api`, with namespaces where that is taken."""
    short = dns_label("-to-".join(_short(peer) for peer in pair))
    if short not in taken:
        return short
    return dns_label("-to-".join(str(peer) for peer in pair), taken)


def _short(peer: IntentPeer) -> str:
    if peer.kind == "cidr":
        return f"cidr-{peer.name}"
    return peer.name.rpartition("/")[2] if peer.kind == "workload" else str(peer)
