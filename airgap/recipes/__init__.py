"""Every component, needs before what needs them."""

from airgap.component import Component
from airgap.recipes import (
    base,
    calico_bgp,
    cilium,
    dns,
    edge,
    flannel,
    gateways,
    haproxy,
    images,
    kernel,
    node,
    programs,
    python,
    vpc,
)
from netspec import catalogue

COMPONENTS: dict[str, Component] = {
    component.name: component
    for component in (
        *(*programs.COMPONENTS, cilium.PROGRAMS),
        *(base.COMPONENT, *images.COMPONENTS, node.COMPONENT),
        *dns.COMPONENTS,
        *edge.COMPONENTS,
        *flannel.COMPONENTS,
        *gateways.COMPONENTS,
        *haproxy.COMPONENTS,
        calico_bgp.COMPONENT,
        cilium.IMAGES,
        python.COMPONENT,
        *vpc.COMPONENTS,
        kernel.COMPONENT,
    )
}

#: Components whose `images.tar` the node image does not hold -> references that only a plan has which needs it. Nodes
#: pull its images from the registry of the engine (airgap/registry.py), and only for such a plan is it built.
EXTRAS: dict[str, frozenset[str]] = {
    **dns.EXTRAS,
    **edge.EXTRAS,
    **cilium.EXTRAS,
    **calico_bgp.EXTRAS,
    **gateways.EXTRAS,
    **haproxy.EXTRAS,
    "flannel-images": frozenset(catalogue.IMAGES[name] for name in ("flannel", "flannel-cni-plugin")),
    **python.EXTRAS,
    "vpc-cni-images": vpc.REFERENCES,
}
