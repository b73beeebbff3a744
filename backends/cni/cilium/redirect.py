"""Pods' lookups to the cache of their node. Cilium carries lookups to the DNS servers itself: nobody would ask a cache
at the addresses that it takes on the node (examples/kubernetes-local-redirect/node-local-dns-lrp.yaml, 1.19).
"""

from netspec.backends.objects import Manifest, manifest, node
from netspec.ir.dns import KUBE_DNS, NODE_CACHE, is_redirected
from netspec.ir.model import Ir
from netspec.plan import CNI_READY, ManifestNode
from netspec.target import Fact, Field, ObjectRead

NAME = "nodelocaldns"


def objects(ir: Ir) -> tuple[ManifestNode, ...]:
    """After the agents, which bring the definition of its kind."""
    return (node(policy(), CNI_READY, wait=False),) if is_redirected(ir) else ()


def facts(ir: Ir) -> tuple[Fact, ...]:
    if not is_redirected(ir):
        return ()
    resource = "ciliumlocalredirectpolicies.cilium.io"
    read = ObjectRead(resource, (("spec", Field("spec")),), NAME, KUBE_DNS.namespace)
    return (Fact("cilium-redirect", "dns", {"spec": policy()["spec"]}, read),)


def policy() -> Manifest:
    """Where a node has no cache that is ready, lookups go to the servers as before."""
    ports = [
        {"port": str(NODE_CACHE.port), "name": name, "protocol": p} for name, p in (("dns", "UDP"), ("dns-tcp", "TCP"))
    ]
    front = {"serviceMatcher": {"serviceName": KUBE_DNS.service, "namespace": KUBE_DNS.namespace}}
    back = {"localEndpointSelector": {"matchLabels": dict(NODE_CACHE.labels)}, "toPorts": ports}
    spec = {"redirectFrontend": front, "redirectBackend": back}
    return manifest("cilium.io/v2", "CiliumLocalRedirectPolicy", NAME, KUBE_DNS.namespace, spec=spec)
