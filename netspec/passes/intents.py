"""Intents become NetworkPolicies on both sides: egress where the caller is isolated, ingress where the called is.

before:
  namespaces: [{name: shop, defaultDeny: [ingress, egress]}]
  policies: [{name: web-to-api, from: {workload: shop/web}, to: {workload: shop/api}, ports: [8080/TCP]}]
after:
  shop/web-to-api-egress:
    podSelector: {matchLabels: {app: web}}
    policyTypes: [Egress]
    egress: [{to: [{podSelector: {matchLabels: {app: api}}}], ports: [{protocol: TCP, port: 8080}]}]
  shop/web-to-api-ingress:
    podSelector: {matchLabels: {app: api}}
    policyTypes: [Ingress]
    ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{protocol: TCP, port: 8080}]}]
"""

from dataclasses import replace

from netspec.ir.model import Ir
from netspec.passes.context import Context
from netspec.passes.grants import is_plain
from netspec.passes.openings import Opener, Opening


def intents(ir: Ir, _: Context) -> Ir:
    opener = Opener(ir)
    added = [
        policy
        for i in ir.intents
        if is_plain(i)
        for policy in opener.policies(Opening(i.name, f"policies: {i.name}", i.source, i.destination, i.ports, i.place))
    ]
    return replace(ir, policies=ir.policies + tuple(added))
