"""A namespace's `defaultDeny` becomes a NetworkPolicy that selects every pod and allows nothing.

before:
  namespaces: [{name: shop, defaultDeny: [ingress, egress]}]
after:
  shop/default-deny: {podSelector: {}, policyTypes: [Ingress, Egress], ingress: [], egress: []}
"""

from dataclasses import replace

from netspec.ir.model import Ir, NetworkPolicy
from netspec.ir.selectors import Selector
from netspec.passes.context import Context
from netspec.passes.openings import Names

NAME = "default-deny"


def default_deny(ir: Ir, context: Context) -> Ir:
    names = Names(ir.policies)
    added = tuple(
        NetworkPolicy(
            namespace=n.name,
            name=names.take(n.name, NAME),
            pods=Selector(),
            types=n.default_deny,
            origin=f"namespaces: {n.name} defaultDeny",
            place=context.place((*n.place.path, "defaultDeny")),
        )
        for n in ir.namespaces
        if n.default_deny
    )
    return replace(ir, policies=ir.policies + added)
