"""Spec to meaning: one file a pass, in the order of `PASSES`. A pass takes an IR and returns one; it never throws for
what is in the spec, and what it cannot use it leaves out."""

from collections.abc import Sequence
from dataclasses import replace

from netspec.diagnostics import Report
from netspec.ir.model import Ir
from netspec.passes.addresses import addresses
from netspec.passes.allow_dns import allow_dns
from netspec.passes.context import Context, Pass
from netspec.passes.default_deny import default_deny
from netspec.passes.dns import dns
from netspec.passes.expectations import expectations
from netspec.passes.gateways import gateways
from netspec.passes.grants import grants
from netspec.passes.http import behind_policies, http
from netspec.passes.intents import intents
from netspec.passes.native_policies import native_policies
from netspec.passes.objects import objects
from netspec.passes.references import references
from netspec.passes.resolve import dns_of, resolve
from netspec.passes.service_fields import service_fields
from netspec.passes.services import services
from netspec.passes.source_addresses import source_addresses
from netspec.passes.system import system
from netspec.passes.workloads import workloads
from netspec.spec.load import LoadedSpec
from netspec.target import Part, Traits

#: Checks of what is written, then what the cluster brings and what policies mean, then checks of that meaning.
PASSES: tuple[Pass, ...] = (
    addresses,
    objects,
    workloads,
    system,
    services,
    service_fields,
    http,
    gateways,
    native_policies,
    references,
    default_deny,
    allow_dns,
    intents,
    grants,
    source_addresses,
    dns,
    behind_policies,
    expectations,
)


def resolve_and_check(loaded: LoadedSpec, name: str, parts: Sequence[Part], report: Report) -> Ir | None:
    """The spec's meaning for one stack; findings go to `report`. None when the file could not be read.

    `parts` are the stack's backends. `name` is "" for a stack that stands in for one that the file lacks: nothing is
    said about it.
    """
    if loaded.spec is None:
        return None
    context = Context(loaded, report, name)
    ir = resolve(loaded.spec, context)
    ir = replace(ir, providers={part.layer: part.backend.name for part in parts})
    traits = Traits()
    for part in parts:
        traits = part.backend.traits(part.view(ir), part.settings, traits)
    ir = replace(ir, traits=traits)
    if traits.pod_networks:
        where = tuple(found.network for found in traits.pod_networks)
        ir = replace(ir, network=replace(ir.network, pod_cidrs=where))
    if traits.service_networks:
        where = tuple(found.network for found in traits.service_networks)
        ir = replace(
            ir, network=replace(ir.network, service_cidrs=where), dns=replace(ir.dns, address=dns_of(where[0]))
        )
    if traits.dns_address:
        ir = replace(ir, dns=replace(ir.dns, address=traits.dns_address))
    tiers = [t for part in parts for t in part.backend.policies(ir, part.settings, context.place, report)]
    ir = replace(ir, tiers=tuple(tiers))
    for step in PASSES:
        ir = step(ir, context)
    return ir
