"""What `explain` is asked about: ends by name, the flows between them, and the doors by which the outside gets in."""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import NamedTuple

from netspec.analysis.doors import Door, Passing, doors
from netspec.analysis.engine import Reachability, Spaces
from netspec.analysis.evaluate import Evaluator
from netspec.analysis.explain import Explainer, Explanation
from netspec.analysis.matrix import ports_text
from netspec.analysis.services import Endpoint, Endpoints, service_dialect
from netspec.analysis.verdict import AddressEnd, End, PodEnd
from netspec.diagnostics import Problem
from netspec.ir.dns import service_of_name
from netspec.ir.model import Inventory, Protocol, Service
from netspec.spec.types import did_you_mean

#: The peers that stand for the outside: every address, and whatever leads routes in.
EXTERNAL, INGRESS = "external", "ingress"
Dialled = tuple[int, Protocol] | None
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
        return "; ".join(said) or "denied on every port"


class _Target(NamedTuple):
    """A name for the reader, the end, the port there, and what the flow goes through."""

    name: str
    end: End
    port: Dialled
    via: tuple[Service, Endpoint] | None = None


def flows(inventory: Inventory, source: str, destination: str, port: Dialled) -> Iterator[Found]:
    """Raises Problem for ends that are not there, or that no policy is between."""
    if source.startswith("service:"):
        raise Problem("a Service cannot be the source: its pods are", "name the workload")
    asking = _Asking(inventory)
    if destination.startswith("service:"):
        targets = list(_service(inventory, destination.removeprefix("service:"), port))
    else:
        targets = [_Target(name, end, port) for name, end in _ends(inventory, destination)]
    if source == INGRESS:
        yield from asking.by_routes(INGRESS, targets)
        return
    starts = list(_ends(inventory, source))
    for name, start in starts:
        for target in targets:
            yield asking.flow(name, start, target)
    if any(isinstance(start, AddressEnd) for _, start in starts):
        yield from asking.by_doors(starts, targets)


class _Asking:
    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._explainer, self._evaluator = Explainer(inventory), Evaluator(inventory)
        self._doors: list[Door] | None = None

    def flow(self, name: str, start: End, target: _Target) -> Found:
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

    def by_routes(self, name: str, targets: list[_Target]) -> Iterator[Found]:
        """From whatever leads routes in, to pods on the ports that some route leads to."""
        for target in targets:
            if not isinstance(target.end, PodEnd):
                raise Problem("both ends are outside the cluster", "name a workload")
            number, protocol = target.port or (None, "TCP")
            leading = [d for d in self._to(target) if d.way == "routes"]
            asked = f" {number}/{protocol}" if number is not None and target.via is None else ""
            if not leading:
                explanation = self._explainer.explain_proxy(target.end, number, protocol)
                yield Found(f"{name} -> {target.name}{asked}", explanation, target.port, "no route leads there", "deny")
            for door in leading:
                yield self._by_door(name, None, door, target)

    def by_doors(self, starts: list[tuple[str, End]], targets: list[_Target]) -> Iterator[Found]:
        """From addresses outside by every door: by routes once, whoever it is; else from each."""
        addresses = [(name, start) for name, start in starts if isinstance(start, AddressEnd)]
        for target in targets:
            for door in self._to(target):
                if door.way == "routes":
                    yield self._by_door("the outside", None, door, target)
                    continue
                for name, start in addresses:
                    if not door.sources or any(start.address in network for network in door.sources):
                        yield self._by_door(name, start, door, target)

    def _to(self, target: _Target) -> list[Door]:
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

    def _by_door(self, name: str, start: AddressEnd | None, door: Door, target: _Target) -> Found:
        end, dialled = PodEnd(door.workload.id), (door.port, door.protocol)
        title = f"{name} through {door.through} -> {end} {door.port}/{door.protocol}"
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


# Ends


