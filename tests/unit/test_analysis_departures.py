"""Where a CNI departs from Kubernetes, the verdict is its own, and says so."""

from dataclasses import replace

import pytest

from netspec.analysis.departures import as_taken
from netspec.analysis.engine import Reachability
from netspec.analysis.evaluate import evaluate
from netspec.analysis.explain import Explainer
from netspec.analysis.verdict import Answer, PodEnd
from netspec.backends.cni.dialects import DIALECTS
from netspec.ir.model import (
    NAME_LABEL,
    ContainerPort,
    Inventory,
    Namespace,
    NetworkPolicy,
    Peer,
    PolicyPort,
    Rule,
    Workload,
)
from netspec.ir.selectors import Requirement, Selector

ALL = Selector()
ZONE = "topology.kubernetes.io/zone"
WEB = Workload("shop", "web", {"app": "web", ZONE: "a"}, (ContainerPort(8080, "TCP", "http"),))
DB = Workload("shop", "db", {"app": "db"}, (ContainerPort(5432, "TCP", "sql"), ContainerPort(8081, "TCP", "http")))
ENDS = PodEnd("shop/web"), PodEnd("shop/db")
A, D = Answer.ALLOW, Answer.DENY
EVERY = (Peer(namespaces=ALL),)


def inventory(*policies: NetworkPolicy, cni: str = "cilium") -> Inventory:
    namespaces = (Namespace("shop", {NAME_LABEL: "shop"}),)
    return Inventory(namespaces, (WEB, DB), (), policies, dialect=DIALECTS[cni])


def into(*rules: Rule, out: tuple[Rule, ...] = ()) -> NetworkPolicy:
    return NetworkPolicy("shop", "p", ALL, ("Ingress",), rules, out)


def out(*rules: Rule, into: tuple[Rule, ...] = (), pods: Selector = ALL) -> NetworkPolicy:
    return NetworkPolicy("shop", "p", pods, ("Egress",), into, rules)


def to_port(port: int | str) -> Rule:
    return Rule(EVERY, (PolicyPort("TCP", port),))


#: Departure, policy, port, what Kubernetes says, what Cilium does.
ROWS = [
    ("rules", into(Rule(), out=(to_port(1),)), 2, A, D),
    ("rules", out(Rule(), into=(to_port(1),)), 2, A, D),
    ("rules", into(Rule()), 2, A, A),
    ("names", out(to_port("http")), 8081, A, D),
    ("names", out(to_port("sql")), 5432, A, A),
    ("names", into(to_port("http")), 8081, A, A),
    ("labels", into(Rule((Peer(Selector.of({ZONE: "a"})),))), 1, A, D),
    ("labels", out(pods=Selector((), (Requirement(ZONE, "DoesNotExist"),))), 1, A, D),
]


@pytest.mark.parametrize(
    ("what", "policy", "port", "kubernetes", "own"), ROWS, ids=[f"{r[0]}-{i}" for i, r in enumerate(ROWS)]
)
def test_departures(what: str, policy: NetworkPolicy, port: int, kubernetes: Answer, own: Answer) -> None:
    plain = evaluate(inventory(policy, cni="calico"), *ENDS, port, "TCP")
    assert plain.answer is kubernetes
    found = inventory(policy)
    verdict = evaluate(found, *ENDS, port, "TCP")
    assert verdict.expected == own.value
    assert verdict.answer is (own if own is kubernetes else Answer.DIALECT)
    assert verdict.note == ("" if own is kubernetes else DIALECTS["cilium"].departs)
    assert Explainer(found).explain(*ENDS, port, "TCP").answer(port, "TCP") == own.value
    reach = Reachability(found)
    number = {w.id: i for i, w in enumerate(reach.workloads)}
    allowed = {c.destination: c.allow for c in reach.connections(number["shop/web"])}.get(number["shop/db"], 0)
    assert reach.ports.holds(allowed, "TCP", port) is (own is A)


def test_nothing_is_made_of_what_departs_from_nothing() -> None:
    policy = into(Rule())
    for given in (inventory(policy), inventory(policy, cni="calico"), replace(inventory(policy), dialect=None)):
        assert as_taken(given) is given
    once = as_taken(inventory(ROWS[0][1]))
    assert as_taken(once) is once
