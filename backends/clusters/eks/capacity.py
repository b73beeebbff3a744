"""How many nodes the private subnets have addresses for, where pods have theirs elsewhere."""

from netspec.backends.clusters.eks.addresses import RESERVED, of, path, subnets
from netspec.backends.clusters.eks.settings import EksSettings
from netspec.ir.model import Ir
from netspec.target import Limit

#: What the control plane's interfaces want in each of its subnets (EKS docs, "Subnet requirements"): at least.
CONTROL_PLANE = 6


def subnet_limits(ir: Ir, settings: EksSettings) -> tuple[Limit, ...]:
    """With an overlay a node takes one address. With the VPC's own addresses for pods the CNI does the sums."""
    if ir.traits.pod_networks:
        return ()
    zones = len(settings.zones)
    nodes = sum(-(-(group.most + group.surge) // zones) for group in ir.traits.groups)
    limits = []
    for subnet in of(subnets(settings, ir.network.pod_cidrs), "private"):
        needed = nodes + CONTROL_PLANE
        how = f"/{subnet.cidr.prefixlen} has {subnet.cidr.num_addresses} - {RESERVED}; "
        how += f"{nodes} nodes at most, {CONTROL_PLANE} for the control plane"
        message = f"{subnet.cidr} in {subnet.zone} has {subnet.usable} addresses; {needed} are needed: {how}"
        what = f"addresses in {subnet.zone}"
        limits.append(Limit(subnet.usable, "NS815", path(ir, subnet), message, "larger subnets", what, needed, how))
    return tuple(limits)
