"""netspec explain: why a connection is allowed or denied."""

import argparse
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from netspec.analysis.engine import Reachability
from netspec.analysis.evaluate import Evaluator
from netspec.analysis.explain import Explainer, Explanation, Step
from netspec.analysis.matrix import ports_text
from netspec.analysis.services import Endpoint, Endpoints, service_dialect
from netspec.analysis.spaces import PROTOCOLS
from netspec.analysis.verdict import AddressEnd, End, PodEnd
from netspec.cli import FAILED, OK, _sources
from netspec.diagnostics import Problem
from netspec.ir.model import Inventory, Protocol, Service
from netspec.report.listing import OUTPUTS, Edge, Listing, Row, write
from netspec.spec.types import did_you_mean

EXAMPLES = """\
  netspec explain shop/web shop/db 5432 stacks/shop.yaml
  netspec explain shop/web service:shop/api --manifests deploy/
  netspec explain external shop/web 8080/TCP --manifests deploy/
  netspec explain 203.0.113.9 shop/web stacks/shop.yaml --output json"""

_PORT = re.compile(r"(\d{1,5})(?:/(tcp|udp|sctp))?\Z", re.IGNORECASE)
_TONES = {"allow": "good", "deny": "bad", "undefined": "warn", "dialect": "warn"}
_VERDICTS = {"allow": "allowed", "deny": "denied", "undefined": "left open by Kubernetes"}


def arguments(parser: argparse.ArgumentParser) -> None:
    ends = "ns/name, ns/name/pod, service:ns/name, an address, or external"
    parser.add_argument("source", metavar="SRC", help=ends)
    parser.add_argument("destination", metavar="DST", help="likewise")
    parser.add_argument(
        "rest", nargs="*", metavar="[PORT[/PROTO]] [SPEC]", help="a port (TCP unless said), a spec file"
    )
    _sources.arguments(parser)
    parser.add_argument("--output", choices=OUTPUTS, default="text", help="how to print (default: text)")


def run(args: argparse.Namespace) -> int:
    """Exit code 1 when some of the input could not be used."""
    port, spec = _rest(args.rest)
    source = _sources.chosen(args, spec)
    source.complain()
    found = list(_flows(source.inventory, args.source, args.destination, port))
    listing = _listing(source, found, f"{args.source} to {args.destination}")
    if args.output == "text":
        print(_text(source, found), end="")
    else:
        write(listing, args.output)
    return FAILED if source.has_errors else OK


def _rest(words: list[str]) -> tuple[tuple[int, Protocol] | None, str | None]:
    port: tuple[int, Protocol] | None = None
    spec: str | None = None
    for word in words:
        match = _PORT.match(word)
        if match and port is None:
            number = int(match[1])
            if not 1 <= number <= 65535:
                raise Problem(f"{word} is not a port", "a port is 1 to 65535, with /TCP, /UDP or /SCTP behind it")
            port = number, next(p for p in PROTOCOLS if p == (match[2] or "tcp").upper())
        elif spec is None and not match:
            spec = word
        else:
            raise Problem(f"one argument too many: {word}", "SRC DST [PORT[/PROTO]] [SPEC]")
    return port, spec


@dataclass(frozen=True, slots=True)
class _Found:
    """One flow, walked: `title` for the reader; `note` for a dialect, which then decides; `port` as asked."""

    title: str
    explanation: Explanation
    port: tuple[int, Protocol] | None
    note: str = ""

    @property
    def verdict(self) -> str:
        """allow, deny, undefined or dialect; without a port "allow" where some port is."""
        if self.note:
            return "dialect"
        if self.port is not None:
            return self.explanation.answer(*self.port)
        return "allow" if self.explanation.allow else "undefined" if self.explanation.undefined else "deny"

    @property
    def sentence(self) -> str:
        if self.note:
            return f"denied by this CNI: {self.note}"
        if self.port is not None:
            return _VERDICTS[self.verdict]
        said = []
        if self.explanation.allow:
            said.append(f"allowed: {ports_text(self.explanation.allow)}")
        if self.explanation.undefined:
            said.append(f"left open by Kubernetes: {ports_text(self.explanation.undefined)}")
        return "; ".join(said) or "denied on every port"


# What is asked about

#: A name for the reader, the end, the port there, and what the flow goes through.
_Target = tuple[str, End, tuple[int, Protocol] | None, tuple[Service, Endpoint] | None]


def _flows(inventory: Inventory, source: str, destination: str, port: tuple[int, Protocol] | None) -> Iterator[_Found]:
    if source.startswith("service:"):
        raise Problem("a Service cannot be the source; its pods can", "name the workload")
    explainer, evaluator = Explainer(inventory), Evaluator(inventory)
    starts = list(_ends(inventory, source))
    targets: list[_Target]
    if destination.startswith("service:"):
        targets = list(_service(inventory, destination.removeprefix("service:"), port))
    else:
        targets = [(name, end, port, None) for name, end in _ends(inventory, destination)]
    for start_name, start in starts:
        for name, end, dialled, via in targets:
            if isinstance(start, AddressEnd) and isinstance(end, AddressEnd):
                raise Problem("both ends are outside the cluster", "name a workload at one end")
            number, protocol = dialled or (None, "TCP")
            explanation = explainer.explain(start, end, number, protocol)
            note = None
            if via is not None and isinstance(start, PodEnd) and dialled and explanation.answer(*dialled) == "allow":
                service, endpoint = via
                workload = explainer.workload(start)
                assert workload is not None
                note = service_dialect(evaluator.about(start, end), workload, endpoint, service)
            asked = f" {number}/{protocol}" if number is not None and via is None else ""
            yield _Found(f"{start_name} -> {name}{asked}", explanation, dialled, note or "")


