"""Intents become NetworkPolicies on both sides: egress where the caller is isolated, ingress where the called is.

before: policies: [{name: web-to-api, from: {workload: shop/web}, to: {workload: shop/api}, ports: [8080/TCP]}]
after:  NetworkPolicy shop/web-to-api-egress  {podSelector: web, egress: [{to: [api], ports: [8080/TCP]}]}
        NetworkPolicy shop/web-to-api-ingress {podSelector: api, ingress: [{from: [web], ports: [8080/TCP]}]}
"""

from dataclasses import replace

from netspec.ir.model import Ir
from netspec.passes.context import Context
from netspec.passes.openings import Opener, Opening


def intents(ir: Ir, _: Context) -> Ir:
    opener = Opener(ir)
    added = [
        policy
        for i in ir.intents
        for policy in opener.policies(Opening(i.name, f"policies: {i.name}", i.source, i.destination, i.ports, i.place))
    ]
    return replace(ir, policies=ir.policies + tuple(added))
