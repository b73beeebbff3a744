"""What `explain` finds: the flows between two ends, and the doors by which the outside gets in."""

from collections.abc import Iterator
from dataclasses import dataclass

from netspec.analysis.doors import Door, Passing, doors
from netspec.analysis.engine import Reachability, Spaces
from netspec.analysis.evaluate import Evaluator
from netspec.analysis.explain import Explainer, Explanation
from netspec.analysis.matrix import ports_text
from netspec.analysis.services import Endpoint, service_dialect
from netspec.analysis.spaces import samples
from netspec.analysis.unread import but_for
from netspec.analysis.verdict import AddressEnd, End, PodEnd
from netspec.cli._ends import EXTERNAL, INGRESS, Dialled, Port, Target, ends, targets
from netspec.diagnostics import Problem
from netspec.ir.model import Inventory, Service

_VERDICTS = {"allow": "allowed", "deny": "denied", "undefined": "left open", "dialect": "denied by this CNI"}


@dataclass(frozen=True, slots=True)
class Found:
    """One flow, walked: `title` for the reader; `port` as asked. `says` is the verdict where more than the policies
    decides (a dialect, a node, a Service), and `note` why; else `note` says why it is left open."""

    title: str
    explanation: Explanation
    port: Dialled
    note: str = ""
    says: str = ""

    @property
    def verdict(self) -> str:
        """allow, deny, undefined or dialect; without a port "allow" where some port is."""
        if self.says:
            return self.says
        if self.port is not None:
            return self.explanation.answer(*self.port)
        return "allow" if self.explanation.allow else "undefined" if self.explanation.undefined else "deny"

    @property
    def sentence(self) -> str:
        if self.port is not None or self.says:
            return f"{_VERDICTS[self.verdict]}{': ' if self.note else ''}{self.note}"
        said = []
        if self.explanation.allow:
            said.append(f"allowed: {ports_text(self.explanation.allow)}")
        if self.explanation.undefined:
            said.append(f"left open: {ports_text(self.explanation.undefined)}")
        if self.explanation.l7:
            said.append(f"of which L7 decides: {ports_text(self.explanation.l7)}")
        return "; ".join(said) or "denied on every port"


def flows(inventory: Inventory, source: str, destination: str, port: Port | None) -> Iterator[Found]:
    """Raises Problem for ends that are not there, or that no policy is between."""
    if source.startswith("service:"):
        raise Problem("a Service cannot be the source: its pods are", "name the workload")
    asking = _Asking(inventory)
    found = targets(inventory, destination, port)
    if source == INGRESS:
        yield from asking.by_routes(INGRESS, found)
        return
    starts = list(ends(inventory, source))
    for name, start in starts:
        for target in found:
            yield asking.flow(name, start, target)
    if any(isinstance(start, AddressEnd) for _, start in starts):
        yield from asking.by_doors(starts, found, is_everyone=source == EXTERNAL)


