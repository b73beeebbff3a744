"""An inventory to a spec: draft, check, take out what the rules refuse, say as intents what they say exactly, prove."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from ipaddress import IPv4Network
from typing import Any

from netspec.compiler import CompileResult, compile_spec
from netspec.diagnostics import Diagnostic, Position, Problem, Severity
from netspec.importing.addresses import add_network
from netspec.importing.documents import Bodies
from netspec.importing.intent_items import add_intents, origin
from netspec.importing.intents import Stays, Translation, Translator
from netspec.importing.model import SECTIONS, Draft, Item, Locate
from netspec.importing.namespaces import add_namespaces
from netspec.importing.natives import add_policies, by_name, without_unread
from netspec.importing.proof import Proof, Taken, prove
from netspec.importing.services import add_services
from netspec.importing.workloads import add_workloads
from netspec.importing.write import text
from netspec.ir.model import Ir, Place
from netspec.manifests.read import Reading
from netspec.passes.service_fields import LOAD_BALANCER_ONLY
from netspec.spec.load import loads
from netspec.spec.source import MAX_BYTES
from netspec.target import Registry

#: A rule's finding takes an item out, which may lead to further findings.
_ROUNDS = 10
#: What nothing gives a load balancer's address on.
_NO_LOAD_BALANCER = "NS310"


#: Codes of the reader (docs/matrix.md) that say something else than that.
_NOT_READ = {"NM003": "the first one counts", "NM004": "netspec does not analyse it"}


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one NetworkPolicy. `became`: "defaultDeny", "allowDNS", names of intents; "networkPolicies" for
    one that stays native; empty for one that says nothing that others do not say. `why` says why so."""

    policy: str
    where: Position | None
    became: tuple[str, ...]
    why: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """A stack to begin with: its name, its settings, and a comment on them."""

    name: str
    settings: dict[str, Any]
    note: str = ""


#: Ranges that are taken -> the stack to begin with.
ChooseTarget = Callable[[tuple[IPv4Network, ...]], Target]


@dataclass(frozen=True, slots=True)
class Imported:
    """`warnings` are what `netspec check` says of the spec. Errors of the input are in the reading."""

    draft: Draft
    stack: str
    fates: tuple[Fate, ...]
    proof: Proof
    warnings: tuple[Diagnostic, ...]
    reading: Reading


def convert(
    reading: Reading, name: str, choose: ChooseTarget, registry: Registry, *, is_live: bool = False
) -> Imported:
    """The spec of what was read; `text` writes it. Raises Problem where it cannot be one.

    `is_live`: the reading's places are not lines of files."""
    return _Import(reading, name, choose, registry, is_live).run()


