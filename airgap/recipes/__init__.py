"""Every component, needs before what needs them."""

from airgap.component import Component
from airgap.recipes import base, cilium, dns, edge, flannel, images, node, programs

COMPONENTS: dict[str, Component] = {
    component.name: component
    for component in (
        *(*programs.COMPONENTS, cilium.PROGRAMS),
        *(base.COMPONENT, *images.COMPONENTS, node.COMPONENT),
        *dns.COMPONENTS,
        *edge.COMPONENTS,
        *flannel.COMPONENTS,
        cilium.IMAGES,
    )
}

#: Components whose `images.tar` the node image does not hold -> the references in it. Nodes pull them from the registry
#: of the engine (airgap/registry.py), and only a plan that names one of them has it built.
EXTRAS: dict[str, frozenset[str]] = {**dns.EXTRAS, **edge.EXTRAS, **cilium.EXTRAS, "flannel-images": flannel.REFERENCES}