class _Asking:
    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._explainer, self._evaluator = Explainer(inventory), Evaluator(inventory)
        self._doors: list[Door] | None = None

    def flow(self, name: str, start: End, target: Target) -> Found:
        if isinstance(start, AddressEnd) and isinstance(target.end, AddressEnd):
            raise Problem("both ends are outside the cluster", "name a workload at one end")
        number, protocol = target.port or (None, "TCP")
        explanation = self._explainer.explain(start, target.end, number, protocol)
        asked = f" {number}/{protocol}" if number is not None and target.via is None else ""
        title = f"{name} -> {target.name}{asked}"
        if target.port is None:
            return Found(title, explanation, None)
        answer = explanation.answer(*target.port)
        if answer == "allow" and target.via is not None and isinstance(start, PodEnd):
            says, note = self._through_service(start, target.end, *target.via)
            return Found(title, explanation, target.port, note, says)
        note = ""
        if answer == "undefined":
            note = self._evaluator.evaluate(start, target.end, *target.port).note
        return Found(title, explanation, target.port, note)

    def _through_service(self, start: PodEnd, end: End, service: Service, endpoint: Endpoint) -> tuple[str, str]:
        """What a Service makes of a flow that the policies allow: a verdict and why; "" where nothing."""
        workload = self._explainer.workload(start)
        assert workload is not None
        note = service_dialect(self._evaluator.about(start, end), workload, endpoint, service)
        if note:
            return "dialect", note
        on_every_node = endpoint.workload is not None and endpoint.workload.kind == "DaemonSet"
        if service.internal_traffic_policy == "Local" and not on_every_node:
            return "undefined", "internalTrafficPolicy Local: only an endpoint on the source's own node answers"
        return "", ""

    # Doors

    def by_routes(self, name: str, found: list[Target]) -> Iterator[Found]:
        """From whatever leads routes in, to pods on the ports that some route leads to."""
        for target in found:
            if not isinstance(target.end, PodEnd):
                raise Problem("both ends are outside the cluster", "name a workload")
            number, protocol = target.port or (None, "TCP")
            leading = [d for d in self._to(target) if d.way == "routes"]
            asked = f" {number}/{protocol}" if number is not None and target.via is None else ""
            if not leading:
                explanation = self._explainer.explain_proxy(target.end, number, protocol)
                note = f"no route leads there{but_for(self._inventory, ('routes',))}"
                yield Found(f"{name} -> {target.name}{asked}", explanation, target.port, note, "deny")
            for door in leading:
                yield self._by_door(name, None, door, target)

    def by_doors(self, starts: list[tuple[str, End]], found: list[Target], *, is_everyone: bool) -> Iterator[Found]:
        """From addresses outside by every door: by routes once, whoever it is; else from each that may use it.
        `is_everyone`: the starts stand for all addresses, so for those of a door of its own sources too."""
        addresses = [(name, start) for name, start in starts if isinstance(start, AddressEnd)]
        for target in found:
            for door in self._to(target):
                if door.way == "routes":
                    yield self._by_door("the outside", None, door, target)
                    continue
                using = [
                    (name, start)
                    for name, start in addresses
                    if not door.sources or any(start.address in network for network in door.sources)
                ]
                if is_everyone and door.sources:
                    inside = (a for network in door.sources for a in samples(network, self._inventory))
                    using = [(str(address), AddressEnd(address)) for address in dict.fromkeys(inside)]
                for name, start in using:
                    yield self._by_door(name, start, door, target)

    def _to(self, target: Target) -> list[Door]:
        """The doors that lead to it: to the port that is asked about, through the Service that is."""
        if self._doors is None:
            self._doors = list(doors(self._inventory))
        through = f"Service {target.via[0].id}" if target.via else ""
        return [
            door
            for door in self._doors
            if target.end == PodEnd(door.workload.id)
            and target.port in (None, (door.port, door.protocol))
            and (not through or door.way == "routes" or door.by == through)
        ]

    def _by_door(self, name: str, start: AddressEnd | None, door: Door, target: Target) -> Found:
        end, dialled = PodEnd(door.workload.id), (door.port, door.protocol)
        title = f"{name} through {door.through} -> {end} {door.port}/{door.protocol}"
        if start is None and door.proxy:
            return Found(title, self._explainer.explain(PodEnd(door.proxy), end, *dialled), dialled)
        if start is None and self._inventory.proxy_networks:
            network = self._inventory.proxy_networks[0]
            passes = Passing(Reachability(self._inventory))(door)
            answer = "undefined" if passes is None else "allow" if passes else "deny"
            note = f"from {', '.join(map(str, self._inventory.proxy_networks))}, where routes are served"
            explanation = self._explainer.explain(AddressEnd(network[1]), end, *dialled)
            return Found(title, explanation, dialled, note, answer)
        if start is None:
            explanation = self._explainer.explain_proxy(end, *dialled)
            about = self._evaluator.about(end)
            is_open = Passing(Reachability(about, Spaces(self._inventory)))(door)
            note = "a proxy's pods are not known" if door.certain else "what its Gateway takes is not known"
            if is_open is None:
                return Found(title, explanation, dialled, note, "undefined")
            return Found(title, explanation, dialled, "", "allow" if is_open else "deny")
        explanation = self._explainer.explain(start, end, *dialled)
        answer = explanation.answer(*dialled)
        if answer == "allow" or door.keeps_address:
            return Found(title, explanation, dialled)
        return Found(
            title, explanation, dialled, "a node always reaches its own pods, and forwards as itself", "undefined"
        )
