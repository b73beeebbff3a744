"""A namespace's `allowDNS` opens its pods' way to CoreDNS, for those whose egress something closes.

before:
  namespaces: [{name: shop, defaultDeny: [egress], allowDNS: true}]
after:
  shop/allow-dns-egress:
    podSelector: {}
    policyTypes: [Egress]
    egress:
      - to:
          - podSelector: {matchLabels: {k8s-app: kube-dns}}
            namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}
        ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}]
"""

from dataclasses import replace

from netspec.ir.dns import KUBE_DNS, NODE_CACHE, is_redirected
from netspec.ir.model import IntentPeer, Ir, PolicyPort
from netspec.passes.context import Context
from netspec.passes.openings import Opener, Opening

PORTS = (PolicyPort("UDP", KUBE_DNS.port), PolicyPort("TCP", KUBE_DNS.port))


def allow_dns(ir: Ir, context: Context) -> Ir:
    opener = Opener(ir)
    servers = [("allow-dns", IntentPeer("workload", KUBE_DNS.workload_id))]
    if is_redirected(ir):
        servers.append(("allow-dns-cache", IntentPeer("workload", NODE_CACHE.workload_id)))
    elif ir.dns.node_local:
        # The cache on a node takes the Service's address for its own: what pods send there is not for a pod any more.
        caches = (("allow-dns-cache", ir.dns.node_local), ("allow-dns-service", ir.dns.address))
        servers += [(name, IntentPeer("cidr", f"{address}/32")) for name, address in caches]
    added = [
        policy
        for n in ir.namespaces
        if n.allow_dns
        for name, server in servers
        for policy in opener.policies(
            Opening(
                name=name,
                origin=f"namespaces: {n.name} allowDNS",
                source=IntentPeer("namespace", n.name),
                destination=server,
                ports=PORTS,
                place=context.place((*n.place.path, "allowDNS")),
            )
        )
    ]
    return replace(ir, policies=ir.policies + tuple(added))
