"""Calico as the policy engine beside Amazon's VPC CNI, which gives pods their addresses and their routes.

Sources: Calico docs, Amazon EKS (Install EKS with Amazon VPC networking); tigera/operator 1.36 and 1.42,
pkg/controller/installation (AmazonVPC: its own IPAM, BGP off, a range of route tables beside the VPC CNI's) and
pkg/render/node.go (interfaces called eni*); EKS docs, Alternate CNI plugins: security groups for pods.
"""

from typing import Any

from netspec.backends.cni.calico.settings import CalicoBgp, CalicoSettings
from netspec.backends.cni.vpc import addon
from netspec.backends.cni.vpc.checks import check as check_addresses
from netspec.backends.cni.vpc.settings import VpcAddresses
from netspec.diagnostics import Path, Report
from netspec.ir.model import Ir

#: What is about addresses, routes and bytes, which are not Calico's then.
NETWORK = ("encapsulation", "wireguard", "bgp", "pools", "block_size", "mtu")


def effective(settings: CalicoSettings) -> CalicoSettings:
    """What Calico does then: no encapsulation, no routes."""
    if settings.vpc_cni is None:
        return settings
    return settings.model_copy(update={"encapsulation": "none", "bgp": CalicoBgp(enabled=False)})


def values(settings: VpcAddresses) -> dict[str, Any]:
    """AWS's own agent is off: both would program the same pods. Pods carry their address for felix to see it early."""
    return addon.configuration(settings, "off", annotate=True)


def check(ir: Ir, settings: CalicoSettings, report: Report) -> None:
    """NS924: settings of a network that is the VPC CNI's."""
    at: Path = ("stacks", ir.stack, "cni")
    assert settings.vpc_cni is not None
    for field in (f for f in NETWORK if f in settings.model_fields_set):
        name = type(settings).model_fields[field].alias or field
        message = f"{name} is about Calico's network, and the VPC CNI is the network here"
        report.error("NS924", (*at, name), message, "remove it, or vpcCni")
    if settings.vpc_cni.security_groups_for_pods == "strict":
        message = "strict security groups leave no packet of a pod to Calico's policies"
        report.error("NS924", (*at, "vpcCni", "securityGroupsForPods"), message, "standard, or off")
    if addon.ADDON in ir.traits.addons:  # elsewhere there is no VPC CNI at all, which the compiler says
        check_addresses(ir, settings.vpc_cni, report, (*at, "vpcCni"))
