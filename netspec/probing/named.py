"""Flows to the outside host by a name that the cluster's DNS gives it (dns.hosts).

A policy may open the way to a name: to the addresses that the pod was told when it looked that name up. So by address
nothing is predicted, for it depends on what was looked up before; by name it is.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import product

from netspec.analysis.evaluate import Evaluator
from netspec.analysis.verdict import AddressEnd, PodEnd
from netspec.ir.model import Grant, GrantRule, Ir
from netspec.probes import OUTSIDE, OUTSIDE_PORTS, FlowProbe
from netspec.probing.flows import agreed, callers, sources
from netspec.probing.services import reaches_dns


def names_of_outside(ir: Ir) -> list[str]:
    """The names that stand for the outside host and for nobody else."""
    address = ir.traits.outside_address
    return sorted(name for name, found in ir.dns.hosts if [str(a) for a in found] == [str(address)])


def outside_by_name(ir: Ir) -> Iterator[FlowProbe]:
    """From every workload that can look names up, to each name, on the ports on which the outside host serves."""
    for name in names_of_outside(ir):
        as_looked_up = replace(ir, grants=tuple(_looked_up(grant, name) for grant in ir.grants)).inventory
        evaluator = Evaluator(as_looked_up)
        for source, (port, protocol) in product(sources(ir), OUTSIDE_PORTS):
            if not reaches_dns(ir, source):
                continue
            ends = [AddressEnd(a) for a in callers(ir)]
            expect, deciding, reason = agreed(evaluator.evaluate(PodEnd(source.id), e, port, protocol) for e in ends)
            yield FlowProbe(
                f"flow:outside-name:{source.id}->{name}:{port}/{protocol}",
                source.id,
                OUTSIDE,
                "outside-name",
                port,
                protocol,
                expect,
                deciding,
                reason,
                name=name,
            )


def _looked_up(grant: Grant, name: str) -> Grant:
    """What it opens for a pod that has just looked `name` up: what it opens to the name, it opens to the address. What
    it opens to other names stays open to doubt: one of the same address may have been looked up before."""
    return replace(grant, rules=tuple(_sure(rule, name) for rule in grant.rules))


def _sure(rule: GrantRule, name: str) -> GrantRule:
    return replace(rule, name="", entity="world") if rule.name and matches(rule.name, name) else rule


def matches(pattern: str, name: str) -> bool:
    """Whether a name of a policy is this name (docs/semantics.md): * is any part of a label, **. in front is one label
    or more.

    >>> [matches(p, "a.bank.example") for p in ("a.bank.example", "*.bank.example", "*.example", "**.example")]
    [True, True, False, True]
    """
    front, rest = (r"([-a-z0-9_]+\.)+", pattern[3:]) if pattern.startswith("**.") else ("", pattern)
    wanted = front + "[-a-z0-9_]*".join(map(re.escape, rest.lower().split("*")))
    return re.fullmatch(wanted, name.lower()) is not None