def _ends(inventory: Inventory, text: str) -> Iterator[tuple[str, End]]:
    """A workload, all pods of an owner whose pods differ, an address, or one address of each external range."""
    if text == EXTERNAL:
        for i, external in enumerate(Reachability(inventory).externals):
            address = ip_address(external.ranges[0][0])
            yield f"external:{i} ({external.ranges[0][0]}-{external.ranges[0][1]})", AddressEnd(address)
        return
    found = [w.id for w in inventory.workloads if w.id == text or w.id.startswith(f"{text}/")]
    if found:
        for workload in found:
            yield workload, PodEnd(workload)
        return
    running = _workload_of_pod(inventory, text)
    if running is not None:
        yield text, PodEnd(running)
        return
    try:
        yield text, AddressEnd(ip_address(text))
    except ValueError:
        hint = did_you_mean(text, [w.id for w in inventory.workloads])
        raise Problem(
            f"there is no workload {text}", hint or "ns/name, service:ns/name, an address or external"
        ) from None


def _workload_of_pod(inventory: Inventory, text: str) -> str | None:
    """Of ns/name/pod, or ns/pod: the workload that the pod is one of."""
    owner, _, pod = text.rpartition("/")
    namespace = owner.partition("/")[0]
    for w in inventory.workloads:
        if w.namespace == namespace and pod in w.pods and (owner == namespace or f"{w.id}/".startswith(f"{owner}/")):
            return w.id
    return None


def _service(inventory: Inventory, name: str, port: Dialled) -> Iterator[_Target]:
    endpoints = Endpoints(inventory)
    service = endpoints.find(name)
    if service is None:
        hint = did_you_mean(name, [s.id for s in inventory.services])
        raise Problem(f"there is no Service {name}", hint or "name it as service:namespace/name")
    target = endpoints.followed(service)
    if target is None:
        raise _leads_outside(endpoints, service)
    shown = f"service:{name}" if target is service else f"service:{name} (a name for {target.id})"
    if target.headless:  # its name is the pods' addresses; whoever asks picks the port
        ends = endpoints.addresses(target)
        if not ends:
            raise _without_endpoints(inventory, endpoints, name, target)
        for end in ends:
            yield _Target(f"{shown} ({end})", end, port)
        return
    found = list(endpoints.of_service(target))
    wanted = [e for e in found if port is None or (e.port.port, e.protocol) == port]
    if found and not wanted and port:
        has = ", ".join(f"{p.port}/{p.protocol}" for p in target.ports) or "none"
        raise Problem(f"nothing answers at Service {name}: it has no port {port[0]}/{port[1]}", f"its ports are {has}")
    if not wanted:
        raise _without_endpoints(inventory, endpoints, name, target)
    for endpoint in wanted:
        behind = f"{endpoint.port.port}/{endpoint.protocol} ({endpoint.end} {endpoint.number})"
        yield _Target(f"{shown} {behind}", endpoint.end, (endpoint.number, endpoint.protocol), (target, endpoint))


def _leads_outside(endpoints: Endpoints, service: Service) -> Problem:
    inside = service_of_name(service.external_name or "")
    if inside is None:
        return Problem(
            f"Service {service.id} is a name for {service.external_name}: its traffic goes outside",
            "explain to the address",
        )
    if endpoints.find(inside) is None:
        return Problem(f"Service {service.id} is a name for Service {inside}, which is not there", "add its object")
    return Problem(
        f"Service {service.id} is a name for Service {inside}, whose name comes back to itself or goes outside",
        "explain to the Service or address that is meant",
    )


def _without_endpoints(inventory: Inventory, endpoints: Endpoints, name: str, service: Service) -> Problem:
    """Why nothing is behind it, as far as the input tells."""
    message = f"nothing answers at Service {name}: it has no endpoints"
    if service.selector is None and not endpoints.slices(service):
        return Problem(
            f"{message}: it has no selector, and no EndpointSlice of it was given",
            "add them: kubectl get endpointslices --all-namespaces -o yaml",
        )
    if not inventory.workloads:
        return Problem(f"{message}: no pods were given", "add them: kubectl get all --all-namespaces -o yaml")
    if endpoints.selected(service):
        has = ", ".join(f"{p.target_port}/{p.protocol}" for p in service.ports) or "none"
        return Problem(f"{message} on its ports", f"no pod behind it has {has}")
    return Problem(message, "no pod has the labels of its selector" if service.selector else "its slices are empty")
