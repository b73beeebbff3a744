"""What another CNI changes besides the policies: what it does where Kubernetes leaves a question open."""

from collections.abc import Iterator

from netspec.analysis.evaluate import Evaluator
from netspec.analysis.services import Endpoints, service_dialect
from netspec.analysis.verdict import PodEnd
from netspec.ir.model import Inventory

#: What Kubernetes leaves open -> the field of Dialect.
_OPEN = {
    "an ipBlock matches a pod": "blocks_match_pods",
    "an ipBlock matches a node": "blocks_match_nodes",
    "a host-network pod is a pod": "host_pods_are_pods",
}
_WORDS = {True: "yes", False: "no"}


def dialects(old: Inventory, new: Inventory) -> Iterator[str]:
    """What two CNIs do differently where Kubernetes leaves it open, and which calls of a Service that stops."""
    before, after = old.dialect, new.dialect
    if before is None or after is None or before.cni == after.cni:
        return
    same = True
    for what, field in _OPEN.items():
        if (was := getattr(before, field)) != (now := getattr(after, field)):
            same = False
            yield f"dialect: {what}: {before.cni} {_WORDS[was]}, {after.cni} {_WORDS[now]} ({after.because})"
    if bool(before.early_egress) != bool(after.early_egress):
        same = False
        when, who = ("before", after) if after.early_egress else ("after", after)
        yield f"dialect: egress to a Service is judged {when} its address becomes a pod's with {who.cni}"
    for which in (before, after):
        if which.departs and before.departs != after.departs:
            same = False
            yield f"dialect: {which.cni} departs from Kubernetes: {which.departs}"
    if same:
        yield f"dialect: {before.cni} and {after.cni} decide alike what Kubernetes leaves open"
    yield from _stopped(new)


def _stopped(inventory: Inventory) -> Iterator[str]:
    """Calls that pass to the pods behind a Service and not to its own address."""
    if inventory.dialect is None or not inventory.dialect.early_egress:
        return
    endpoints, evaluator = Endpoints(inventory), Evaluator(inventory)
    for service in inventory.services:
        for endpoint in endpoints.of_service(service):
            for source in inventory.workloads:
                reason = service_dialect(inventory, source, endpoint, service)
                if reason is None or endpoint.workload is source:  # a pod reaches itself in any case
                    continue
                verdict = evaluator.evaluate(PodEnd(source.id), endpoint.end, endpoint.number, endpoint.protocol)
                if verdict.expected == "allow":
                    yield f"dialect: {source.id} does not reach service:{service.id}:{endpoint.port.port}: {reason}"