def _ends(inventory: Inventory, text: str) -> Iterator[tuple[str, End]]:
    """A workload, all pods of an owner whose pods differ, an address, or one address of each external range."""
    if text == "external":
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


def _service(inventory: Inventory, name: str, port: tuple[int, Protocol] | None) -> Iterator[_Target]:
    endpoints = Endpoints(inventory)
    service = endpoints.find(name)
    if service is None:
        hint = did_you_mean(name, [s.id for s in inventory.services])
        raise Problem(f"there is no Service {name}", hint or "name it as service:namespace/name")
    if service.type == "ExternalName":
        raise Problem(
            f"Service {name} is an alias of {service.external_name}: its traffic goes outside", "explain to the address"
        )
    if service.headless:  # its name is the pods' addresses; whoever asks picks the port
        ends = endpoints.addresses(service)
        if not ends:
            raise Problem(f"nothing answers at Service {name}: it has no endpoints", "no pod has its labels")
        for end in ends:
            yield f"service:{name} ({end})", end, port, None
        return
    found = list(endpoints.of_service(service))
    wanted = [e for e in found if port is None or (e.port.port, e.protocol) == port]
    if not wanted:
        has = ", ".join(f"{p.port}/{p.protocol}" for p in service.ports) or "none"
        why = f"it has no port {port[0]}/{port[1]}" if found and port else "it has no endpoints"
        raise Problem(f"nothing answers at Service {name}: {why}", f"its ports are {has}")
    for endpoint in wanted:
        shown = f"service:{name} {endpoint.port.port}/{endpoint.protocol} ({endpoint.end} {endpoint.number})"
        yield shown, endpoint.end, (endpoint.number, endpoint.protocol), (service, endpoint)


# How it is said


def _place(source: _sources.Source, step: Step) -> str:
    position = source.locate(step.place) if step.place else None
    return f"{position.file}:{position.line}" if position else ""


def _listing(source: _sources.Source, found: Sequence[_Found], what: str) -> Listing:
    def rows() -> Iterator[Row]:
        for flow in found:
            yield flow.title, flow.verdict, "", "", "", flow.sentence, ""
            for step in flow.explanation.steps:
                rule = "" if step.rule is None else str(step.rule)
                side = step.direction.lower()
                yield flow.title, step.outcome, side, step.policy, rule, step.reason, _place(source, step)

    def edges() -> Iterator[Edge]:
        for flow in found:
            start, end = str(flow.explanation.source), str(flow.explanation.destination)
            yield Edge(start, end, flow.sentence, flow.verdict == "undefined", _TONES[flow.verdict])
            for step in flow.explanation.steps:
                rule = "" if step.rule is None else f"[{step.rule}]"
                text = f"{step.policy or 'no policy'} {step.direction.lower()}{rule}"
                tone = {"allows": "good", "no match": "", "denies": "bad", "maybe": "warn"}.get(step.outcome, "")
                label = f"{step.outcome}: {step.reason}"
                tail, head = (start, text) if step.direction == "Egress" else (text, end)
                yield Edge(tail, head, label, step.outcome == "maybe", tone)

    def document() -> Iterator[str]:
        flows = []
        for flow in found:
            steps = [
                {
                    "side": s.direction.lower(),
                    "policy": s.policy or None,
                    "rule": s.rule,
                    "outcome": s.outcome,
                    "reason": s.reason,
                    "place": _place(source, s) or None,
                }
                for s in flow.explanation.steps
            ]
            flows.append(
                {
                    "flow": flow.title,
                    "source": str(flow.explanation.source),
                    "destination": str(flow.explanation.destination),
                    "port": None if flow.port is None else {"number": flow.port[0], "protocol": flow.port[1]},
                    "verdict": flow.verdict,
                    "note": flow.note or None,
                    "allow": flow.explanation.allow,
                    "undefined": flow.explanation.undefined,
                    "steps": steps,
                }
            )
        yield json.dumps({"version": "explain/v1", "flows": flows}, indent=1) + "\n"

    columns = ("flow", "outcome", "side", "policy", "rule", "reason", "place")
    return Listing(f"why: {what}", columns, rows, document, edges)


def _text(source: _sources.Source, found: Sequence[_Found]) -> str:
    lines: list[str] = []
    for flow in found:
        lines += [f"{flow.title}: {flow.sentence}"]
        for side, end in (("Egress", flow.explanation.source), ("Ingress", flow.explanation.destination)):
            lines.append(f"  {side.lower()} of {end}")
            for step in flow.explanation.steps:
                if step.direction == side:
                    lines.append(_line(step, _place(source, step)))
        lines.append("")
    return "\n".join(lines)


def _line(step: Step, place: str) -> str:
    where = f"  {place}" if place else ""
    if not step.policy:
        return f"    {step.reason}"
    if step.rule is None:
        return f"    {step.policy}: {step.reason}{where}"
    return f"      {step.direction.lower()}[{step.rule}] {step.outcome}: {step.reason}{where}"