class _Import:
    def __init__(self, reading: Reading, name: str, choose: ChooseTarget, registry: Registry, is_live: bool) -> None:
        self._reading, self._registry = reading, registry
        self._locate: Locate = (lambda _: None) if is_live else _locate(reading)
        self._lost: set[str] = set()
        draft = self._draft = Draft(name)
        inventory, bodies = without_unread(draft, reading.inventory, self._locate), Bodies(reading.documents)
        kept = add_workloads(draft, inventory, bodies, self._locate)
        add_services(draft, inventory, kept, bodies, self._locate)
        draft.sections["workloads"] = [k.item for k in kept if k.item is not None]
        add_policies(draft, inventory, self._locate)
        namespaces = add_namespaces(draft, inventory, self._locate)
        renamed = by_name(draft, inventory, namespaces, self._locate)
        if renamed is not inventory:
            draft.sections["networkPolicies"] = []
            add_policies(draft, renamed, self._locate)
        add_network(draft, inventory, bodies)
        self._target = choose(tuple(IPv4Network(c) for r in draft.network.values() if isinstance(r, list) for c in r))
        draft.stacks = {self._target.name: self._target.settings}
        draft.notes |= {self._target.name: self._target.note} if self._target.note else {}
        self._unread()
        self._taken = Taken(reading.inventory, inventory, kept, namespaces)

    def _unread(self) -> None:
        """What the spec has no word for at all."""
        inventory, draft = self._reading.inventory, self._draft
        for (kind, name), tier in {t.object: t for t in reversed(inventory.tiers)}.items():
            why = "a spec has no policies of this kind" if tier.stage else "a spec has no policies of the whole cluster"
            draft.lost(f"{kind} {name}", why, self._locate(tier.place))
        for route in inventory.routes:
            draft.lost(f"{route.kind} {route.id}", "a spec has no routes", self._locate(route.place))
        for diagnostic in self._reading.diagnostics:
            if diagnostic.severity is Severity.ERROR:
                why = f"{_NOT_READ.get(diagnostic.code, 'it could not be read')} [{diagnostic.code}]"
                draft.lost(diagnostic.message, why, diagnostic.position)

    def run(self) -> Imported:
        native = self._compiled(self._draft)
        assert native.ir is not None
        draft, fates = self._translated(native.ir, set())
        result = self._compiled(draft)
        proof = self._proof(result)
        if proof.changes:  # an intent of ours says something else: those that are about these peers stay native
            ends = {e for c in proof.changes for e in (c.source, c.destination)}
            suspects = {e.partition("/")[0] for e in ends if "/" in e}
            draft, fates = self._translated(native.ir, suspects)
            result = self._compiled(draft)
            proof = self._proof(result)
        if proof.changes:
            draft, fates = self._translated(native.ir, None)
            result = self._compiled(draft)
            proof = self._proof(result)
        return Imported(draft, self._target.name, tuple(fates), proof, result.diagnostics, self._reading)

    def _proof(self, result: CompileResult) -> Proof:
        assert result.ir is not None
        return prove(self._taken, frozenset(self._lost), result.ir)

    def _compiled(self, draft: Draft) -> CompileResult:
        """Compiles the draft, without what the rules refuse: that is taken out and said to be lost."""
        for _ in range(_ROUNDS):
            written = text(draft, [])
            if len(written.encode()) > MAX_BYTES:
                raise Problem(
                    f"the spec would be longer than {MAX_BYTES >> 20} MiB, which is the most that a spec may have",
                    "import a part of it: some of its namespaces",
                )
            result = compile_spec(loads(written, "spec"), self._target.name, self._registry)
            errors = [d for d in result.diagnostics if d.severity is Severity.ERROR]
            if not errors:
                return result
            if not self._without(draft, errors):
                break
        raise Problem(f"the spec would not be valid: {errors[0].render()}", "please report it, with the input")

    def _without(self, draft: Draft, errors: list[Diagnostic]) -> bool:
        """Takes out the items that the errors are about; False where there is none."""
        found: dict[tuple[str, int], Diagnostic] = {}
        for error in errors:
            section, index = (*error.path, None, None)[:2]
            if section in SECTIONS and isinstance(index, int):
                found.setdefault((str(section), index), error)
        for (section, index), error in sorted(found.items(), key=lambda entry: entry[0], reverse=True):
            item = draft.sections[section][index]
            if error.code == _NO_LOAD_BALANCER:
                item.data["type"] = "NodePort"
                why = f"it is of type NodePort in the spec: stack {self._target.name} gives no load balancer an address"
                draft.changed(item.what, why, item.where)
                for field in LOAD_BALANCER_ONLY:
                    if item.data.pop(field, None) is not None:
                        draft.lost(item.what, f"{field} is for type LoadBalancer", item.where)
                continue
            del draft.sections[section][index]
            draft.lost(item.what, f"{error.message} [{error.code}]", item.where)
            self._lost.add(item.what)
        return bool(found)

    # Intents

    def _translated(self, ir: Ir, suspects: set[str] | None) -> tuple[Draft, list[Fate]]:
        """A draft in which what can be said as intents is. `suspects`: namespaces whose policies stay; None: all do."""
        draft = replace(self._draft, sections=deepcopy(self._draft.sections), remarks=list(self._draft.remarks))
        translator = Translator(ir)
        kept: list[Item] = []
        fates: list[Fate] = []
        done: list[tuple[Item, Translation]] = []
        by_index = {p.place.path[1]: p for p in ir.policies if p.place.path[:1] == ("networkPolicies",)}
        for index, item in enumerate(draft.sections["networkPolicies"]):
            policy = by_index[index]
            try:
                if suspects is None or policy.namespace in suspects:
                    raise Stays("as intents the spec would say something else")
                done.append((item, translator.translate(policy)))
            except Stays as stays:
                item.comment = ": ".join(w for w in (item.comment, str(stays)) if w)
                kept.append(item)
                fates.append(Fate(_id(item), item.where, ("networkPolicies",), str(stays)))
        draft.sections["networkPolicies"] = kept
        named = add_intents(draft, done, ir)
        for item, translation in done:
            self._open(draft, item, translation)
            became = ["defaultDeny"] if translation.deny else []
            became += ["allowDNS"] if translation.allow_dns else []
            became += [named[i.source, i.destination] for i in translation.intents]
            why = "" if became else "other policies close already what it closes"
            fates.append(Fate(_id(item), item.where, tuple(dict.fromkeys(became)), why))
        return draft, sorted(fates, key=lambda fate: fate.policy)

    @staticmethod
    def _open(draft: Draft, native: Item, translation: Translation) -> None:
        """The namespace's defaultDeny and allowDNS."""
        if not translation.deny and not translation.allow_dns:
            return
        name = translation.policy.namespace
        items = draft.sections["namespaces"]
        item = next((i for i in items if i.data["name"] == name), None)
        if item is None:  # `default`, which a spec need not declare
            item = Item({"name": name}, f"namespace {name}")
            items.append(item)
            items.sort(key=lambda i: str(i.data["name"]))
        item.comment = ", ".join(w for w in (item.comment, origin(native)) if w)
        if translation.deny:
            have = {d.capitalize() for d in item.data.get("defaultDeny", [])} | set(translation.deny)
            item.data["defaultDeny"] = [d.lower() for d in ("Ingress", "Egress") if d in have]
        if translation.allow_dns:
            item.data["allowDNS"] = True


def _id(item: Item) -> str:
    """Of the NetworkPolicy that an item was made of."""
    return item.what.removeprefix("NetworkPolicy ")


def _locate(reading: Reading) -> Locate:
    def locate(place: Place) -> Position | None:
        return reading.locate(place) if place.path else place.position

    return locate
