"""Every component, needs before what needs them."""

from airgap.component import Component
from airgap.recipes import base, images, node, programs

COMPONENTS: dict[str, Component] = {
    component.name: component
    for component in (*programs.COMPONENTS, base.COMPONENT, *images.COMPONENTS, node.COMPONENT)
}
